"""Measures of agreement between two labellings, and their bootstrap intervals."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

ROUNDS = 400
BINS = 10


def kappa(truth: Sequence[object], told: Sequence[object]) -> float:
    """Cohen's kappa; nan where both say the same of everything."""
    n = len(truth)
    same = sum(left == right for left, right in zip(truth, told, strict=True)) / n
    chance = sum(truth.count(kind) * told.count(kind) for kind in set(truth)) / n**2
    return (same - chance) / (1 - chance) if chance < 1 else math.nan


def f1(truth: Sequence[bool], told: Sequence[bool]) -> float:
    """F1 of the true class; 0 where nothing is both true and told."""
    both = sum(left and right for left, right in zip(truth, told, strict=True))
    return 2 * both / (sum(truth) + sum(told)) if both else 0.0


def macro_f1(truth: Sequence[object], told: Sequence[object]) -> float:
    """Mean F1 over the classes that the truth has."""
    kinds = sorted(set(truth), key=str)
    return sum(f1([kind == each for each in truth], [kind == each for each in told]) for kind in kinds) / len(kinds)


def bootstrap(
    measure: Callable[..., float], truth: Sequence[object], told: Sequence[object], seed: int = 7
) -> tuple[float, float]:
    """A 95 % percentile interval over resampled rows."""
    draw = random.Random(seed)
    found = []
    for _ in range(ROUNDS):
        rows = draw.choices(range(len(truth)), k=len(truth))
        found.append(measure([truth[row] for row in rows], [told[row] for row in rows]))
    found = sorted(value for value in found if not math.isnan(value))
    return found[int(0.025 * len(found))], found[min(len(found) - 1, int(0.975 * len(found)))]


def calibration_error(truth: Sequence[bool], scores: Sequence[float]) -> float:
    """Expected calibration error in ten equal bins."""
    total = 0.0
    for index in range(BINS):
        rows = [row for row, score in enumerate(scores) if min(BINS - 1, int(score * BINS)) == index]
        if rows:
            gap = sum(scores[row] for row in rows) - sum(truth[row] for row in rows)
            total += abs(gap)
    return total / len(scores)
