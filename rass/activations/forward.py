"""One batch through a model's blocks: states at the asked tokens, stopped after the deepest block that is needed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from curation.errors import ModelError
from rass.models import ChatModel, length_batches

if TYPE_CHECKING:
    import numpy as np


class Batch(NamedTuple):
    """What one batch showed; `rows` are its places among the prompts."""

    rows: list[int]
    states: np.ndarray  # (layers, rows, positions, width) float32
    score: np.ndarray | None  # (rows,) float64, the refusal score; None when not asked for


class _DeepEnough(Exception):
    """Raised by the deepest hook: nothing above it is wanted."""


def batches(chat: ChatModel, encoded: Sequence[Sequence[int]], layers: Sequence[int], positions: Sequence[int], *,
            openings: Sequence[int], batch_size: int, side: str) -> Iterator[Batch]:  # fmt: skip
    """Run encoded prompts through a model in batches of similar length, longest first."""
    import torch

    if side not in {"left", "right"}:
        raise ModelError(f"cannot pad on side {side!r}", fix="use left or right")
    for rows in length_batches([len(ids) for ids in encoded], batch_size):
        with torch.inference_mode():  # for each batch: it must not reach those who read this generator
            ids, mask = chat.pad([encoded[row] for row in rows], side=side)
            ends = torch.full((len(rows),), ids.shape[1], device=ids.device) if side == "left" else mask.sum(1)
            where = ends[:, None] + torch.tensor(positions, device=ids.device)
            states, logits = _forward(chat, ids, mask, layers, where, last=ends - 1 if openings else None)
            score = None if logits is None else opening_log_odds(logits, openings).cpu().numpy()
            batch = Batch(rows, states.cpu().float().numpy(), score)
        yield batch


def opening_log_odds(logits: Any, openings: Sequence[int]) -> Any:
    """Log-odds of the summed probability of the opening tokens; logits (batch, vocabulary) -> (batch,)."""
    import torch

    log_probability = torch.log_softmax(logits.double(), dim=-1)
    inside = torch.logsumexp(log_probability[:, list(openings)], dim=-1)
    outside = torch.log1p(-inside.exp().clamp(max=1 - 1e-12))
    return inside - outside


def check_layers(chat: ChatModel, layers: Sequence[int]) -> None:
    """Raise ModelError where a layer is not one of the model's."""
    depth = len(chat.layers)
    for layer in layers:
        if not 0 <= layer < depth:
            raise ModelError(f"layer {layer} is out of range, {chat.name} has {depth}", fix=f"use 0 to {depth - 1}")


def _forward(chat: ChatModel, ids: Any, mask: Any, layers: Sequence[int], where: Any, *, last: Any) -> tuple[Any, Any]:
    """States (layers, batch, positions, width) at `where` (batch, positions), and the logits (batch, vocabulary) at `last`.

    Where `last` is None there are no logits, and the pass ends at the deepest layer.
    """
    import torch

    kept: dict[int, Any] = {}
    logits = None
    inputs = {
        "input_ids": ids,
        "attention_mask": mask,
        "position_ids": (mask.cumsum(1) - 1).clamp(min=0),
        "use_cache": False,
    }
    with contextlib.ExitStack() as stack:
        for layer in set(layers):
            deepest = last is None and layer == max(layers)
            stack.enter_context(_kept(chat.layers[layer], layer, where, kept, stop=deepest))
        if last is not None:
            stack.enter_context(_head_at(chat, last))
            logits = chat.model(**inputs).logits.float()  # the whole model: some cap or scale what the head gives
        elif layers:
            with contextlib.suppress(_DeepEnough):
                chat.decoder(**inputs)
    if not layers:
        return ids.new_zeros((0, *where.shape, chat.hidden_size)), logits
    return torch.stack([kept[layer].to(ids.device) for layer in layers]), logits


@contextlib.contextmanager
def _head_at(chat: ChatModel, last: Any) -> Iterator[None]:
    """Let the model's head see one token of each row.

    What it is given is two-dimensional: of a sliced three-dimensional input it copies the vocabulary matrix for each row.
    """
    import torch

    def hook(_module: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        at = last.to(inputs[0].device)
        return (inputs[0][torch.arange(len(at), device=at.device), at], *inputs[1:])

    handle = chat.model.get_output_embeddings().register_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextlib.contextmanager
def _kept(block: Any, layer: int, where: Any, kept: dict[int, Any], *, stop: bool) -> Iterator[None]:
    """Keep a block's output at `where` while the context lasts; the rest of it is let go at once."""
    import torch

    def hook(_module: Any, _inputs: Any, output: Any) -> None:
        states = output[0] if isinstance(output, tuple) else output
        at = where.to(states.device)
        kept[layer] = states[torch.arange(len(at), device=at.device)[:, None], at]
        if stop:
            raise _DeepEnough

    handle = block.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
