"""Disagreements get a queue of their own: blind, to a third person or the lead, with the reasons but not the names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from annotation.responses import standing_responses
from annotation.sessions.changing import still_open
from annotation.sessions.gold import read_key
from annotation.sessions.plan import ADJUDICATION, WORK, Change, Place, Plan, Revision, check_names, save_plan
from annotation.sessions.planner import assign
from curation.records import Response

if TYPE_CHECKING:
    from curation.workspace import Workspace

LEAD = "lead"
THIRD = "third"


def adjudicate(workspace: Workspace, plan: Plan, by: Sequence[str] = (LEAD,)) -> tuple[Plan, int, int]:
    """Plan what is to be decided; returns the plan, the items that were added, and those that nobody could take.

    `by` names the adjudicators; `third` is whoever of the session's people has not answered an item.
    """
    check_names(plan.name, [name for name in by if name != THIRD])
    changes: list[Change] = []
    added = stuck = 0
    for language in still_open(plan).languages():
        people = sorted({*(name for name in by if name != THIRD),
                         *(plan.people(language, WORK) if THIRD in by else ())})  # fmt: skip
        known = plan.holders(language, ADJUDICATION)
        holders = plan.holders(language, WORK)
        answered = _answers(workspace, plan, language)
        open_items = [key for key in disputed(workspace, plan, language) if key not in known]
        taken = {key: {*holders.get(key, ()), *(row.annotator for row in answered[key])} for key in open_items}
        loads = {person: len(plan.now().get(Place(person, language, ADJUDICATION), ())) for person in people}
        given = assign(open_items, people, 1, seed=plan.seed, taken=taken, loads=loads)
        added, stuck = added + len(given), stuck + len(open_items) - len(given)
        for person in sorted({found[0] for found in given.values()}):
            mine = tuple(key for key, found in given.items() if found[0] == person)
            changes.append(Change(Place(person, language, ADJUDICATION), mine))
    if not changes:
        return plan, added, stuck
    return save_plan(workspace, plan.revised(Revision("adjudicate", tuple(changes)))), added, stuck


def disputed(workspace: Workspace, plan: Plan, language: str) -> list[str]:
    """The items of a session on which two or more people answered and did not agree on benign or harmful.

    Gold items are none: their answer is known.
    """
    key = read_key(workspace, plan.name)
    answers = _answers(workspace, plan, language)
    return sorted(prompt_id for prompt_id, rows in answers.items()
                  if prompt_id not in key and len(rows) >= 2 and not unanimous(rows))  # fmt: skip


def unanimous(rows: Sequence[Response]) -> bool:
    """Whether all who were sure say benign, or all say harmful."""
    return {row.answer for row in rows} - {"unsure"} in ({"benign"}, {"harmful"})


def _answers(workspace: Workspace, plan: Plan, language: str) -> dict[str, list[Response]]:
    batch = plan.dataset(Place("", language, WORK))
    found: dict[str, list[Response]] = defaultdict(list)
    for row in standing_responses(workspace):
        if (row.session, row.batch) == (plan.name, batch):
            found[row.prompt_id].append(row)
    return found
