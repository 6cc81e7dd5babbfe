"""Bootstrap intervals over items: items are drawn, each with all of its answers, because those depend on each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from curation.records import digest

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 1000
LARGEST_DRAW = 4_000_000  # numbers in memory at once


class Estimate(NamedTuple):
    """A value with its 95 % interval; nan where it is not defined."""

    value: float
    low: float
    high: float


# From summed contributions (..., numbers an item) to values (..., statistics)
Statistic = Callable[["np.ndarray"], "np.ndarray"]


def bootstrap(contributions: np.ndarray, statistic: Statistic, *key: str, resamples: int = RESAMPLES) -> list[Estimate]:
    """Each statistic of the summed contributions (items, numbers), with its percentile interval.

    The draws depend on `key` and the number of items alone. Where fewer than half of the draws define a value, there is
    no interval.
    """
    import numpy as np

    values = statistic(contributions.sum(0))
    items = len(contributions)
    if items < 2:
        return [Estimate(float(value), np.nan, np.nan) for value in values]
    random = np.random.default_rng(int(digest("bootstrap", *key)[:16], 16))
    at_once = max(1, min(resamples, LARGEST_DRAW // items))
    drawn = []
    for start in range(0, resamples, at_once):
        weights = random.multinomial(items, np.full(items, 1 / items), size=min(at_once, resamples - start))
        drawn.append(statistic(weights.astype(np.float64) @ contributions))
    return [_estimate(float(value), column) for value, column in zip(values, np.concatenate(drawn).T, strict=True)]


def _estimate(value: float, draws: np.ndarray) -> Estimate:
    import numpy as np

    defined = draws[~np.isnan(draws)]
    if np.isnan(value) or 2 * len(defined) < len(draws):
        return Estimate(value, np.nan, np.nan)
    low, high = np.quantile(defined, (0.025, 0.975))
    return Estimate(value, float(low), float(high))
