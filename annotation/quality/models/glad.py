"""GLAD: annotators have an ability, items a difficulty; both are learnt with the items' true classes by EM.

An annotator of ability a gives an item of easiness e (log scale) its true class with probability sigmoid(a * exp(e)),
and each wrong class alike. Whitehill et al., Whose Vote Should Count More (2009). Start, priors (normal around 1) and
stopping are those of crowd-kit; but the M-step goes on until it has converged. Cut short, as it is there by default, its
posteriors depend on the order of the answers (by up to .02 on Snow's RTE).
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from annotation.quality.ratings import Ratings

ROUNDS = 100
TOLERANCE = 1e-5
INNER_ROUNDS = 500  # of conjugate gradients in one M-step
INNER_TOLERANCE = 1e-6


@dataclasses.dataclass(frozen=True)
class Glad:
    """The fitted model; classes are the labels of the ratings."""

    posterior: np.ndarray  # (items, classes)
    ability: np.ndarray  # (annotators,): 0 guesses, below 0 answers against the truth
    easiness: np.ndarray  # (items,), log scale: lower is harder
    rounds: int


def glad(ratings: Ratings, *, rounds: int = ROUNDS, tolerance: float = TOLERANCE) -> Glad:
    """Fit by EM; stops when the objective of one answer grows by less than `tolerance`."""
    import numpy as np
    from scipy.optimize import minimize

    people, size = len(ratings.annotators), len(ratings.labels)
    point = np.ones(people + len(ratings.items))
    if not len(ratings) or size < 2:
        return Glad(ratings.counts().clip(max=1), point[:people], point[people:], 0)
    model = _Model(ratings)
    value, done = -np.inf, 0
    posterior = model.posterior(point)
    for done in range(1, rounds + 1):  # noqa: B007 - the number of rounds is reported
        posterior = model.posterior(point)
        chosen = posterior[ratings.item, ratings.label]
        point = minimize(
            model.loss, point, args=(chosen,), jac=True, method="CG", tol=INNER_TOLERANCE,
            options={"maxiter": INNER_ROUNDS},
        ).x  # fmt: skip
        before, value = value, -model.loss(point, chosen)[0] / (len(ratings) * size)
        if value - before < tolerance:
            break
    return Glad(posterior, point[:people], point[people:], done)


class _Model:
    """The likelihood of all answers; a point holds the abilities, then the easiness of the items."""

    def __init__(self, ratings: Ratings) -> None:
        self.ratings = ratings
        self.people, self.items, self.size = len(ratings.annotators), len(ratings.items), len(ratings.labels)

    def posterior(self, point: np.ndarray) -> np.ndarray:
        """P(class) of every item: (items, classes)."""
        import numpy as np

        right, wrong = self._logs(self._skill(point))
        cell = self.ratings.item * self.size + self.ratings.label
        logs = np.bincount(cell, right - wrong, self.items * self.size).reshape(self.items, self.size)
        logs += np.bincount(self.ratings.item, wrong, self.items)[:, None]
        posterior = np.exp(logs - logs.max(1, keepdims=True))
        return np.asarray(posterior / posterior.sum(1, keepdims=True))

    def loss(self, point: np.ndarray, chosen: np.ndarray) -> tuple[float, np.ndarray]:
        """Minus the expected log-likelihood with priors, and its gradient; `chosen` is P(the label given is true)."""
        import numpy as np
        from scipy.special import expit

        skill, scale = self._skill(point), np.exp(point[self.people :])
        right, wrong = self._logs(skill)
        off = point - 1
        value = (chosen * right + (1 - chosen) * wrong).sum() - (off**2 + math.log(2 * math.pi)).sum() / 2
        excess = (chosen - expit(skill)) * scale[self.ratings.item]
        gradient = np.concatenate(
            [
                np.bincount(self.ratings.annotator, excess, self.people),
                np.bincount(self.ratings.item, excess * point[self.ratings.annotator], self.items),
            ]
        )
        return (-float(value) if np.isfinite(value) else np.inf), off - gradient

    def _skill(self, point: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.asarray(point[self.ratings.annotator] * np.exp(point[self.people + self.ratings.item]))

    def _logs(self, skill: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log-probability of the true class and of one wrong class."""
        import numpy as np

        return -np.logaddexp(0, -skill), -np.logaddexp(0, skill) - math.log(self.size - 1)
