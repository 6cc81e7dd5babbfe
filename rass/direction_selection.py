"""Which direction to take: the three published scores of each candidate, and what each one that failed lacked.

Arditi et al. (2024): `bypass` is the mean refusal score of harmful prompts while the direction is ablated in every
layer (lower is better), `induce` the mean refusal score of harmless prompts while it is added at its own layer (must be
above 0), `kl` the divergence of the next-token distribution of harmless prompts under ablation (must stay small).
Candidates lie below 0.8 of the depth. The refusal score is the log-odds that the first token opens a refusal.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from curation.errors import ModelError
from curation.progress import progress_bar
from rass.activations import opening_log_odds
from rass.directions import Direction
from rass.models import ChatModel, length_batches
from rass.steering import steered

if TYPE_CHECKING:
    import torch

DEEPEST = 0.8
LARGEST_KL = 0.1
LEAST_INDUCE = 0.0


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a candidate must keep to; Gemma-like models with large residuals often need a looser `kl`."""

    kl: float = LARGEST_KL  # nats
    induce: float = LEAST_INDUCE  # log-odds
    depth: float = DEEPEST  # share of the layers


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A direction with its scores, and by how much it failed each limit (0 where it passed)."""

    direction: Direction
    bypass: float
    induce: float
    kl: float
    lacks_induce: float
    lacks_kl: float
    lacks_depth: int  # layers too deep

    @property
    def lacks(self) -> str:
        """What failed and by how much, in words; empty where every limit is kept."""
        missing = {"induce": self.lacks_induce, "KL": self.lacks_kl, "depth": self.lacks_depth}
        return ", ".join(f"{name} by {by:.3g}" for name, by in missing.items() if by)

    @property
    def passed(self) -> bool:
        """Whether it keeps to every limit."""
        return not (self.lacks_induce or self.lacks_kl or self.lacks_depth)


def score_candidates(chat: ChatModel, directions: Sequence[Direction], harmful: Sequence[str], harmless: Sequence[str],
                     openings: Sequence[int], *, limits: Limits | None = None, batch_size: int = 32) -> list[Candidate]:  # fmt: skip
    """Score each direction on held-out prompts of both classes; in the order given."""
    import torch

    if not harmful or not harmless:
        raise ModelError(
            "selection needs harmful and harmless prompts, one class is empty", fix="add prompts of that class"
        )
    limits = limits or Limits()
    every = range(len(chat.layers))
    found = []
    with torch.inference_mode(), progress_bar("directions", total=len(directions)) as advance:
        plain = next_token_log_probability(chat, harmless, batch_size)
        for direction in directions:
            with steered(chat, direction, action="ablate", layers=every):
                bypass = _score(next_token_log_probability(chat, harmful, batch_size), openings)
                ablated = next_token_log_probability(chat, harmless, batch_size)
            with steered(chat, direction, 1.0):
                induce = _score(next_token_log_probability(chat, harmless, batch_size), openings)
            kl = float((plain.exp() * (plain - ablated)).sum(-1).mean())
            found.append(_judged(direction, bypass, induce, kl, limits, len(chat.layers)))
            advance(1)
    return found


def _judged(direction: Direction, bypass: float, induce: float, kl: float, limits: Limits, depth: int) -> Candidate:
    """A candidate with what it lacks."""
    first_too_deep = math.ceil(limits.depth * depth - 1e-9)  # 0.8 of 35 is a little more than 28 to a computer
    return Candidate(direction, bypass, induce, kl, max(0.0, limits.induce - induce), max(0.0, kl - limits.kl),
                     max(0, direction.layer + 1 - first_too_deep))  # fmt: skip


def select_direction(candidates: Sequence[Candidate]) -> Candidate:
    """The candidate with the lowest bypass among those that passed; ties to the shallower layer.

    Raises ModelError that says how near the nearest came where none passed.
    """
    passed = [each for each in candidates if each.passed]
    if passed:
        return min(passed, key=lambda each: (each.bypass, each.direction.layer))
    # depth and sign first: a direction that is too deep or induces nothing is no near miss, whatever its KL
    nearest = min(
        candidates, key=lambda each: (each.lacks_depth, each.lacks_induce > 0, each.lacks_kl, each.lacks_induce)
    )
    raise ModelError(
        f"none of {len(candidates)} directions passed; the nearest, layer {nearest.direction.layer}, lacks "
        f"{nearest.lacks_induce:.3g} of induce and has {nearest.lacks_kl:.3g} nats of KL too much",
        fix="see the table of candidates (`morbench probe --directions`), then loosen that limit or add prompts",
    )


def next_token_log_probability(chat: ChatModel, prompts: Sequence[str], batch_size: int = 32) -> torch.Tensor:
    """Log-probabilities of the first reply token, (prompts, vocabulary) float32, in the order of `prompts`."""
    import torch

    encoded = chat.encode(prompts)
    rows: list[Any] = [None] * len(prompts)
    with torch.inference_mode():
        for batch in length_batches([len(ids) for ids in encoded], batch_size):
            ids, mask = chat.pad([encoded[index] for index in batch])
            final = chat.decoder(input_ids=ids, attention_mask=mask, position_ids=(mask.cumsum(1) - 1).clamp(min=0),
                                 use_cache=False).last_hidden_state  # fmt: skip
            logits = chat.model.get_output_embeddings()(final[:, -1]).float()
            for row, index in zip(torch.log_softmax(logits, -1).cpu(), batch, strict=True):
                rows[index] = row
    return torch.stack(rows)


def _score(log_probability: torch.Tensor, openings: Sequence[int]) -> float:
    return float(opening_log_odds(log_probability, openings).mean())
