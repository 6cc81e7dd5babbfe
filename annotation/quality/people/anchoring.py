"""Anchoring: whether people agree more with a suggestion when they are shown it.

In a pre-annotated session half of the items are shown with a suggestion and half without; which, was drawn. The
difference in how often people answer as suggested is what the sight of it does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from annotation.quality.bootstrap import Estimate
from annotation.quality.evidence import Suggested
from curation.rates import Rate, newcombe, wilson


class Anchoring(NamedTuple):
    """How often people answered as suggested, shown and blind."""

    shown: Rate
    blind: Rate
    difference: Estimate


def anchoring(rows: Iterable[Suggested]) -> Anchoring:
    """Agreement with the suggestions where they were shown, where they were kept back, and the difference."""
    table = list(rows)
    shown, blind = (_rate(row for row in table if row.shown is seen) for seen in (True, False))
    return Anchoring(shown, blind, Estimate(*newcombe(shown, blind)))


def _rate(rows: Iterable[Suggested]) -> Rate:
    agreed = [row.answer == row.suggestion for row in rows]
    return wilson(sum(agreed), len(agreed))
