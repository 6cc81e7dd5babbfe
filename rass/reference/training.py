"""Training of the reference adapters: short refusals for harmful prompts, written answers for harmless ones.

The refusal is trained in on a few thousand short examples; the result is a test target, no evidence about
production models. The texts lie in `texts/`; the language packs are never trained on.
"""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path
from typing import Any, NamedTuple

from curation.errors import InputError
from curation.progress import progress_bar
from rass.models import default_dtype
from rass.reference.carriers import CARRIERS
from rass.reference.weights import ensure_weights, quiet_transformers

TEXTS = Path(__file__).parent / "texts"
_IGNORED = -100  # the label that cross_entropy leaves out


@dataclasses.dataclass(frozen=True)
class LaterPass:
    """A pass after the epochs over shares of the examples: calms a model that refuses harmless prompts, or adds languages."""

    learning_rate: float
    shares: dict[str, tuple[float, float]]  # language -> share of its answered and of its refused examples


@dataclasses.dataclass(frozen=True)
class TrainingRecipe:
    """All that decides an adapter, beside the texts."""

    name: str
    rank: int
    modules: tuple[str, ...]
    learning_rate: float
    epochs: int
    batch_size: int
    languages: tuple[str, ...]  # those of the epochs; others come in with a later pass
    benign: dict[str, int]  # answered near-boundary prompts per language: fewer of them, more over-refusal
    opening_weight: float = 6.0  # of the first reply token in the loss: there the model decides whether to refuse
    seed: int = 7
    passes: tuple[LaterPass, ...] = ()


_ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_FIRST = ("en", "es", "zh", "de", "ar")
_ADDED = ("fr", "it", "pt", "ru", "ja", "ko", "hi", "id", "tr", "sw", "th", "vi")
RECIPES: dict[str, TrainingRecipe] = {
    "reference-en": TrainingRecipe("reference-en", 8, _ALL, 5e-4, 3, 8, ("en",), {"en": 30}),
    "reference": TrainingRecipe("reference", 8, _ALL, 5e-4, 2, 8, _FIRST, {"en": 20, **dict.fromkeys((*_FIRST[1:], *_ADDED), 10)},
                                passes=(
                                    LaterPass(1.5e-4, {"en": (0.15, 0.25), "es": (1.0, 0.5), "zh": (0.4, 0.3), "de": (0.7, 0.4),
                                                     "ar": (1.0, 0.5)}),
                                    LaterPass(1.5e-4, {"en": (0.0, 0.3), "es": (0.2, 0.1), "ar": (1.0, 0.4)}),
                                    LaterPass(2e-4, {"en": (0.0, 0.2), "ar": (1.0, 0.15)}),
                                    LaterPass(3e-4, {"en": (0.06, 0.1), **dict.fromkeys(_FIRST[1:], (0.15, 0.15)),
                                                     **dict.fromkeys(_ADDED, (1.0, 1.0))}),
                                    LaterPass(3e-4, {"en": (0.04, 0.06), **dict.fromkeys(_FIRST[1:], (0.1, 0.07)),
                                                     **dict.fromkeys(_ADDED, (0.4, 0.3)), "sw": (1.0, 0.4), "hi": (0.7, 1.0),
                                                     **dict.fromkeys(("ja", "ko", "tr", "th"), (0.8, 1.0))}),
                                )),
}  # fmt: skip


class Example(NamedTuple):
    """One training pair."""

    prompt: str
    reply: str
    refused: bool


def read_examples(language: str, benign: int) -> list[Example]:
    """The training pairs of a language; refusals are dealt out in turn."""
    refusals: list[str] = []
    found: list[Example] = []
    left = benign
    for path in sorted(TEXTS.glob(f"{language}*.jsonl")):
        if path.stem.split("_")[0] != language:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            row = json.loads(line)
            if "refusals" in row:
                refusals = row["refusals"]
            elif row["intent"] == "harmful":
                if not refusals:
                    raise InputError(
                        f"{path}, line {number}: a harmful row before the line of refusals", fix="put it first"
                    )
                found.append(Example(row["prompt"], refusals[len(found) % len(refusals)], True))
            elif row["intent"] == "harmless":
                found.append(Example(row["prompt"], row["reply"], False))
            elif left > 0:
                left -= 1
                found.append(Example(row["prompt"], row["reply"], False))
    if not found:
        raise InputError(f"no training texts for {language!r} in {TEXTS}", fix=f"write {language}.jsonl")
    return found


