"""One batch through a model's blocks: states at the asked tokens, stopped after the deepest block that is needed."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from curation.errors import ModelError
from rass.models import ChatModel, length_batches
from rass.openings import Openings

if TYPE_CHECKING:
    import numpy as np

LEAST_LIKELY = 0.01  # probability from which an opening token that settles nothing is followed


class Batch(NamedTuple):
    """What one batch showed; `rows` are its places among the prompts."""

    rows: list[int]
    states: np.ndarray  # (layers, rows, positions, width) float32
    score: np.ndarray | None  # (rows,) float64, the refusal score; None when not asked for


class _DeepEnough(Exception):
    """Raised by the deepest hook: nothing above it is wanted."""


def batches(chat: ChatModel, encoded: Sequence[Sequence[int]], layers: Sequence[int], positions: Sequence[int], *,
            openings: Openings | Sequence[int], batch_size: int, side: str) -> Iterator[Batch]:  # fmt: skip
    """Run encoded prompts through a model in batches of similar length, longest first."""
    import torch

    if side not in {"left", "right"}:
        raise ModelError(f"cannot pad on side {side!r}", fix="use left or right")
    asked = Openings.of(openings)
    for rows in length_batches([len(ids) for ids in encoded], batch_size):
        with torch.inference_mode():  # for each batch: it must not reach those who read this generator
            ids, mask = chat.pad([encoded[row] for row in rows], side=side)
            ends = torch.full((len(rows),), ids.shape[1], device=ids.device) if side == "left" else mask.sum(1)
            where = ends[:, None] + torch.tensor(positions, device=ids.device)
            states, logits = _forward(chat, ids, mask, layers, where, last=ends - 1 if asked.tokens else None)
            score = None
            if logits is not None:
                score = _refusal_score(chat, [encoded[row] for row in rows], logits, asked, side).cpu().numpy()
            batch = Batch(rows, states.cpu().float().numpy(), score)
        yield batch


def _refusal_score(
    chat: ChatModel, encoded: Sequence[Sequence[int]], logits: Any, openings: Openings, side: str
) -> Any:
    """Log-odds (batch,) that the reply refuses, by how it would begin; logits (batch, vocabulary) of its first token.

    Where a token that settles nothing is likely, the model is run on it too.
    """
    import torch

    log_probability = torch.log_softmax(logits.double() / openings.temperature, dim=-1)
    odds = _log_odds(openings.shares, logits.device).repeat(len(encoded), 1)
    for token, then in openings.then:
        likely = (log_probability[:, token] >= math.log(LEAST_LIKELY)).tolist()
        rows = [row for row, ids in enumerate(encoded) if likely[row] and len(ids) < chat.context]
        if rows:
            longer = [[*encoded[row], token] for row in rows]
            ids, mask = chat.pad(longer, side=side)
            last = torch.full_like(mask[:, 0], ids.shape[1] - 1) if side == "left" else mask.sum(1) - 1
            _, after = _forward(chat, ids, mask, [], last[:, None], last=last)
            odds[rows, openings.tokens.index(token)] = _refusal_score(chat, longer, after, then, side)
    return _weighed(log_probability, openings, odds)


def opening_log_odds(logits: Any, openings: Openings | Sequence[int]) -> Any:
    """Log-odds that a reply refuses, by its first token; logits or log-probabilities (batch, vocabulary) -> (batch,).

    With bare tokens it is the log-odds of their summed probability.
    """
    import torch

    asked = Openings.of(openings)
    log_probability = torch.log_softmax(logits.double() / asked.temperature, dim=-1)
    return _weighed(log_probability, asked, _log_odds(asked.shares, logits.device))


def _weighed(log_probability: Any, openings: Openings, odds: Any) -> Any:
    """Log-odds (batch,) of a refusal, from those behind each opening token: (tokens,), or (batch, tokens) where rows differ."""
    import torch

    other = _log_odds([openings.other], log_probability.device)
    begun = log_probability[:, list(openings.tokens)]
    rest = torch.log1p(-torch.logsumexp(begun, dim=-1).exp().clamp(max=1 - 1e-12))

    def side(sign: int) -> Any:
        of_begun = torch.logsumexp(begun + torch.nn.functional.logsigmoid(sign * odds), dim=-1)
        return torch.logaddexp(of_begun, rest + torch.nn.functional.logsigmoid(sign * other))

    return side(1) - side(-1)


def _log_odds(shares: Sequence[float], device: Any) -> Any:
    import torch

    return torch.logit(torch.tensor(list(shares), dtype=torch.float64, device=device))


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
