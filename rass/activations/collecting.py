"""Activations of many prompts as arrays, and the first-token refusal score, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from curation.progress import progress_bar
from rass.activations.forward import batches, check_layers
from rass.activations.positions import LAST, Positions, check_reach, positions_of
from rass.models import ChatModel
from rass.openings import Openings

if TYPE_CHECKING:
    import numpy as np


class Activations(NamedTuple):
    """What a model's inside shows of each prompt."""

    hidden: dict[int, np.ndarray]  # layer -> float32 block output: (prompts, width), or (prompts, positions, width)
    refusal_score: np.ndarray  # (prompts,) log-odds that the reply begins as refusals do; nan when not asked for


def collect(chat: ChatModel, prompts: Sequence[str], layers: Sequence[int], *, positions: Positions = LAST,
            openings: Openings | Sequence[int] = (), batch_size: int = 32, side: str = "left",
            title: str = "activations") -> Activations:  # fmt: skip
    """Run prompts through a model, batched by length; stops after the deepest layer unless `openings` are given.

    `positions` counts tokens from the end of the prompt: one number gives arrays (prompts, width), several or
    AFTER_INSTRUCTION give (prompts, positions, width). `openings` say how refusals begin (bare token ids: these alone). The result does not
    depend on the padding side.
    """
    import numpy as np

    check_layers(chat, layers)
    at = positions_of(chat, positions)
    encoded = chat.encode(prompts)
    check_reach(encoded, at)
    hidden = {layer: np.zeros((len(prompts), len(at), chat.hidden_size), np.float32) for layer in layers}
    score = np.full(len(prompts), np.nan, np.float64)
    with progress_bar(title, total=len(prompts)) as advance:
        for batch in batches(chat, encoded, layers, at, openings=openings, batch_size=batch_size, side=side):
            for layer, states in zip(layers, batch.states, strict=True):
                hidden[layer][batch.rows] = states
            if batch.score is not None:
                score[batch.rows] = batch.score
            advance(len(batch.rows))
    if isinstance(positions, int):
        hidden = {layer: states[:, 0] for layer, states in hidden.items()}
    return Activations(hidden, score)
