"""What a probe report looks at: the answered seeds, their states, and held-out margins."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from curation.records import Prompt
from rass.activations import Activations
from rass.boundary import fit_to_states, harm_layers
from rass.directions import Direction, pooled_by_language
from rass.openings import Openings
from rass.probes import fit_layered, folds_of, out_of_fold

if TYPE_CHECKING:
    import numpy as np


@dataclasses.dataclass(frozen=True)
class Study:
    """A target's answered seeds seen from inside."""

    target: str
    model_digest: str
    prompts: list[Prompt]
    refused: np.ndarray  # (prompts,) bool
    hidden: dict[int, np.ndarray]  # layer -> (prompts, width)
    margin: np.ndarray  # (prompts,) under a boundary fitted without the prompt's fold
    harm: np.ndarray  # (prompts,) harm score, likewise held out

    @property
    def languages(self) -> np.ndarray:
        """Language of each prompt."""
        import numpy as np

        return np.array([row.language for row in self.prompts])

    @property
    def kinds(self) -> np.ndarray:
        """What each prompt is: harmful, harmless, or benign near the boundary."""
        import numpy as np

        return np.array([kind_of(row) for row in self.prompts])

    def directions(self, layer: int) -> dict[str, Direction]:
        """The harm direction of each language, and the pooled one under the empty name."""
        kinds = self.kinds
        return pooled_by_language(layer, self.hidden[layer], kinds == "harmful", kinds == "harmless", self.languages,
                                  model_digest=self.model_digest)  # fmt: skip


def kind_of(row: Prompt) -> str:
    """harmful, harmless, or benign (sounds harmful)."""
    return "harmful" if row.intent == "harmful" else "harmless" if row.category == "harmless" else "benign"


def make_study(target: str, digest: str, prompts: Sequence[Prompt], refused: Sequence[bool], seen: Activations,
               openings: Openings, *, seed: int) -> Study:  # fmt: skip
    """Held-out margins and harm scores: each fold's come from a boundary and a probe fitted to the other folds.

    The refusal score alone is that of the whole fit: how refusals begin was learned from all replies.
    """
    import numpy as np

    rows = list(prompts)
    answers = np.array(refused, dtype=bool)
    harmful = np.array([row.intent == "harmful" for row in rows])
    harmless = np.array([row.category == "harmless" for row in rows])
    folds = folds_of([row.id for row in rows], harmful + 2 * answers)
    layers = harm_layers(max(seen.hidden) + 1)

    def part(mask: np.ndarray) -> Activations:
        return Activations({layer: each[mask] for layer, each in seen.hidden.items()}, seen.refusal_score[mask])

    def chosen(mask: np.ndarray) -> list[Prompt]:
        return [row for row, kept in zip(rows, mask, strict=True) if kept]

    margin, harm = np.zeros(len(rows)), np.zeros(len(rows))
    for fold in sorted(set(folds.tolist())):
        held = folds == fold
        boundary = fit_to_states(
            target, digest, chosen(~held), answers[~held].tolist(), part(~held), openings, seed=seed
        )
        margin[held] = [row.margin for row in boundary.margins(chosen(held), part(held))]
    harm = out_of_fold(lambda mask: _scorer(seen, layers, harmful, mask & (harmful | harmless)), folds)
    return Study(target, digest, rows, answers, seen.hidden, margin, harm)


def _scorer(seen: Activations, layers: Sequence[int], harmful: np.ndarray, rows: np.ndarray):  # type: ignore[no-untyped-def]
    probe = fit_layered(seen.hidden, layers, harmful, rows)
    return lambda held: probe.logits({layer: each[held] for layer, each in seen.hidden.items()})
