"""Directions in the residual stream: difference of means (Arditi et al., 2024), trained probes, and false refusal."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from curation.errors import ModelError
from rass.metrics import auroc

if TYPE_CHECKING:
    import numpy as np


@dataclasses.dataclass(frozen=True)
class Direction:
    """A vector in one layer's residual stream; a projection of 0 is the midpoint of the two means, +-1 are the means."""

    layer: int
    vector: np.ndarray  # (width,) float32; for difference of means the full difference
    midpoint: np.ndarray  # (width,) float32
    kind: str = "means"  # means, probe, false_refusal
    language: str = ""  # empty: pooled over languages
    position: int = -1  # the prompt token it was read at, counted from the end
    model_digest: str = ""  # the model it belongs to; empty where nobody said

    @classmethod
    def from_activations(cls, layer: int, harmful: np.ndarray, harmless: np.ndarray, *, language: str = "", position: int = -1,
                         model_digest: str = "") -> Direction:  # fmt: skip
        """Difference of means from two (prompts, width) arrays."""
        if not len(harmful) or not len(harmless):
            raise ModelError(
                "a direction needs harmful and harmless prompts, one class is empty", fix="add prompts of that class"
            )
        high, low = harmful.mean(0, dtype="float64"), harmless.mean(0, dtype="float64")
        return cls(layer, (high - low).astype("float32"), ((high + low) / 2).astype("float32"), "means", language, position,
                   model_digest)  # fmt: skip

    @property
    def unit(self) -> np.ndarray:
        """The vector at length 1, in float64."""
        import numpy as np

        vector = self.vector.astype("float64")
        return vector / max(float(np.linalg.norm(vector)), 1e-12)

    def project(self, hidden: np.ndarray) -> np.ndarray:
        """Normalised projection of (prompts, width) states: 1 at the harmful mean, -1 at the harmless one."""
        vector = self.vector.astype("float64")
        return (hidden - self.midpoint) @ vector / max(float(vector @ vector) / 2, 1e-12)


def pooled_by_language(layer: int, hidden: np.ndarray, harmful: np.ndarray, harmless: np.ndarray, languages: np.ndarray, *,
                       model_digest: str = "") -> dict[str, Direction]:  # fmt: skip
    """Difference of means in each language that has both classes, and the pooled one under the empty name.

    The pooled vector is the mean of the languages' own, so that no language counts for having more prompts.
    """
    import numpy as np

    found = {}
    for language in sorted(set(languages.tolist())):
        here = languages == language
        if (harmful & here).any() and (harmless & here).any():
            found[language] = Direction.from_activations(
                layer, hidden[harmful & here], hidden[harmless & here], language=language, model_digest=model_digest
            )
    if not found:
        raise ModelError("no language has harmful and harmless prompts", fix="add prompts of the missing class")
    vector = np.mean([each.vector for each in found.values()], axis=0, dtype="float64").astype("float32")
    middle = np.mean([each.midpoint for each in found.values()], axis=0, dtype="float64").astype("float32")
    return {"": Direction(layer, vector, middle, model_digest=model_digest), **found}


def false_refusal_direction(harm: Direction, refused: np.ndarray, answered: np.ndarray, *,
                            strength: float = 1.0) -> Direction:  # fmt: skip
    """Refused benign minus answered benign states, made orthogonal to the harm direction (BabelSteering; surgical ablation).

    `strength` is the share of the component along harm that is taken out: 0 leaves the plain difference, 1 all of it.
    """
    plain = Direction.from_activations(harm.layer, refused, answered, position=harm.position,
                                       model_digest=harm.model_digest)  # fmt: skip
    along = float(plain.vector.astype("float64") @ harm.unit)
    vector = (plain.vector - strength * along * harm.unit).astype("float32")
    return dataclasses.replace(plain, vector=vector, kind="false_refusal")


def cosine(one: Direction, other: Direction) -> float:
    """Cosine between two directions of one layer."""
    return float(one.unit @ other.unit)


def separation(direction: Direction, harmful: np.ndarray, harmless: np.ndarray) -> float:
    """AUROC of the projection for harmful against harmless states."""
    import numpy as np

    scores = np.concatenate([direction.project(harmful), direction.project(harmless)])
    return auroc(scores, np.arange(len(scores)) < len(harmful))
