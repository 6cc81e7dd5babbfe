"""The boundary: a calibrated model of P(this target refuses | prompt), seen from inside the target.

Features are the projection onto the harm direction in a chosen layer and the first-token refusal score; a ridge-penalised
logistic regression with an offset per language (small languages borrow strength from the pool) is fitted to the
target's own labelled replies. The margin is the logit of that probability, so margins of several targets are on one scale.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from curation.errors import ModelError
from curation.records import Margin, Prompt
from rass.activations import Activations, collect
from rass.directions import Direction, auroc, separation
from rass.models import ChatModel

if TYPE_CHECKING:
    import numpy as np

BOOTSTRAPS = 100
LAYER_SPAN = (0.3, 0.8)  # the share of the depth in which the direction is sought (Arditi et al.: layer < 0.8 L)


@dataclasses.dataclass(frozen=True)
class Boundary:
    """A fitted boundary of one target."""

    target: str
    model_digest: str
    direction: Direction
    separation: float  # AUROC of the direction on harmful against harmless seeds
    openings: tuple[int, ...]
    languages: tuple[str, ...]
    scale: np.ndarray  # (2, 2): mean and deviation of the two features
    weights: np.ndarray  # (1 + BOOTSTRAPS, 3 + languages): the fit on all rows first, then on resampled rows

    def layers(self) -> list[int]:
        """The layers whose states the margin needs."""
        return [self.direction.layer]

    def margins(self, prompts: Sequence[Prompt], seen: Activations) -> list[Margin]:
        """Signed margins with 95 % intervals."""
        import numpy as np

        projection = self.direction.project(seen.hidden[self.direction.layer])
        design = _design(projection, seen.refusal_score, [row.language for row in prompts], self.languages, self.scale)
        logits = design @ self.weights.T  # (prompts, 1 + BOOTSTRAPS)
        low, high = np.quantile(logits[:, 1:], (0.025, 0.975), axis=1)
        probability = 1 / (1 + np.exp(-logits[:, 0]))
        return [Margin(row.id, self.target, float(margin), float(min(a, margin)), float(max(b, margin)), float(p), float(proj), float(score))
                for row, margin, a, b, p, proj, score in zip(prompts, logits[:, 0], low, high, probability, projection,
                                                             seen.refusal_score, strict=True)]  # fmt: skip


def measure(chat: ChatModel, boundary: Boundary, prompts: Sequence[Prompt], title: str = "margins") -> list[Margin]:
    """Margins of prompts under a boundary that was fitted to this very model."""
    if boundary.model_digest != chat.digest:
        raise ModelError(
            f"the boundary of {boundary.target!r} was made for model {boundary.model_digest}, this is {chat.digest}",
            fix="fit the boundary again with `morbench probe`",
        )
    seen = collect(chat, [row.text for row in prompts], boundary.layers(), openings=boundary.openings, title=title)
    return boundary.margins(prompts, seen)


def fit_boundary(target: str, chat: ChatModel, prompts: Sequence[Prompt], refused: Sequence[bool], openings: Sequence[int],
                 *, seed: int) -> Boundary:  # fmt: skip
    """Choose the layer, take the direction from harmful against harmless seeds, and fit P(refuses) to the replies.

    `prompts` are seeds of every kind; `refused` says how the target answered each.
    """
    import numpy as np

    depth = len(chat.layers)
    layers = list(range(int(depth * LAYER_SPAN[0]), int(depth * LAYER_SPAN[1])))
    seen = collect(chat, [row.text for row in prompts], layers, openings=openings, title=f"boundary of {target}")
    harmful = np.array([row.intent == "harmful" for row in prompts])
    harmless = np.array([row.category == "harmless" for row in prompts])
    candidates = [(layer, Direction.from_activations(layer, seen.hidden[layer][harmful], seen.hidden[layer][harmless]))
                  for layer in layers]  # fmt: skip
    answers = np.array(refused, dtype=bool)
    if answers.all() or not answers.any():
        raise ModelError(
            f"{target} {'refused' if answers.all() else 'answered'} every seed: it has no boundary to find",
            fix="choose a target that refuses some prompts and answers others",
        )
    # the layer whose direction tells best what the target itself does: that, not harm as such, is its boundary
    scored = [
        (auroc(direction.project(seen.hidden[layer]), answers), -layer, direction) for layer, direction in candidates
    ]
    best = max(scored, key=lambda entry: entry[:2])[2]
    languages = tuple(sorted({row.language for row in prompts}))
    features = np.stack([best.project(seen.hidden[best.layer]), seen.refusal_score])
    scale = np.stack([features.mean(1), features.std(1) + 1e-9], axis=1)
    design = _design(features[0], features[1], [row.language for row in prompts], languages, scale)
    random = np.random.default_rng(seed)
    weights = [_fit(design, answers)]
    while len(weights) <= BOOTSTRAPS:
        drawn = random.integers(0, len(answers), len(answers))
        if answers[drawn].any() and not answers[drawn].all():
            weights.append(_fit(design[drawn], answers[drawn]))
    return Boundary(target, chat.digest, best, separation(best, seen.hidden[best.layer][harmful], seen.hidden[best.layer][harmless]),
                    tuple(openings), languages, scale, np.stack(weights))  # fmt: skip


def _design(projection: np.ndarray, score: np.ndarray, row_languages: Sequence[str], languages: Sequence[str],
            scale: np.ndarray) -> np.ndarray:  # fmt: skip
    """Columns: 1, two standardised features, one offset per language (zero for a language never seen)."""
    import numpy as np

    features = (np.stack([projection, score]) - scale[:, :1]) / scale[:, 1:]
    offsets = np.array([[language == known for known in languages] for language in row_languages], dtype=float)
    return np.column_stack(
        [np.ones(len(projection)), np.clip(features.T, -6, 6), offsets.reshape(len(projection), len(languages))]
    )


def _fit(design: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Ridge-penalised logistic regression by Newton's method; the penalty spares the intercept."""
    import numpy as np

    penalty = np.array([1e-6, 0.3, 0.3] + [1.0] * (design.shape[1] - 3))
    weights = np.zeros(design.shape[1])
    for _ in range(40):
        probability = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        gradient = design.T @ (probability - answers) + penalty * weights
        curvature = (design * (probability * (1 - probability))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        weights -= np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-10:
            break
    return weights
