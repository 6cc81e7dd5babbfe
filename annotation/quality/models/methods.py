"""The ways to a verdict, under one signature: posteriors P(harmful), then the rules of annotation.aggregation.

`unsure` is no evidence about a prompt under any of them, and `depends` lies halfway. A method that learns about
annotators is fitted to one language at a time: other languages have other people and other prompts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from annotation.aggregation import PRIOR, judge, posterior_harmful
from annotation.quality.models.dawid_skene import dawid_skene
from annotation.quality.models.glad import glad
from annotation.quality.ratings import Rating, Ratings

CLASSES = ("benign", "depends", "harmful")  # in the order of the scale
HARMFUL = {"benign": 0.0, "depends": 0.5, "harmful": 1.0}
LEAST_MAJORITY = 2 / 3
DEFAULT = "posterior"


class Judged(NamedTuple):
    """What one method makes of an item's answers."""

    verdict: str
    posterior: float  # P(harmful)
    agreement: float
    answers: int


def judge_all(method: str, rows: Iterable[Rating]) -> dict[str, Judged]:
    """Judge every item of one language, by id."""
    table = list(rows)
    answers: dict[str, list[str]] = defaultdict(list)
    for row in table:
        answers[row.item].append(row.label)
    posterior = METHODS[method](table)
    return {item: _judged(method, answers[item], posterior.get(item, PRIOR)) for item in sorted(answers)}


def _judged(method: str, answers: Sequence[str], posterior: float) -> Judged:
    verdict, _, shared = judge(answers, posterior)
    if method == "majority":
        # A share is no posterior: what decides is that enough of the answers are the same.
        top = max(HARMFUL, key=lambda answer: (answers.count(answer), answer))
        clear = answers.count(top) >= LEAST_MAJORITY * len(answers)
        verdict = top if clear and top != "depends" else "controversial"
    return Judged(verdict, posterior, shared, len(answers))


def by_fixed_accuracy(rows: Sequence[Rating]) -> dict[str, float]:
    """The default: everybody is as accurate as annotation.aggregation says."""
    answers: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        answers[row.item].append(row.label)
    return {item: posterior_harmful(labels) for item, labels in answers.items()}


def by_majority(rows: Sequence[Rating]) -> dict[str, float]:
    """The share of harmful among the answers."""
    ratings = Ratings.of(rows, CLASSES)
    counts = ratings.counts()
    return _harmful(ratings, counts / counts.sum(1, keepdims=True))


def by_dawid_skene(rows: Sequence[Rating]) -> dict[str, float]:
    """Every annotator has a confusion matrix, learnt."""
    ratings = on_scale(rows)
    return _harmful(ratings, dawid_skene(ratings).posterior)


def by_glad(rows: Sequence[Rating]) -> dict[str, float]:
    """Every annotator has an ability and every item a difficulty, learnt."""
    ratings = on_scale(rows)
    return _harmful(ratings, glad(ratings).posterior)


METHODS: Mapping[str, Callable[[Sequence[Rating]], dict[str, float]]] = {
    "posterior": by_fixed_accuracy,
    "majority": by_majority,
    "dawid-skene": by_dawid_skene,
    "glad": by_glad,
}


def on_scale(rows: Sequence[Rating]) -> Ratings:
    """The answers that say what an item is; their classes are those that somebody chose."""
    return Ratings.of([row for row in rows if row.label in HARMFUL])


def _harmful(ratings: Ratings, posterior: object) -> dict[str, float]:
    import numpy as np

    weights = np.array([HARMFUL[label] for label in ratings.labels])
    return dict(zip(ratings.items, (np.asarray(posterior) @ weights).tolist(), strict=True))
