"""Drift: whether somebody answers differently at the end than at the start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from annotation.quality.bootstrap import Estimate
from annotation.quality.evidence import Answer
from curation.rates import newcombe, wilson

LEAST = 5  # answers in a third


def in_order(rows: Iterable[Answer]) -> list[Answer]:
    """Answers in the order in which they were given."""
    return sorted(rows, key=lambda row: (row.answered_at, row.prompt.id))


def accuracy_drift(rows: Iterable[Answer], key: Mapping[str, str]) -> Estimate:
    """Share right in the last third minus share right in the first, of the answers on items that the key knows."""
    return thirds([row.answer == key[row.prompt.id] for row in in_order(rows) if row.prompt.id in key])


def harmful_drift(rows: Iterable[Answer]) -> Estimate:
    """Share of `harmful` in the last third minus that in the first; items come shuffled, so it should be none."""
    return thirds([row.answer == "harmful" for row in in_order(rows)])


def thirds(hits: Sequence[bool]) -> Estimate:
    """The last third's share minus the first third's, with its interval; nan where a third is too short."""
    size = len(hits) // 3
    if size < LEAST:
        return Estimate(float("nan"), float("nan"), float("nan"))
    return Estimate(*newcombe(wilson(sum(hits[-size:]), size), wilson(sum(hits[:size]), size)))
