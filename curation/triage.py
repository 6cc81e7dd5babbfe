"""Triage: which prompts people look at, in which lane, and which of them make the next batch of each language."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from curation.config import QueueSection
from curation.records import REFUSED, Margin, Prompt, RefusalLabel, Triage, digest
from curation.steps import Outcome, Output, Step
from curation.workspace import Workspace

NEAR = 1.0  # logits: nearer to a boundary than this, the label could as well have been the other one


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """A prompt with all that is known of how the targets take it."""

    prompt: Prompt
    labels: tuple[RefusalLabel, ...]
    margins: tuple[Margin, ...]

    @property
    def distance(self) -> float:
        """Logits to the nearest boundary of any target; infinite where none was measured."""
        return min((abs(margin.margin) for margin in self.margins), default=float("inf"))

    @property
    def priority(self) -> float:
        """1 on a boundary, falling to 0 far away."""
        return round(1.0 / (1.0 + self.distance), 6)


class Decision(NamedTuple):
    """The lane of a prompt and why."""

    lane: str
    reason: str


def decide(case: Case) -> Decision:
    """Choose the lane of one prompt from intent, labels and margins."""
    prompt = case.prompt
    if prompt.intent == "harmful":
        return Decision("control", f"written as harmful ({prompt.category}): the safety side")
    refused = sorted({label.target for label in case.labels if label.label in REFUSED})
    near = sorted({margin.target for margin in case.margins if abs(margin.margin) < NEAR})
    if prompt.intent == "unknown":
        told = f"; refused by {', '.join(refused)}" if refused else ""
        return Decision("decide", f"written by a model, intent unknown{told}")
    if refused:
        return Decision("confirm", f"benign, refused by {', '.join(refused)}")
    if near:
        return Decision("decide", f"within {NEAR:g} of the boundary of {', '.join(near)}")
    kinds = {label.label for label in case.labels if label.label != "unscored"}
    if not kinds:
        return Decision("decide", "no reply could be labelled")
    if "non_answer" in kinds:
        return Decision(
            "decide",
            "a target gave no answer" if kinds == {"non_answer"} else "targets differ: an answer and a non-answer",
        )
    return Decision("skip", "benign, answered by all, far from the boundary")


def plan(cases: Sequence[Case], queue: QueueSection, project: str, seed: int) -> list[Triage]:
    """Lanes, priorities and the next batch of every language, in the order of prompt ids."""
    by_language: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_language[case.prompt.language].append(case)
    found: list[Triage] = []
    for language in sorted(by_language):
        found += _plan_language(by_language[language], queue, f"{project}-{language}-b001", seed)
    return sorted(found, key=lambda row: row.prompt_id)


def _plan_language(cases: Sequence[Case], queue: QueueSection, batch: str, seed: int) -> list[Triage]:
    decisions = {case.prompt.id: decide(case) for case in cases}
    lanes: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        lanes[decisions[case.prompt.id].lane].append(case)
    shares = queue.harmful_share + queue.audit_share + queue.decide_share
    scale = queue.per_language / max(1.0, shares)  # shares that add up to more than everything are scaled down
    controls = spread(lanes["control"], round(queue.harmful_share * scale))
    audit = sorted(lanes["skip"], key=lambda case: digest("audit", str(seed), case.prompt.id))[
        : round(queue.audit_share * scale)
    ]
    room = queue.per_language - len(controls) - len(audit)
    # A place for what only people can decide, else a language with many refused prompts never shows them any.
    reserved = min(round(queue.decide_share * scale), len(lanes["decide"]))
    confirm = spread(lanes["confirm"], room - reserved)
    undecided = spread(lanes["decide"], room - len(confirm))
    audited = {case.prompt.id for case in audit}
    queued = audited | {case.prompt.id for case in (*controls, *confirm, *undecided)}
    found = []
    for case in cases:
        lane, reason = decisions[case.prompt.id]
        if case.prompt.id in audited:
            lane, reason = "audit", f"random audit: {reason}"
        found.append(Triage(case.prompt.id, lane, case.priority, batch if case.prompt.id in queued else "", reason))
    return found


def spread(cases: Sequence[Case], count: int) -> list[Case]:
    """Up to `count` cases nearest the boundary, categories taking turns."""
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in sorted(cases, key=lambda case: (-case.priority, case.prompt.id)):
        groups[case.prompt.category].append(case)
    turns = sorted(
        (turn, -case.priority, case.prompt.id, case) for group in groups.values() for turn, case in enumerate(group)
    )
    return [case for *_, case in turns[: max(0, count)]]


def run_triage(workspace: Workspace) -> Outcome:
    """Give every prompt that is alive its lane, and fill one batch per language."""
    config = workspace.config
    labels: dict[str, list[RefusalLabel]] = defaultdict(list)
    margins: dict[str, list[Margin]] = defaultdict(list)
    for label in workspace.table(RefusalLabel).rows():
        labels[label.prompt_id].append(label)
    for margin in workspace.table(Margin).rows():
        margins[margin.prompt_id].append(margin)
    cases = [Case(row, tuple(sorted(labels[row.id], key=lambda label: (label.target, label.reply_id))),
                  tuple(sorted(margins[row.id], key=lambda margin: margin.target)))
             for row in workspace.alive(("identify", "dedup")) if row.category != "harmless"]  # fmt: skip
    queue, project, seed = config.queue, config.project.name, config.project.seed
    settings: dict[str, object] = {
        "per_language": queue.per_language,
        "harmful_share": queue.harmful_share,
        "near": NEAR,
        "seed": seed,
    }
    settings |= {"audit_share": queue.audit_share, "decide_share": queue.decide_share, "project": project}

    def work(rows: list[Case]) -> Output:
        return Output(plan(rows, queue, project, seed))

    return workspace.run(Step("triage", 1, settings, lambda: work, title="triage"), list(cases), Triage)
