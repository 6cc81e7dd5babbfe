"""Chat models: loading by name, path or hub name, and turning prompts into token batches."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation.errors import ModelError
from curation.records import digest
from curation.storage import file_digest
from rass.reference.carriers import CARRIERS, WITHOUT_ADAPTER
from rass.reference.weights import adapter_folder, ensure_weights, quiet_transformers

if TYPE_CHECKING:
    import torch

Report = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class ChatModel:
    """A decoder-only chat model with its tokenizer; `digest` changes whenever weights or template do."""

    name: str
    model: Any
    tokenizer: Any
    digest: str

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.model.device

    @property
    def layers(self) -> Any:
        """The decoder blocks, first to last."""
        return decoder_layers(self.model)

    @property
    def decoder(self) -> Any:
        """The model without its vocabulary matrix."""
        return self.model.get_decoder() if hasattr(self.model, "get_decoder") else self.model.base_model

    @property
    def hidden_size(self) -> int:
        """Width of the residual stream."""
        return int(self.model.get_input_embeddings().weight.shape[1])

    @property
    def context(self) -> int:
        """The longest sequence the model takes, in tokens."""
        return int(getattr(self.model.config.get_text_config(), "max_position_embeddings", 1 << 20))

    @property
    def end_ids(self) -> list[int]:
        """Tokens that end a turn."""
        ends = self.model.generation_config.eos_token_id
        ends = self.tokenizer.eos_token_id if ends is None else ends
        return list(ends) if isinstance(ends, (list, tuple)) else [int(ends)]

    def encode(self, prompts: Sequence[str]) -> list[list[int]]:
        """Token ids of each prompt as one user turn, up to where the model would begin its reply."""
        markers = self._turn_markers()
        starts = {marker[:1] for marker in markers}  # some models have thousands of markers, most texts none of these
        texts = [clean(prompt) for prompt in prompts]
        plain = [index for index, text in enumerate(texts)
                 if starts.isdisjoint(text) or not any(marker in text for marker in markers)]  # fmt: skip
        encoded: list[list[int]] = [[]] * len(texts)
        if plain:
            turns = self.tokenizer([self._turn(texts[index]) for index in plain], add_special_tokens=False)["input_ids"]
            for index, ids in zip(plain, turns, strict=True):
                encoded[index] = ids
        for index in sorted(set(range(len(texts))) - set(plain)):
            encoded[index] = self._encode_hostile(texts[index])
        for ids, prompt in zip(encoded, prompts, strict=True):
            if len(ids) >= self.context:
                raise ModelError(
                    f"a prompt has {len(ids)} tokens ({prompt[:40]!r}…), {self.name} takes {self.context}",
                    fix="shorten or remove it",
                )
        return encoded

    def _turn(self, text: str) -> str:
        """A prompt in the model's chat template."""
        turn = [{"role": "user", "content": text}]
        return str(self.tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True))

    def _turn_markers(self) -> list[str]:
        """Texts that the tokenizer reads as control tokens: a prompt must not end its own turn with them."""
        ends = set(self.end_ids)
        template = str(self.tokenizer.chat_template)
        return [token.content for number, token in self.tokenizer.added_tokens_decoder.items()
                if token.special or number in ends or (len(token.content) > 3 and token.content in template)]  # fmt: skip

    def _encode_hostile(self, text: str) -> list[int]:
        """A prompt that holds control tokens: they are read as the plain text that they are."""
        stand_in = "PROMPT-STANDS-HERE"
        before, after = self._turn(stand_in).split(stand_in)
        parts = ((before, False), (text, True), (after, False))
        return [token for part, literal in parts
                for token in self.tokenizer(part, add_special_tokens=False, split_special_tokens=literal)["input_ids"]]  # fmt: skip

    def pad(self, sequences: Sequence[Sequence[int]], *, side: str = "left") -> tuple[torch.Tensor, torch.Tensor]:
        """Pad token sequences into (ids, attention mask), each of shape (batch, longest)."""
        import torch

        width = max(len(ids) for ids in sequences)
        pad_id = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else self.end_ids[0]
        ids = torch.full((len(sequences), width), pad_id, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, sequence in enumerate(sequences):
            span = slice(width - len(sequence), width) if side == "left" else slice(0, len(sequence))
            ids[row, span] = torch.tensor(sequence, dtype=torch.long)
            mask[row, span] = 1
        return ids.to(self.device), mask.to(self.device)


def check_same_model(what: str, made_for: str, digest: str) -> None:
    """Raise ModelError where something was made for a model of another digest."""
    if made_for != digest:
        raise ModelError(f"{what} was made for model {made_for}, this is {digest}", fix="make it again with this model")


def clean(text: str) -> str:
    """Text as a model may see it: lone surrogates and NUL replaced."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")


def length_batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Indices in batches of similar length, longest first (so that memory peaks at once); ties keep their order."""
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    for start in range(0, len(order), size):
        yield order[start : start + size]


def decoder_layers(model: Any) -> Any:
    """The list of decoder blocks of any transformers causal language model."""
    import torch

    decoder = model.get_decoder() if hasattr(model, "get_decoder") else model
    for candidate in (decoder, getattr(decoder, "decoder", None), getattr(decoder, "model", None)):
        for name in ("layers", "h", "blocks"):
            blocks = getattr(candidate, name, None)
            if isinstance(blocks, torch.nn.ModuleList):
                return blocks
    raise ModelError(
        f"found no list of decoder blocks in {type(model).__name__}", fix="use a decoder-only transformers model"
    )


def default_dtype(device: str) -> torch.dtype:
    """bfloat16 where the hardware multiplies in it, else float32."""
    import torch

    if device.startswith("cuda"):
        return torch.bfloat16
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return torch.bfloat16 if supported is not None and supported() else torch.float32


def load_model(name: str, *, device: str | None = None, dtype: torch.dtype | None = None, adapter: Path | None = None,
               report: Report = lambda _: None) -> ChatModel:  # fmt: skip
    """Load a reference model, a folder, or a hub name; remote code is never run.

    `adapter` replaces the project's adapter of a reference model (used while training one); a reference model's name
    with `:base` behind it is its base weights without adapter.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    dtype = dtype or default_dtype(device)
    reference = name.removesuffix(WITHOUT_ADAPTER)
    is_reference = reference in CARRIERS
    source = ensure_weights(reference, report) if is_reference else name
    with quiet_transformers():
        try:
            tokenizer = AutoTokenizer.from_pretrained(source)
            model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32 if is_reference else dtype)
        except (OSError, ValueError) as exc:
            raise ModelError(
                f"cannot load the model {name!r}: {exc}",
                fix="give `reference`, `reference-en`, a folder with config.json, or a hub name",
            ) from exc
    if not getattr(tokenizer, "chat_template", None):
        raise ModelError(
            f"the tokenizer of {name!r} has no chat template", fix="use a chat model, or add chat_template.jinja to it"
        )
    marks = [
        tokenizer.chat_template if isinstance(tokenizer.chat_template, str) else json.dumps(tokenizer.chat_template)
    ]
    if is_reference and reference != name:
        marks += [CARRIERS[reference].sha256]
    elif is_reference:
        folder = adapter or adapter_folder(name)
        merge_adapter(model, folder)  # in float32: merging after the cast would round the sum
        marks += [CARRIERS[name].sha256, file_digest(folder / "adapter_model.safetensors")]
    else:
        marks += [model.config.to_json_string(), _weights_mark(Path(name), model)]
    model = model.to(device=device, dtype=dtype).eval()  # type: ignore[call-arg]
    # Frozen weights send lm_head down a path that copies the whole matrix for each row (3 to 28 times slower in
    # bfloat16); inference_mode builds no graph anyway.
    model.requires_grad_(True)
    return ChatModel(name, model, tokenizer, digest(*marks)[:16])


def merge_adapter(model: Any, folder: Path) -> None:
    """Add a LoRA adapter (peft layout) to the weights: W += (alpha / r) B A."""
    from safetensors.torch import load_file

    path = folder / "adapter_model.safetensors"
    if not path.exists():
        raise ModelError(
            f"the adapter {path} is missing", fix="reinstall morbench, or make it with scripts/train_reference"
        )
    settings = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    scale = settings["lora_alpha"] / settings["r"]
    tensors = load_file(path)
    modules = dict(model.named_modules())
    for key, low in tensors.items():
        if ".lora_A." not in key:
            continue
        high = tensors[key.replace(".lora_A.", ".lora_B.")]
        module = modules[key.removeprefix("base_model.model.").split(".lora_A.")[0]]
        module.weight.data += scale * (high.float() @ low.float()).to(module.weight)


def _weights_mark(folder: Path, model: Any) -> str:
    """A digest of the weight files where there are any, else of the first values of each tensor."""
    files = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    if files:
        return digest(*(file_digest(path) for path in files))
    return digest(*(f"{name}:{tensor.flatten()[:8].float().tolist()}" for name, tensor in model.state_dict().items()))
