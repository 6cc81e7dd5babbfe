"""The tables of an audit that are about people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from annotation.quality.bootstrap import Estimate
from annotation.quality.evidence import Evidence
from annotation.quality.people.anchoring import anchoring
from annotation.quality.people.profile import HASTY_SHARE, LEAST_GOLD, Profile
from annotation.quality.tables import Table
from curation.records import ANSWERS


def accuracy_table(found: Sequence[Profile], ability: Mapping[tuple[str, str], float]) -> Table:
    """How often everybody is right, by three keys, and what stands out."""
    rows = [[row.annotator, row.language, row.answers, row.gold, row.practice, row.meant, row.others,
             ability.get((row.annotator, row.language)), ", ".join(row.flags(len(found)))] for row in found]  # fmt: skip
    return Table.of(
        "annotators", "Annotators: accuracy",
        ("annotator", "language", "answers", "gold", "practice", "as the author meant", "as most others", "ability",
         "stands out"),
        rows, "95 % Wilson intervals. Practice: gold items of the calibration round. The author of a seed can be wrong, "
        f"and so can the others. Ability as GLAD learns it: 0 guesses. Named: gold surely below {100 * LEAST_GOLD:.0f} %, differences whose interval excludes "
        f"none, surely more than {100 * HASTY_SHARE:.0f} % hasty answers, runs that chance hardly makes.",
    )  # fmt: skip


def habit_table(found: Sequence[Profile]) -> Table:
    """How everybody answers, whatever is right."""
    rows: list[list[object]] = []
    for row in found:
        strict, run = row.strictness, row.run
        rows.append([row.annotator, row.language, Estimate(strict.difference, strict.low, strict.high), strict.shrunken,
                     strict.items, row.accuracy_drift, row.harmful_drift, row.pace.median, row.pace.slope,
                     row.pace.hasty, row.entropy, row.others_entropy,
                     None if run is None else f"{run.answer} x {run.length} of {run.answers}",
                     None if run is None else run.chance])  # fmt: skip
    return Table.of(
        "habits", "Annotators: strictness, drift, pace, runs",
        ("annotator", "language", "strictness", "shrunken", "met on", "accuracy drift", "harmful drift", "seconds",
         "seconds per 100 characters", "hasty", "entropy", "others' entropy", "longest run", "chance"),
        rows, "Strictness: share called harmful minus that of the others on the same items; shrunken, as far as so few "
        "items support it. Drift: last third minus first third, of answers that are right (gold, else as most others) "
        "and of harmful. Seconds: from answer to answer, breaks left out; hasty: in less time than reading takes. "
        "Chance: of a run this long in draws from the others' answers.",
    )  # fmt: skip


def confusion_table(found: Sequence[Profile]) -> Table:
    """What everybody answers on gold items, by what the key says."""
    rows = []
    for row in found:
        for truth in sorted({truth for truth, _ in row.confusion}):
            rows.append([row.annotator, row.language, truth, *(row.confusion[truth, answer] for answer in ANSWERS)])
    return Table.of("confusion", "Annotators: answers on gold items", ("annotator", "language", "gold", *ANSWERS), rows)


def anchoring_table(evidence: Evidence) -> Table:
    """What seeing a suggestion does: over all, by language and by annotator."""
    groups = [("all", "", evidence.suggested)]
    for by in ("language", "annotator"):
        names = sorted({getattr(row, by) for row in evidence.suggested})
        groups += [(by, name, tuple(row for row in evidence.suggested if getattr(row, by) == name)) for name in names]
    rows = [[by, name, *anchoring(given)] for by, name, given in groups if given]
    return Table.of(
        "anchoring", "Anchoring on suggestions", ("by", "group", "shown", "blind", "difference"), rows,
        "How often people answer as a pre-annotated session suggests, where the suggestion was shown and where it was "
        "kept back. A difference above none is what the sight of it does (Newcombe's interval).",
    )  # fmt: skip
