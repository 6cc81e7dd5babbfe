"""What may happen to a session that is open: more items, other people, a pause. Each is one more revision of its plan."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from annotation.datasets import all_datasets
from annotation.sessions.choosing import pool_of, suggested_answers
from annotation.sessions.opening import draw, keep_plan, seat
from annotation.sessions.plan import (
    CALIBRATION,
    CLOSED,
    STATES,
    WORK,
    Change,
    Place,
    Plan,
    Revision,
    check_names,
    dataset_of,
    save_plan,
)
from annotation.sessions.planner import assign
from curation.errors import AnnotationError

if TYPE_CHECKING:
    from annotation.client import Client
    from curation.workspace import Workspace


def still_open(plan: Plan) -> Plan:
    """The plan, unless the session is closed."""
    if plan.state == CLOSED:
        raise AnnotationError(f"the session {plan.name!r} is closed", fix="open another one; its answers are kept")
    return plan


def extend(workspace: Workspace, plan: Plan, language: str, *, annotators: Sequence[str] = (), items: int = 0) -> Plan:
    """More people, who get items that others have (so that they meet), or `items` new ones for each person, or both."""
    check_names(plan.name, list(annotators))
    old = still_open(plan).people(language, WORK)
    if not old:
        raise AnnotationError(
            f"the session {plan.name!r} does not ask in {language}", fix=f"known: {', '.join(plan.languages())}"
        )
    new = [person for person in dict.fromkeys(annotators) if person not in old]
    changes = _newcomers(plan, language, new)
    key: dict[str, str] = {}
    suggestions: dict[str, str] = {}
    if items:
        pool = pool_of(workspace, language, plan.seed)
        drawn = draw(plan, pool, [*old, *new], items, practice=False)
        suggestions = suggested_answers(workspace, drawn.seats) if plan.pre_annotated else {}
        changes += seat(plan, language, [*old, *new], drawn, suggestions)
        key = drawn.key
    if not any(change.added for change in changes):
        raise AnnotationError(
            f"nothing to add to the session {plan.name!r} in {language}",
            fix="name annotators that it does not have, or --items with prompts left in triage",
        )
    return keep_plan(workspace, plan.revised(Revision("extend", tuple(changes), suggestions)), key)


def _newcomers(plan: Plan, language: str, new: Sequence[str]) -> list[Change]:
    """Practice, and items that others have, for people who join."""
    held = plan.holders(language, WORK)
    changes = _practice(plan, language, new)
    if not new or not held:
        return changes
    order = sorted(held, key=lambda key: (len(held[key]), key))  # where answers are fewest first
    each = min(len(new), math.ceil(plan.items_per_person * len(new) / len(order)))
    given = assign(order, new, each, seed=plan.seed, taken=held, capacity=plan.items_per_person)
    return changes + _changes(language, given)


def reassign(
    workspace: Workspace, client: Client, plan: Plan, person: str, *, to: Sequence[str] = ()
) -> tuple[Plan, int, int]:
    """Give what a person has not answered to others, equally; returns the plan, the items that went and that stayed.

    An item stays where everybody has it already. What the person has answered, or begun, is left to them.
    """
    check_names(plan.name, list(to))
    mine = [place for place in still_open(plan).now() if place.annotator == person and place.round == WORK]
    if not mine:
        raise AnnotationError(
            f"{person!r} has no items in the session {plan.name!r}", fix=f"known: {', '.join(plan.people())}"
        )
    changes: list[Change] = []
    went = stayed = 0
    for place in mine:
        touched = _touched(client, plan, place)
        open_items = [prompt_id for prompt_id in plan.now()[place] if prompt_id not in touched]
        others = [other for other in (to or plan.people(place.language, WORK)) if other != person]
        loads = {other: len(plan.now().get(Place(other, place.language, WORK), ())) for other in others}
        holders = plan.holders(place.language, WORK)
        given = assign(open_items, others, 1, seed=plan.seed, taken=holders, loads=loads)
        went, stayed = went + len(given), stayed + len(open_items) - len(given)
        changes += _practice(plan, place.language, [other for other in others if other in to])
        changes += _changes(place.language, given)
        changes.append(Change(place, removed=tuple(given)))
    if not went:
        return plan, went, stayed
    return save_plan(workspace, plan.revised(Revision("reassign", tuple(changes)))), went, stayed


def mark(workspace: Workspace, plan: Plan, kind: str) -> Plan:
    """Add a revision that says pause, resume or close, unless that is how the session stands."""
    if plan.state == STATES[kind]:
        return plan
    return save_plan(workspace, still_open(plan).revised(Revision(kind)))


def _practice(plan: Plan, language: str, people: Collection[str]) -> list[Change]:
    """The practice round of the language, for those who do not have it."""
    now = plan.now()
    items = next((now[place] for place in now if place[1:] == (language, CALIBRATION)), ())
    places = [Place(person, language, CALIBRATION) for person in people]
    return [Change(place, items) for place in places if items and place not in now]


def _changes(language: str, given: dict[str, tuple[str, ...]]) -> list[Change]:
    people = sorted({person for found in given.values() for person in found})
    return [Change(Place(person, language, WORK), tuple(key for key, found in given.items() if person in found))
            for person in people]  # fmt: skip


def _touched(client: Client, plan: Plan, place: Place) -> set[str]:
    """The prompts on which somebody has an answer of any status at a place."""
    dataset = dataset_of(plan, place, client.workspaces(), all_datasets(client))
    records = () if dataset is None else client.records(dataset["id"], responses=True)
    return {str(row["external_id"]) for row in records if row.get("responses")}
