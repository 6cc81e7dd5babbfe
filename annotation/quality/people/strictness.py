"""Strictness: how much more often than the others somebody calls the same prompts harmful.

Few answers make extreme differences, so each is shrunken toward none by how much people of a language differ at all
(empirical Bayes, normal model). The interval is that of the difference as observed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from annotation.quality.evidence import Answer
from annotation.quality.models.methods import HARMFUL
from annotation.quality.people.accuracy import Others

LEAST_SPREAD = 0.05  # standard deviation between people that is taken for granted


class Strictness(NamedTuple):
    """A person's difference to the others on the same items: > 0 is stricter; nan where they met nobody."""

    difference: float
    low: float
    high: float
    shrunken: float
    items: int


def strictness(rows: Sequence[Answer]) -> Mapping[str, Strictness]:
    """The strictness of everybody who answered in one language; `unsure` says nothing here, `depends` is a half."""
    import numpy as np

    rows = [row for row in rows if row.answer in HARMFUL]
    others = Others(rows)
    differences: dict[str, list[float]] = {row.annotator: [] for row in rows}
    for row in rows:
        theirs = [HARMFUL[answer] for answer in others.answers(row.prompt.id, row.annotator)]
        if theirs:
            differences[row.annotator].append(HARMFUL[row.answer] - sum(theirs) / len(theirs))
    met = {name: np.array(values) for name, values in sorted(differences.items()) if values}
    if not met:
        return {name: Strictness(np.nan, np.nan, np.nan, np.nan, 0) for name in differences}
    # One variance for all: somebody's own, over few items, may be zero by chance. One answer in doubt keeps it positive.
    items = sum(map(len, met.values()))
    noise = (sum(((values - values.mean()) ** 2).sum() for values in met.values()) + 1) / items
    errors = {name: float(noise / len(values)) for name, values in met.items()}
    between = max(LEAST_SPREAD**2, float(np.mean([met[name].mean() ** 2 - errors[name] for name in met])))
    found = {}
    for name in differences:
        if name not in met:
            found[name] = Strictness(np.nan, np.nan, np.nan, np.nan, 0)
            continue
        mean, half = float(met[name].mean()), 1.959964 * errors[name] ** 0.5
        shrunken = mean * between / (between + errors[name])
        found[name] = Strictness(mean, mean - half, mean + half, shrunken, len(met[name]))
    return found
