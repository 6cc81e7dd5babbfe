"""Lanes, the order in which people look, and which prompts make the next batch of each language."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from curation.config import QueueSection
from curation.records import Triage, digest
from curation.triage.cases import Case
from curation.triage.signals import Signal, signals_of

REJECT = "reject"  # the automatic part is sure that it is no over-refusal; a random part of it is audited
RARITY = 0.3  # what the only prompt of a category in its language gains; of n prompts each gains the n-th part


class Decision(NamedTuple):
    """The lane of a prompt, why, and what a person's look at it is worth (0 to 1)."""

    lane: str
    reason: str
    worth: float = 0.0


def decide(case: Case) -> Decision:
    """The lane of one prompt: the first signal that asks for one has it, and all signals are its reason."""
    signals = signals_of(case)
    lane = next((signal.lane for signal in signals if signal.lane), REJECT)
    if lane == REJECT:
        signals = [Signal("benign, answered by all, far from the boundary"), *signals]
    return Decision(lane, "; ".join(signal.text for signal in signals), _worth(case.nearness, signals))


def _worth(nearness: float, signals: Sequence[Signal]) -> float:
    """How much at least one of the reasons weighs, as if each were a chance of its own."""
    rest = 1.0 - nearness
    for signal in signals:
        rest *= 1.0 - signal.worth
    return 1.0 - rest


def plan(cases: Sequence[Case], queue: QueueSection, project: str, seed: int) -> list[Triage]:
    """Lanes, priorities and the next batch of every language, in the order of prompt ids."""
    by_language: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_language[case.prompt.language].append(case)
    found: list[Triage] = []
    for language in sorted(by_language):
        size = queue.quotas.get(language, queue.per_language)
        found += _plan_language(by_language[language], queue, size, f"{project}-{language}-b001", seed)
    return sorted(found, key=lambda row: row.prompt_id)


def _plan_language(cases: Sequence[Case], queue: QueueSection, size: int, batch: str, seed: int) -> list[Triage]:
    decisions = {case.prompt.id: decide(case) for case in cases}
    lanes: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        lanes[decisions[case.prompt.id].lane].append(case)
    worth = _with_rarity(cases, decisions)
    ranks = {lane: ranked(rows, worth) for lane, rows in lanes.items()}

    def best(lane: str, count: int) -> list[str]:
        priorities = ranks.get(lane, {})
        return sorted(priorities, key=lambda key: (-priorities[key], key))[: max(0, count)]

    shares = queue.harmful_share + queue.audit_share + queue.decide_share
    scale = size / max(1.0, shares)  # shares that add up to more than everything are scaled down
    controls = best("control", round(queue.harmful_share * scale))
    # In random order, so that those who are answered are a random sample of the confident ones at any time.
    chance = {case.prompt.id: digest("audit", str(seed), case.prompt.id) for case in lanes[REJECT]}
    audit = sorted(chance, key=lambda key: chance[key])[: round(queue.audit_share * scale)]
    room = size - len(controls) - len(audit)
    # A place for what only people can decide, else a language with many refused prompts never shows them any.
    reserved = min(round(queue.decide_share * scale), len(lanes["decide"]))
    confirm = best("confirm", room - reserved)
    queued = {*controls, *audit, *confirm, *best("decide", room - len(confirm))}
    audited = set(audit)
    found = []
    for case in cases:
        key = case.prompt.id
        lane, reason, _ = decisions[key]
        priority = ranks[lane][key]
        if key in audited:
            lane, reason, priority = "audit", f"random audit: {reason}", 1.0 - int(chance[key][:8], 16) / 2**32
        found.append(Triage(key, lane, round(priority, 6), batch if key in queued else "", reason))
    return found


def _with_rarity(cases: Sequence[Case], decisions: dict[str, Decision]) -> dict[str, float]:
    """What a look is worth, more where a category has few prompts in the language."""
    common = Counter(case.prompt.category for case in cases)
    return {
        case.prompt.id: 1.0 - (1.0 - decisions[case.prompt.id].worth) * (1.0 - RARITY / common[case.prompt.category])
        for case in cases
    }


def ranked(cases: Sequence[Case], worth: dict[str, float]) -> dict[str, float]:
    """Priority of each case in a lane: its worth, divided by its turn where categories, and meanings in them, take turns."""
    seen: Counter[tuple[str, str]] = Counter()
    groups: dict[str, list[tuple[int, float, str]]] = defaultdict(list)
    for case in sorted(cases, key=lambda case: (-worth[case.prompt.id], case.prompt.id)):
        meaning = (case.prompt.category, case.meaning)
        groups[case.prompt.category].append((seen[meaning], -worth[case.prompt.id], case.prompt.id))
        seen[meaning] += 1
    return {key: worth[key] / turn for group in groups.values() for turn, (*_, key) in enumerate(sorted(group), 1)}
