"""Activations of the residual stream at the last prompt token, and the first-token refusal score, in one pass."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from curation.errors import ModelError
from curation.progress import progress_bar
from rass.models import ChatModel, length_batches

if TYPE_CHECKING:
    import numpy as np


class Activations(NamedTuple):
    """What a model's inside shows of each prompt."""

    hidden: dict[int, np.ndarray]  # layer -> (prompts, width) float32: the block's output at the last prompt token
    refusal_score: np.ndarray  # (prompts,) log-odds that the first token opens a refusal; nan when not asked for


class _DeepEnough(Exception):
    """Raised by the deepest hook: nothing above it is wanted."""


def collect(chat: ChatModel, prompts: Sequence[str], layers: Sequence[int], *, openings: Sequence[int] = (),
            batch_size: int = 32, side: str = "left", title: str = "activations") -> Activations:  # fmt: skip
    """Run prompts through a model, batched by length; stops after the deepest layer unless `openings` are given.

    `openings` are token ids that open a refusal. The result does not depend on the padding side.
    """
    import numpy as np
    import torch

    depth = len(chat.layers)
    for layer in layers:
        if not 0 <= layer < depth:
            raise ModelError(f"layer {layer} is out of range, {chat.name} has {depth}", fix=f"use 0 to {depth - 1}")
    encoded = chat.encode(prompts)
    hidden = {layer: np.zeros((len(prompts), chat.hidden_size), np.float32) for layer in layers}
    score = np.full(len(prompts), np.nan, np.float64)
    with progress_bar(title, total=len(prompts)) as advance, torch.inference_mode():
        for batch in length_batches([len(ids) for ids in encoded], batch_size):
            ids, mask = chat.pad([encoded[index] for index in batch], side=side)
            last = mask.shape[1] - 1 if side == "left" else mask.sum(1) - 1
            final, states = _forward(chat, ids, mask, layers, whole=bool(openings))
            rows = torch.arange(len(batch), device=ids.device)
            for layer in layers:
                hidden[layer][batch] = states[layer][rows, last].float().cpu().numpy()
            if openings:
                # two-dimensional input: a sliced three-dimensional one copies the vocabulary matrix for each row
                logits = chat.model.get_output_embeddings()(final[rows, last]).float()
                score[batch] = opening_log_odds(logits, openings).cpu().numpy()
            advance(len(batch))
    return Activations(hidden, score)


def opening_log_odds(logits: Any, openings: Sequence[int]) -> Any:
    """Log-odds of the summed probability of the opening tokens; logits (batch, vocabulary) -> (batch,)."""
    import torch

    log_probability = torch.log_softmax(logits.double(), dim=-1)
    inside = torch.logsumexp(log_probability[:, list(openings)], dim=-1)
    outside = torch.log1p(-inside.exp().clamp(max=1 - 1e-12))
    return inside - outside


def _forward(chat: ChatModel, ids: Any, mask: Any, layers: Sequence[int], *, whole: bool) -> tuple[Any, dict[int, Any]]:
    """Hidden states after the asked layers, and the normed final state when the whole model is run."""
    states: dict[int, Any] = {}
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with contextlib.ExitStack() as stack:
        for layer in layers:
            deepest = not whole and layer == max(layers)
            stack.enter_context(_captured(chat.layers[layer], layer, states, stop=deepest))
        decoder = chat.model.get_decoder() if hasattr(chat.model, "get_decoder") else chat.model.base_model
        try:
            final = decoder(
                input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False
            ).last_hidden_state
        except _DeepEnough:
            final = None
    return final, states


@contextlib.contextmanager
def _captured(block: Any, layer: int, states: dict[int, Any], *, stop: bool) -> Iterator[None]:
    def hook(_module: Any, _inputs: Any, output: Any) -> None:
        states[layer] = output[0] if isinstance(output, tuple) else output
        if stop:
            raise _DeepEnough

    handle = block.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
