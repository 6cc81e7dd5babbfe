"""Tiny random chat models, made from a config and saved to a folder: for tests here and in projects that use morbench.

    folder = tiny_model(tmp_path / "tiny")
    chat = load_model(str(folder), device="cpu", dtype=torch.float32)

They know nothing and answer gibberish, but are real transformers models with a real tokenizer (one token a byte, so
that any text in any language can be read and written), load offline in a moment and always come out the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from curation.errors import ModelError
from curation.records import digest
from rass.models import ChatModel

TEMPLATE = (
    "{% for m in messages %}{{ '<|assistant|>' if m['role'] == 'assistant' else '<|user|>' }}{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ("<|pad|>", "<|end|>", "<|user|>", "<|assistant|>")
_SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
# family -> transformers' config class, its model class, and what differs from the shared sizes
FAMILIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", "LlamaForCausalLM", {"tie_word_embeddings": False}),
    "qwen2": ("Qwen2Config", "Qwen2ForCausalLM", {"tie_word_embeddings": True}),
    "qwen3": ("Qwen3Config", "Qwen3ForCausalLM", {"head_dim": 8}),
    "qwen3_moe": ("Qwen3MoeConfig", "Qwen3MoeForCausalLM",
                  {"head_dim": 8, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}),
    "mixtral": ("MixtralConfig", "MixtralForCausalLM", {"num_local_experts": 4, "num_experts_per_tok": 2}),
    "mistral": ("MistralConfig", "MistralForCausalLM", {"sliding_window": 24}),
    "gemma2": ("Gemma2Config", "Gemma2ForCausalLM", {"head_dim": 8, "sliding_window": 24}),
    "gemma3": ("Gemma3TextConfig", "Gemma3ForCausalLM", {"head_dim": 8, "sliding_window": 24}),
    "phi": ("PhiConfig", "PhiForCausalLM", {}),  # attention and MLP side by side, half of each head rotated
    "phi3": ("Phi3Config", "Phi3ForCausalLM", {"sliding_window": 24}),
    "olmo2": ("Olmo2Config", "Olmo2ForCausalLM", {}),  # norms after attention and MLP
    "gpt2": ("GPT2Config", "GPT2LMHeadModel", {}),  # positions are learned, and its layers are called `h`
}  # fmt: skip


def tiny_model(folder: Path, *, family: str = "llama", layers: int = 3, context: int = 1024, seed: int = 0,
               template: bool = True) -> Path:  # fmt: skip
    """Save a random chat model of a family to `folder`; `template=False` leaves the chat template out."""
    from rass.reference.weights import quiet_transformers

    chat = random_chat(family, layers=layers, context=context, seed=seed, template=template)
    with quiet_transformers():
        chat.model.save_pretrained(folder)
        chat.tokenizer.save_pretrained(folder)
    return folder


def random_chat(family: str = "llama", *, layers: int = 3, context: int = 1024, seed: int = 0, template: bool = True,
                device: str = "cpu", dtype: str = "float32", **sizes: Any) -> ChatModel:  # fmt: skip
    """A random chat model in memory; `sizes` are fields of its config that differ from a tiny one's."""
    import torch
    import transformers

    from rass.reference.weights import quiet_transformers

    if family not in FAMILIES:
        raise ModelError(f"no tiny model of family {family!r}", fix=f"known: {', '.join(FAMILIES)}")
    config_class, model_class, differs = FAMILIES[family]
    tokenizer = byte_tokenizer(template=template)
    config = getattr(transformers, config_class)(**{
        "vocab_size": len(tokenizer), "num_hidden_layers": layers, "max_position_embeddings": context,
        "initializer_range": 0.3, "bos_token_id": None, "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id, "dtype": dtype, **_SIZES, **differs, **sizes,
    })  # fmt: skip
    here = torch.device(device)
    with quiet_transformers(), torch.random.fork_rng(devices=[here] if here.type == "cuda" else []), here:
        torch.manual_seed(seed)
        model = getattr(transformers, model_class)._from_config(config, dtype=getattr(torch, dtype))
    name = f"random {family}"
    return ChatModel(name, model.eval(), tokenizer, digest(name, config.to_json_string(), str(seed))[:16])


def byte_tokenizer(*, template: bool = True) -> Any:
    """A fast tokenizer with one token for each byte, and the special tokens of a chat."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: index for index, token in enumerate((*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())))}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, pad_token=SPECIAL[0], eos_token=SPECIAL[1],
                                        additional_special_tokens=list(SPECIAL[2:]), padding_side="right")  # fmt: skip
    if template:
        tokenizer.chat_template = TEMPLATE
    return tokenizer
