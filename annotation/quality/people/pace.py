"""Pace: seconds from one answer to the next, and whether they grow with the length of the prompt.

Argilla keeps when an answer was given, not when its prompt was opened: the time between two answers of one person stands
for the time that the later one took. Longer gaps are breaks, and answers that were sent together have none; neither
says anything.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import datetime, timezone
from itertools import pairwise
from typing import NamedTuple

from annotation.quality.bootstrap import Estimate
from annotation.quality.evidence import Answer
from annotation.quality.people.drift import in_order
from curation.rates import Rate, wilson

BREAK = 600.0  # seconds; a longer gap is a break
FASTEST = 80.0  # characters a second: about four times what people read; less time than that is no reading
QUICKEST = 0.7  # seconds, for the shortest prompt
WIDE = 3  # letters that one ideograph, kana or hangul syllable stands for
LEAST = 8  # different lengths that a slope needs
MOST = 1500  # gaps that a slope uses, evenly spaced: it compares all pairs


class Gap(NamedTuple):
    """The time that one answer took, and how much there was to read."""

    seconds: float
    length: int


class Pace(NamedTuple):
    """How fast somebody answers."""

    median: float  # seconds an answer; nan where no time is known
    slope: Estimate  # seconds more for 100 characters more (Theil and Sen)
    hasty: Rate  # answers given in less time than reading takes


def gaps(rows: Iterable[Answer]) -> list[Gap]:
    """The gaps between one person's successive answers, breaks and batches sent together left out."""
    found = []
    for before, row in pairwise(in_order(rows)):
        start, end = moment(before.answered_at), moment(row.answered_at)
        if start is not None and end is not None and 0 < (seconds := (end - start).total_seconds()) <= BREAK:
            found.append(Gap(seconds, length(row.prompt.text)))
    return found


def pace(found: list[Gap]) -> Pace:
    """Median, slope and haste of one person's gaps."""
    import numpy as np

    hasty = sum(gap.seconds < max(QUICKEST, gap.length / FASTEST) for gap in found)
    median = float(np.median([gap.seconds for gap in found])) if found else np.nan
    return Pace(median, _slope(found), wilson(hasty, len(found)))


def length(text: str) -> int:
    """Characters to read; wide ones count for as many letters as they stand for."""
    return sum(WIDE if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def moment(text: str) -> datetime | None:
    """An ISO 8601 time, in UTC where it names no zone; None where it is none."""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def _slope(found: list[Gap]) -> Estimate:
    import numpy as np

    if len({gap.length for gap in found}) < LEAST:
        return Estimate(np.nan, np.nan, np.nan)
    from scipy.stats import theilslopes

    chosen = np.unique(np.linspace(0, len(found) - 1, min(len(found), MOST)).round().astype(int))
    used = [found[index] for index in chosen]
    with np.errstate(invalid="ignore"):  # where most gaps are the same, there is a slope but no interval
        slope, _, low, high = theilslopes([gap.seconds for gap in used], [gap.length / 100 for gap in used])
    return Estimate(float(slope), float(low), float(high))
