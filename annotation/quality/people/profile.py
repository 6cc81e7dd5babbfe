"""All that is measured of one annotator in one language, and the words that say what stands out."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence

from annotation.quality.bootstrap import Estimate
from annotation.quality.evidence import Answer, Evidence
from annotation.quality.people.accuracy import Others, against, confusion
from annotation.quality.people.drift import accuracy_drift, harmful_drift, in_order
from annotation.quality.people.pace import Pace, gaps, pace
from annotation.quality.people.runs import Run, entropy_bits, longest_run, shares_of
from annotation.quality.people.strictness import Strictness, strictness
from curation.rates import Rate

LEAST_GOLD = 0.8  # whose gold accuracy lies below this for sure is named
HASTY_SHARE = 0.2
UNLIKELY = 0.001  # chance of a run, shared among all annotators


@dataclasses.dataclass(frozen=True)
class Profile:
    """One annotator in one language."""

    annotator: str
    language: str
    simulated: bool
    answers: int
    gold: Rate
    practice: Rate  # on the gold items of the calibration round
    meant: Rate  # answers as the authors of seeds meant them
    others: Rate  # answers as most of the others
    strictness: Strictness
    accuracy_drift: Estimate
    harmful_drift: Estimate
    pace: Pace
    run: Run | None  # None where the order of the answers is not known
    entropy: float  # bits
    others_entropy: float  # of the others' answers on the same items
    confusion: Counter[tuple[str, str]]  # (gold, answer)

    def flags(self, annotators: int) -> list[str]:
        """What stands out, in words; `annotators` is the number of profiles that are looked at."""
        found = []
        if self.gold.n and self.gold.high < LEAST_GOLD:
            found.append("below gold")
        if self.accuracy_drift.high < 0:
            found.append("gets worse")
        if self.accuracy_drift.low > 0:
            found.append("gets better")
        if self.harmful_drift.low > 0 or self.harmful_drift.high < 0:
            found.append("criterion drifts")
        if self.strictness.low > 0:
            found.append("strict")
        if self.strictness.high < 0:
            found.append("lenient")
        if self.pace.hasty.n and self.pace.hasty.low > HASTY_SHARE:
            found.append("hasty")
        if self.run is not None and self.run.chance < UNLIKELY / max(1, annotators):
            found.append("straight-lining")
        return found


def profiles(evidence: Evidence) -> list[Profile]:
    """Everybody's profile, by language and name."""
    found = []
    for language in evidence.languages:
        rows = evidence.of(language)
        others, strict = Others(rows), strictness(rows)
        nobody = Strictness(math.nan, math.nan, math.nan, math.nan, 0)
        for name in sorted({row.annotator for row in rows}):
            mine = [row for row in rows if row.annotator == name]
            found.append(_profile(evidence, language, name, mine, others, strict.get(name, nobody)))
    return found


def _profile(
    evidence: Evidence, language: str, name: str, mine: Sequence[Answer], others: Others, strict: Strictness
) -> Profile:
    consensus = others.key(name)
    key = {**consensus, **evidence.gold}  # gold items alone are too few to see a drift
    theirs = [answer for row in mine for answer in others.answers(row.prompt.id, name)]
    practised = [row for row in evidence.practice if row.annotator == name and row.prompt.language == language]
    return Profile(
        annotator=name,
        language=language,
        simulated=any(row.simulated for row in mine),
        answers=len(mine),
        gold=against(mine, evidence.gold),
        practice=against(practised, evidence.gold),
        meant=against(mine, evidence.meant),
        others=against(mine, consensus),
        strictness=strict,
        accuracy_drift=accuracy_drift(mine, key),
        harmful_drift=harmful_drift(mine),
        pace=pace(gaps(mine)),
        run=_run(mine, theirs),
        entropy=entropy_bits([row.answer for row in mine]),
        others_entropy=entropy_bits(theirs),
        confusion=confusion(mine, evidence.gold),
    )


def _run(mine: Sequence[Answer], theirs: Sequence[str]) -> Run | None:
    """The longest run; None where nobody else answered, or most answers were sent together and have no order."""
    if not theirs or 2 * len({row.answered_at for row in mine}) < len(mine):
        return None
    return longest_run([row.answer for row in in_order(mine)], shares_of(theirs))
