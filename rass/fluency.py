"""Fluency: how surprised a language model is by a text, measured under one header for all texts of a language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rass.models import ChatModel, clean, length_batches


def surprise(chat: ChatModel, texts: Sequence[str], header: str, *, batch_size: int = 32) -> list[float]:
    """Mean negative log-likelihood per token (nats) of each text after `header`."""
    import torch

    start = chat.tokenizer(header, add_special_tokens=False)["input_ids"]
    bodies = [chat.tokenizer(clean(text) + "\n", add_special_tokens=False)["input_ids"] for text in texts]
    found = [0.0] * len(texts)
    with torch.inference_mode():
        for batch in length_batches([len(body) for body in bodies], batch_size):
            ids, mask = chat.pad([start + bodies[index] for index in batch], side="right")
            decoder = chat.model.get_decoder() if hasattr(chat.model, "get_decoder") else chat.model.base_model
            states = decoder(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
            for row, index in enumerate(batch):  # row by row: the vocabulary matrix over a whole batch would not fit
                span = slice(len(start) - 1, len(start) + len(bodies[index]) - 1)
                logits = _capped(chat, chat.model.get_output_embeddings()(states[row, span]).float())
                target = torch.tensor(bodies[index], device=logits.device)
                found[index] = float(torch.nn.functional.cross_entropy(logits, target))
    return found


def _capped(chat: ChatModel, logits: Any) -> Any:
    """Logits as the model's own head gives them: some families (Gemma 2) squeeze them softly into a range."""
    import torch

    cap = getattr(chat.model.config.get_text_config(), "final_logit_softcapping", None)
    return logits if not cap else cap * torch.tanh(logits / cap)
