"""Directions in the residual stream: difference of means between harmful and harmless prompts (Arditi et al., 2024)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from curation.errors import ModelError

if TYPE_CHECKING:
    import numpy as np


@dataclasses.dataclass(frozen=True)
class Direction:
    """mean(harmful) - mean(harmless) in one layer; a projection of 0 is the midpoint, +-1 are the two means."""

    layer: int
    vector: np.ndarray  # (width,) float32, the full difference
    midpoint: np.ndarray  # (width,) float32

    @classmethod
    def from_activations(cls, layer: int, harmful: np.ndarray, harmless: np.ndarray) -> Direction:
        """Difference of means from two (prompts, width) arrays."""
        if not len(harmful) or not len(harmless):
            raise ModelError(
                "a direction needs harmful and harmless prompts, one class is empty", fix="add prompts of that class"
            )
        high, low = harmful.mean(0, dtype="float64"), harmless.mean(0, dtype="float64")
        return cls(layer, (high - low).astype("float32"), ((high + low) / 2).astype("float32"))

    def project(self, hidden: np.ndarray) -> np.ndarray:
        """Normalised projection of (prompts, width) states: 1 at the harmful mean, -1 at the harmless one."""
        vector = self.vector.astype("float64")
        return (hidden - self.midpoint) @ vector / max(float(vector @ vector) / 2, 1e-12)


def separation(direction: Direction, harmful: np.ndarray, harmless: np.ndarray) -> float:
    """AUROC of the projection for harmful against harmless states."""
    import numpy as np

    scores = np.concatenate([direction.project(harmful), direction.project(harmless)])
    return auroc(scores, np.arange(len(scores)) < len(harmful))


def auroc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve of scores (n,) for a boolean (n,) truth, from ranks (Mann-Whitney); ties count half."""
    from scipy.stats import rankdata

    count = int(positive.sum())
    ranks = rankdata(scores)[positive].sum()
    return float((ranks - count * (count + 1) / 2) / (count * (len(positive) - count)))
