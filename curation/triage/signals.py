"""What each step's findings say about who should look. A signal more is a function more in SIGNALS."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from curation.personal.findings import find_personal, told
from curation.records import REFUSED, RefusalLabel
from curation.triage.cases import Case

NEAR = 1.0  # logits: nearer to a boundary than this, the label could as well have been the other one
UNSURE = 0.2  # a P(refusal) nearer to a half than this is no label
DOUBTED = 0.5  # P(benign) below which the author's word is not enough


class Signal(NamedTuple):
    """One reason to look, or not."""

    text: str
    lane: str = ""  # the lane it asks for; empty: it only adds to the others
    worth: float = 0.0  # how much a person's look is worth for this alone, 0 to 1


def personal_data(case: Case) -> Signal | None:
    """Personal data, secrets or markup: told by kind and place, never by content."""
    found = find_personal(case.prompt.text, case.prompt.language)
    return Signal(f"holds {told(found)}", "decide", 1.0) if found else None


def meant_harmful(case: Case) -> Signal | None:
    """The safety side."""
    if case.prompt.intent != "harmful":
        return None
    by = f"labelled harmful by {case.source}" if case.source else "written as harmful"
    return Signal(f"{by} ({case.prompt.category}): the safety side", "control")


def unknown_intent(case: Case) -> Signal | None:
    """Nobody said what was meant."""
    if case.prompt.intent != "unknown":
        return None
    by = f"imported from {case.source}" if case.source else "written by a model"
    return Signal(f"{by}, intent unknown", "decide", 0.3)


def refused(case: Case) -> Signal | None:
    """Refused by some target, surely: an over-refusal, if people find it benign."""
    names = _targets(case, lambda label: label.label in REFUSED and not _unsure(label))
    if not names:
        return None
    benign = "benign, " if case.prompt.intent == "benign" else ""
    # each further target that refuses makes it more telling, the first most of all
    return Signal(f"{benign}refused by {', '.join(names)}", "confirm", 1 - 0.6 ** len(names))


def answered_elsewhere(case: Case) -> Signal | None:
    """Another target saw nothing in it: the targets differ, and that speaks for benign."""
    names = _targets(case, lambda label: label.label == "full_compliance" and not _unsure(label))
    if not names or not any(label.label in REFUSED for label in case.labels):
        return None
    return Signal(f"answered by {', '.join(names)}", "", 0.2)


def asked(case: Case) -> Signal | None:
    """An earlier step wants a person to look."""
    return Signal("; ".join(case.asks), "decide", 0.5) if case.asks else None


def doubted(case: Case) -> Signal | None:
    """What was measured without the targets' refusals speaks against benign, or leaves it open."""
    chosen = case.selection
    if chosen is None or case.prompt.intent == "harmful":
        return None
    text = f"P(benign) {chosen.benign:.2f} ({chosen.evidence})"
    if chosen.benign < DOUBTED:
        return Signal(text, "decide", 0.5)
    return Signal(text, "", 0.5 * 4 * chosen.benign * (1 - chosen.benign)) if case.prompt.intent == "unknown" else None


def unsure(case: Case) -> Signal | None:
    """A label that could as well be the other one."""
    rows = [label for label in case.labels if _unsure(label)]
    shown = ", ".join(f"{label.target} ({label.score:.2f})" for label in rows)
    return Signal(f"unsure whether refused: {shown}", "decide", 0.5) if rows else None


def near(case: Case) -> Signal | None:
    """Close to a boundary."""
    names = sorted({margin.target for margin in case.margins if abs(margin.margin) < NEAR})
    return Signal(f"within {NEAR:g} of the boundary of {', '.join(names)}", "decide") if names else None


def crossing(case: Case) -> Signal | None:
    """The side of a boundary is not known: its interval holds zero."""
    names = sorted({row.target for row in case.margins if abs(row.margin) >= NEAR and row.low < 0 < row.high})
    return Signal(f"interval across the boundary of {', '.join(names)}", "decide", 0.3) if names else None


def contrary(case: Case) -> Signal | None:
    """Label and margin of one target say opposite things, both surely."""
    sides = {label.target: label.label in REFUSED for label in case.labels
             if label.label in REFUSED | {"full_compliance"} and not _unsure(label)}  # fmt: skip
    names = sorted({row.target for row in case.margins
                    if row.target in sides and (row.high < -NEAR if sides[row.target] else row.low > NEAR)})  # fmt: skip
    return Signal(f"label and margin of {', '.join(names)} disagree", "decide", 0.4) if names else None


def unlabelled(case: Case) -> Signal | None:
    """No label at all."""
    labelled = any(label.label != "unscored" for label in case.labels)
    return None if labelled else Signal("no reply could be labelled", "decide", 0.1)


def silent(case: Case) -> Signal | None:
    """A target gave no answer."""
    kinds = {label.label for label in case.labels if label.label != "unscored"}
    if "non_answer" not in kinds:
        return None
    alone = kinds == {"non_answer"}
    return Signal("a target gave no answer" if alone else "targets differ: an answer and a non-answer", "decide", 0.1)


# In the order in which they decide: the first that names a lane has it, all of them are told.
SIGNALS: tuple[Callable[[Case], Signal | None], ...] = (
    personal_data, meant_harmful, unknown_intent, refused, answered_elsewhere, asked, doubted, unsure, near, crossing, contrary,
    unlabelled, silent,
)  # fmt: skip


def signals_of(case: Case) -> list[Signal]:
    """Every signal that a case gives, in that order."""
    return [signal for look in SIGNALS if (signal := look(case)) is not None]


def _unsure(label: RefusalLabel) -> bool:
    return label.label in REFUSED | {"full_compliance"} and abs(label.score - 0.5) < UNSURE


def _targets(case: Case, wanted: Callable[[RefusalLabel], bool]) -> list[str]:
    return sorted({label.target for label in case.labels if wanted(label)})
