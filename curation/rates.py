"""Rates with their n and Wilson score interval (Wilson, 1927), and the difference of two (Newcombe, 1998)."""

from __future__ import annotations

import math
from typing import NamedTuple


class Rate(NamedTuple):
    """A share of n with its 95 % interval; nan where n is 0."""

    value: float
    low: float
    high: float
    hits: int
    n: int

    def text(self) -> str:
        """As people read it: share, interval, n."""
        if not self.n:
            return "no rows"
        return f"{100 * self.value:.0f} % [{100 * self.low:.0f}, {100 * self.high:.0f}] n={self.n}"


def wilson(hits: int, n: int, z: float = 1.959964) -> Rate:
    """Share of hits with its 95 % Wilson interval."""
    if n == 0:
        return Rate(math.nan, math.nan, math.nan, 0, 0)
    share = hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # rounding must not push the share itself out of its interval (84 of 84)
    return Rate(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)), hits, n)


def newcombe(one: Rate, other: Rate) -> tuple[float, float, float]:
    """The first rate minus the second, with its 95 % interval (Newcombe's hybrid score); nan where either is empty."""
    low = math.hypot(one.value - one.low, other.high - other.value)
    high = math.hypot(one.high - one.value, other.value - other.low)
    difference = one.value - other.value
    return difference, difference - low, difference + high
