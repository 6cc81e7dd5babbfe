"""How well scores tell refused from answered prompts: ranking, low false-positive recall, calibration, and the band."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from curation.errors import InputError

if TYPE_CHECKING:
    import numpy as np

BAND = 0.2  # the share of prompts nearest the boundary
BINS = 10
RESAMPLES = 1000


class Estimate(NamedTuple):
    """A measured value with its 95 % percentile bootstrap interval and the number of prompts."""

    value: float
    low: float
    high: float
    n: int


def auroc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve of scores (n,) for a boolean (n,) truth, from ranks (Mann-Whitney); ties count half.

    nan where one class is empty.
    """
    import numpy as np
    from scipy.stats import rankdata

    positive = np.asarray(positive, dtype=bool)
    count = int(positive.sum())
    if count in {0, len(positive)}:
        return float("nan")
    ranks = rankdata(scores)[positive].sum()
    return float((ranks - count * (count + 1) / 2) / (count * (len(positive) - count)))


def recall_at_false_positives(scores: np.ndarray, positive: np.ndarray, rate: float = 0.01) -> float:
    """TPR at the lowest cut-off that lets at most `rate` of the negatives through (TPR@1%FPR); nan where a class is empty.

    With fewer than 1 / rate negatives none may pass.
    """
    import numpy as np

    positive = np.asarray(positive, dtype=bool)
    negatives = np.sort(np.asarray(scores, dtype=float)[~positive])[::-1]
    if not len(negatives) or not positive.any():
        return float("nan")
    allowed = int(np.floor(rate * len(negatives)))
    cut = negatives[allowed]  # what lies above it is passed by `allowed` negatives at most
    return float((np.asarray(scores)[positive] > cut).mean())


def calibration_error(probability: np.ndarray, truth: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error over bins of equal width (Guo et al., 2017): sum of |mean p - rate| weighted by size."""
    table = reliability(probability, truth, bins)
    total = sum(row.n for row in table)
    return sum(row.n * abs(row.mean_probability - row.rate) for row in table) / total if total else float("nan")


class Bin(NamedTuple):
    """One bin of a reliability curve."""

    low: float
    high: float
    n: int
    mean_probability: float
    rate: float  # share of prompts in it that were refused


def reliability(probability: np.ndarray, truth: np.ndarray, bins: int = BINS) -> list[Bin]:
    """The reliability curve over bins of equal width; empty bins are left out."""
    import numpy as np

    place = np.minimum((np.asarray(probability) * bins).astype(int), bins - 1)
    found = []
    for index in range(bins):
        inside = place == index
        if inside.any():
            found.append(Bin(index / bins, (index + 1) / bins, int(inside.sum()),
                             float(np.mean(probability[inside])), float(np.mean(truth[inside]))))  # fmt: skip
    return found


def band_accuracy(margin: np.ndarray, truth: np.ndarray, share: float = BAND) -> float:
    """Accuracy of the margin's sign among the `share` of prompts nearest the boundary; ties by position."""
    import numpy as np

    count = max(1, round(len(margin) * share))
    nearest = np.argsort(np.abs(margin), kind="stable")[:count]
    return float(np.mean((np.asarray(margin)[nearest] > 0) == np.asarray(truth, dtype=bool)[nearest]))


def estimate(metric: Callable[[np.ndarray, np.ndarray], float], scores: np.ndarray, truth: np.ndarray, *, seed: int = 0,
             resamples: int = RESAMPLES) -> Estimate:  # fmt: skip
    """A metric with its percentile bootstrap interval over prompts; resamples on which it is undefined are left out."""
    import numpy as np

    if len(scores) != len(truth) or not len(scores):
        raise InputError(f"{len(scores)} scores for {len(truth)} labels", fix="give one of each for every prompt")
    random = np.random.default_rng(seed)
    found = []
    for _ in range(resamples):
        drawn = random.integers(0, len(scores), len(scores))
        found.append(metric(scores[drawn], truth[drawn]))
    low, high = np.nanquantile(found, (0.025, 0.975)) if not np.isnan(found).all() else (np.nan, np.nan)
    return Estimate(float(metric(scores, truth)), float(low), float(high), len(scores))
