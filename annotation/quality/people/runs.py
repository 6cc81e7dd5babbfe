"""Straight-lining: the longest run of one answer, and how likely such a run is when nobody looks for one.

Items come shuffled, so that answers in a row are independent draws. They are compared with draws from what the others
answered on the same items: someone who always says the same would find any run likely under their own shares.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple


class Run(NamedTuple):
    """The longest run of equal answers, in a row of `answers`."""

    answer: str
    length: int
    answers: int
    chance: float  # P(a run this long or longer, of any answer)


def longest_run(answers: Sequence[str], shares: Mapping[str, float]) -> Run:
    """The longest run; `shares` are the chances of each answer and sum to 1."""
    runs = [(sum(1 for _ in found), answer) for answer, found in groupby(answers)]
    length, answer = max(runs, default=(0, ""))
    return Run(answer, length, len(answers), run_chance(len(answers), length, list(shares.values())))


def run_chance(draws: int, length: int, shares: Sequence[float]) -> float:
    """P(some answer comes `length` times in a row or more) in independent draws: exact, in draws x answers steps."""
    if length > draws:
        return 0.0
    if length <= 1:
        return 1.0 if draws else 0.0
    kinds = range(len(shares))
    # begun[t][k]: a run of answer k begins at draw t, and no run was long enough before. alive[k]: the sum over the
    # runs of k that are still going on and are shorter than `length`.
    begun: list[list[float]] = []
    alive = [0.0] * len(shares)
    for draw in range(draws):
        total = sum(alive)
        now = [shares[kind] * (1.0 if draw == 0 else total - alive[kind]) for kind in kinds]
        begun.append(now)
        for kind in kinds:
            ended = begun[draw - length + 1][kind] * shares[kind] ** (length - 1) if draw >= length - 1 else 0.0
            alive[kind] = max(0.0, now[kind] + shares[kind] * alive[kind] - ended)
    return min(1.0, max(0.0, 1 - sum(alive)))


def entropy_bits(answers: Sequence[str]) -> float:
    """The entropy of somebody's answers in bits: 0 where all are the same; nan without answers."""
    if not answers:
        return math.nan
    shares = [count / len(answers) for count in Counter(answers).values()]
    return abs(sum(share * math.log2(share) for share in shares))


def shares_of(answers: Sequence[str]) -> dict[str, float]:
    """The share of each answer."""
    counts = Counter(answers)
    return {answer: counts[answer] / len(answers) for answer in sorted(counts)}