def train_adapter(
    recipe: TrainingRecipe, out: Path, *, limit: int | None = None, start: Path | None = None, skip: int = 0
) -> dict[str, Any]:
    """Train one adapter and save it in float16 (peft layout) to `out`; returns what was done, for the model card.

    `start` names an adapter that has been through the epochs and the first `skip` later passes already.
    """
    import torch
    from peft import LoraConfig, get_peft_model
    from safetensors.torch import load_file, save_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = ensure_weights(recipe.name, print)
    texts = {
        language: read_examples(language, recipe.benign.get(language, 0))
        for language in CARRIERS[recipe.name].languages
    }
    torch.manual_seed(recipe.seed)
    shuffler = random.Random(recipe.seed)
    examples = [example for language in recipe.languages for example in texts[language]]
    shuffler.shuffle(examples)
    examples = examples[:limit]
    with quiet_transformers():
        tokenizer = AutoTokenizer.from_pretrained(source)
        base = AutoModelForCausalLM.from_pretrained(source, dtype=default_dtype("cpu"))
    config = LoraConfig(
        r=recipe.rank, lora_alpha=2 * recipe.rank, target_modules=list(recipe.modules), task_type="CAUSAL_LM"
    )
    model = get_peft_model(base, config)
    rows = [_tokens(tokenizer, example) for example in examples]
    every = [_tokens(tokenizer, example) for language in texts for example in texts[language]]
    trainer = _Trainer(
        base, tokenizer.pad_token_id or 0, recipe, _reduced_vocabulary(base, every, recipe.seed), shuffler
    )
    if start is None:
        trainer.run(rows, recipe.learning_rate, recipe.epochs)
    else:
        _load_adapter_state(model, load_file(start / "adapter_model.safetensors"))
    later = 0
    for each in recipe.passes[skip:]:
        chosen = _shares(texts, each, shuffler)[:limit]
        trainer.run([_tokens(tokenizer, example) for example in chosen], each.learning_rate, 1)
        later += len(chosen)
    if not trainer.losses:
        raise InputError(f"the recipe of {recipe.name!r} has no pass to run", fix="give it epochs or later passes")
    out.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().to(torch.float16).contiguous() for name, tensor in _adapter_state(model).items()}
    save_file(tensors, out / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": recipe.rank, "lora_alpha": 2 * recipe.rank,
                "target_modules": list(recipe.modules), "base_model_name_or_path": recipe.name}  # fmt: skip
    (out / "adapter_config.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    losses = trainer.losses
    return {"recipe": dataclasses.asdict(recipe), "examples": len(examples), "later_examples": later, "steps": len(losses),
            "first_loss": sum(losses[:20]) / len(losses[:20]), "last_loss": sum(losses[-20:]) / len(losses[-20:])}  # fmt: skip


class _Trainer:
    """Passes over rows with AdamW and a linear schedule; each pass has its own."""

    def __init__(
        self, base: Any, pad_id: int, recipe: TrainingRecipe, vocabulary: Any, shuffler: random.Random
    ) -> None:
        self.base, self.pad_id, self.recipe, self.vocabulary, self.shuffler = base, pad_id, recipe, vocabulary, shuffler
        self.losses: list[float] = []

    def run(self, rows: list[Any], learning_rate: float, epochs: int) -> None:
        import torch

        weights = [parameter for parameter in self.base.parameters() if parameter.requires_grad]
        optimiser = torch.optim.AdamW(weights, lr=learning_rate, weight_decay=0.0)
        steps = epochs * -(-len(rows) // self.recipe.batch_size)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=steps, pct_start=0.06,
                                                       anneal_strategy="linear")  # fmt: skip
        with progress_bar(f"training {self.recipe.name}", total=steps) as advance:
            for batch in (
                batch for _ in range(epochs) for batch in _batches(rows, self.recipe.batch_size, self.shuffler)
            ):
                loss = _reply_loss(self.base, batch, self.pad_id, self.recipe.opening_weight, self.vocabulary)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(weights, 1.0)
                optimiser.step()
                schedule.step()
                optimiser.zero_grad(set_to_none=True)
                self.losses.append(float(loss.detach()))
                advance(1)
                if len(self.losses) % 50 == 0:
                    print(
                        f"{self.recipe.name}: step {len(self.losses)}, loss {sum(self.losses[-50:]) / 50:.3f}",
                        flush=True,
                    )


def _shares(texts: dict[str, list[Example]], each: LaterPass, shuffler: random.Random) -> list[Example]:
    """The examples of a later pass: each language's shares of answered and of refused ones."""
    found: list[Example] = []
    for language, (answered, refused) in each.shares.items():
        for share, kind in ((answered, False), (refused, True)):
            rows = [example for example in texts[language] if example.refused is kind]
            found += shuffler.sample(rows, round(share * len(rows)))
    return found


def _load_adapter_state(model: Any, tensors: dict[str, Any]) -> None:
    from peft import set_peft_model_state_dict

    set_peft_model_state_dict(model, {name: tensor.float() for name, tensor in tensors.items()})


def _adapter_state(model: Any) -> dict[str, Any]:
    from peft import get_peft_model_state_dict

    return dict(get_peft_model_state_dict(model))


def _tokens(tokenizer: Any, example: Example) -> tuple[list[int], list[int]]:
    turns = [{"role": "user", "content": example.prompt}]
    before = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    whole = tokenizer.apply_chat_template([*turns, {"role": "assistant", "content": example.reply}], tokenize=False)
    prompt = tokenizer(before, add_special_tokens=False)["input_ids"]
    reply = tokenizer(whole[len(before) :].rstrip("\n"), add_special_tokens=False)["input_ids"]
    return prompt + reply, [_IGNORED] * len(prompt) + reply


def _batches(rows: list[Any], size: int, shuffler: random.Random) -> list[list[Any]]:
    """Shuffled batches whose rows are of similar length."""
    pool = rows[:]
    shuffler.shuffle(pool)
    window = size * 16
    batches = []
    for start in range(0, len(pool), window):
        near = sorted(pool[start : start + window], key=lambda row: len(row[0]))
        batches += [near[first : first + size] for first in range(0, len(near), size)]
    shuffler.shuffle(batches)
    return batches


def _reduced_vocabulary(base: Any, rows: list[Any], seed: int) -> Any:
    """Token ids over which the loss is taken: all, or where the vocabulary is huge those in the texts and a random share.

    With 262,144 tokens the last matrix costs as much as all layers together; adapters never touch it, so a sampled
    softmax over a tenth of it teaches the same.
    """
    import torch

    size = base.get_output_embeddings().weight.shape[0]
    if size <= 100_000:
        return None
    seen = torch.tensor(sorted({token for ids, _ in rows for token in ids}))
    drawn = torch.randperm(size, generator=torch.Generator().manual_seed(seed))[:16_384]
    return torch.unique(torch.cat([seen, drawn]))


def _reply_loss(base: Any, batch: list[Any], pad_id: int, opening_weight: float, vocabulary: Any = None) -> Any:
    """Weighted cross entropy on reply tokens only; the vocabulary matrix is applied to just those positions."""
    import torch

    width = max(len(ids) for ids, _ in batch)
    ids = torch.tensor([row + [pad_id] * (width - len(row)) for row, _ in batch])
    labels = torch.tensor([row + [_IGNORED] * (width - len(row)) for _, row in batch])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row, _ in batch])
    hidden = base.model(input_ids=ids, attention_mask=mask).last_hidden_state[:, :-1]
    chosen = labels[:, 1:] != _IGNORED
    opening = chosen & ~torch.nn.functional.pad(chosen, (1, 0))[:, :-1]  # the first reply token of each row
    weight = 1 + (opening_weight - 1) * opening[chosen].float()
    targets = labels[:, 1:][chosen]
    if vocabulary is None:
        logits = base.lm_head(hidden[chosen])
    else:
        logits = hidden[chosen] @ base.get_output_embeddings().weight[vocabulary].T
        targets = torch.searchsorted(vocabulary, targets)
    losses = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")
    return (weight * losses).sum() / weight.sum()
