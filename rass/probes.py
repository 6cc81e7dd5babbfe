"""Linear probes: ridge-penalised logistic regression on the residual stream, with scores that no row helped to fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from curation.errors import ModelError
from curation.records import digest

if TYPE_CHECKING:
    import numpy as np

STRENGTH = 1e-5  # inverse ridge penalty on standardised states: a few hundred rows of some hundred numbers allow little
FOLDS = 5


@dataclasses.dataclass(frozen=True)
class LinearProbe:
    """The logit of one class from states of shape (prompts, width)."""

    layer: int
    vector: np.ndarray  # (width,) float32
    bias: float

    def logits(self, hidden: np.ndarray) -> np.ndarray:
        """Logits (prompts,) of (prompts, width) states."""
        return hidden.astype("float64") @ self.vector.astype("float64") + self.bias


@dataclasses.dataclass(frozen=True)
class LayeredProbe:
    """The mean of several layers' probes, each at unit deviation: what one layer errs in, another often does not."""

    probes: tuple[LinearProbe, ...]

    @property
    def layers(self) -> list[int]:
        """The layers that it reads."""
        return [probe.layer for probe in self.probes]

    def logits(self, hidden: dict[int, np.ndarray]) -> np.ndarray:
        """Scores (prompts,) from states of shape (prompts, width) by layer."""
        import numpy as np

        return np.mean([probe.logits(hidden[probe.layer]) for probe in self.probes], axis=0)


def fit_layered(
    hidden: dict[int, np.ndarray], layers: Sequence[int], positive: np.ndarray, rows: np.ndarray
) -> LayeredProbe:
    """Fit a probe in each layer to the chosen rows of a boolean (prompts,) truth, and bring all to one scale."""
    found = []
    for layer in layers:
        probe = fit_probe(layer, hidden[layer][rows], positive[rows])
        logits = probe.logits(hidden[layer][rows])
        deviation = max(float(logits.std()), 1e-9)
        centre = float(logits.mean())
        found.append(
            LinearProbe(layer, (probe.vector / deviation).astype("float32"), (probe.bias - centre) / deviation)
        )
    return LayeredProbe(tuple(found))


def fit_probe(layer: int, hidden: np.ndarray, positive: np.ndarray, weights: np.ndarray | None = None) -> LinearProbe:
    """Fit a probe for a boolean (prompts,) truth; standardisation is folded into the vector."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    if positive.all() or not positive.any():
        raise ModelError("a probe needs prompts of both classes, one is empty", fix="add prompts of that class")
    states = hidden.astype("float64")
    mean, deviation = states.mean(0), states.std(0) + 1e-3
    model = LogisticRegression(C=STRENGTH, max_iter=1000, tol=1e-8)
    model.fit((states - mean) / deviation, positive, sample_weight=weights)
    vector = model.coef_[0] / deviation
    return LinearProbe(
        layer, vector.astype("float32"), float(model.intercept_[0] - mean @ np.asarray(vector, "float32"))
    )


def folds_of(groups: Sequence[str], strata: np.ndarray) -> np.ndarray:
    """A fold (0 to FOLDS - 1) for each row; rows of one group share it, and each stratum is spread over all folds.

    Folds come from digests of the groups' names: neither the order of rows nor a seed decides them.
    """
    import numpy as np

    stratum = {group: int(kind) for group, kind in zip(groups, strata, strict=True)}
    order = sorted(stratum, key=lambda group: (stratum[group], digest("fold", group)))
    fold_of = {group: place % FOLDS for place, group in enumerate(order)}
    return np.array([fold_of[group] for group in groups])


def out_of_fold(fit: Callable[[np.ndarray], Callable[[np.ndarray], np.ndarray]], folds: np.ndarray) -> np.ndarray:
    """Scores of every row under a model that never saw its fold.

    `fit` takes a boolean mask of the rows to learn from and returns a scorer of a boolean mask of rows.
    """
    import numpy as np

    found = np.zeros(len(folds))
    for fold in sorted(set(folds.tolist())):
        held = folds == fold
        found[held] = fit(~held)(held)
    return found
