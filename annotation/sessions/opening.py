"""Opening a session: who is asked what, drawn from what triage chose and from items whose answer is known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from annotation.accounts import account_names
from annotation.batches import keep_prompts
from annotation.sessions.choosing import Pool, pool_of, suggested_answers
from annotation.sessions.gold import write_key
from annotation.sessions.plan import (
    CALIBRATION,
    WORK,
    Change,
    Place,
    Plan,
    Revision,
    all_plans,
    check_names,
    folder,
    save_plan,
)
from annotation.sessions.planner import assign
from curation.errors import AnnotationError
from curation.records import digest

if TYPE_CHECKING:
    from curation.workspace import Workspace

LARGEST_GOLD = 0.5


class Draw(NamedTuple):
    """What one language of a session gets: practice items, and who has which of the others."""

    practice: tuple[str, ...]
    seats: dict[str, tuple[str, ...]]  # prompt id -> annotators, gold items among them
    key: dict[str, str]  # the answers of practice and gold items


def open_session(
    workspace: Workspace,
    name: str,
    *,
    languages: Sequence[str] = (),
    annotators: Sequence[str] = (),
    simulated: bool = False,
    items_per_person: int = 60,
    overlap: int = 3,
    gold: float = 0.1,
    calibration: int = 8,
    gold_answers: Mapping[str, str] | None = None,
    requeue: bool = False,
    pre_annotated: bool = False,
) -> Plan:
    """Plan a session and keep the plan; nothing is sent yet.

    Without `annotators`, each language has its accounts of `morbench annotate users` (with `simulated`, the simulated
    ones). `gold_answers` replaces the items whose answer the project knows by itself.
    """
    check_names(name, list(annotators))
    languages = list(dict.fromkeys(languages)) or list(workspace.config.project.languages)
    _check(workspace, name, languages, items_per_person, overlap, gold, calibration)
    seed = int(digest("session", str(workspace.config.project.seed), name)[:8], 16)
    plan = Plan(name, seed, overlap, items_per_person, gold, calibration, pre_annotated, ())
    changes: list[Change] = []
    key: dict[str, str] = {}
    suggestions: dict[str, str] = {}
    for language in languages:
        count = workspace.config.queue.annotators
        people = list(annotators) or account_names(language, count, simulated=simulated)
        if len(set(people)) < overlap:
            raise AnnotationError(
                f"{len(set(people))} annotators of {language} cannot give {overlap} answers to an item",
                fix="name more with --annotators, or lower --overlap",
            )
        pool = pool_of(workspace, language, seed, gold=gold_answers, requeue=requeue)
        drawn = draw(plan, pool, people, items_per_person, repeat=requeue)
        if not drawn.seats:
            raise AnnotationError(
                f"nothing is left in {language} that these people have not been asked",
                fix="run `morbench triage` first, name other annotators, or use --from-requeue",
            )
        guessed = suggested_answers(workspace, drawn.seats) if pre_annotated else {}
        changes += seat(plan, language, people, drawn, guessed)
        key.update(drawn.key)
        suggestions.update(guessed)
    plan = plan.revised(Revision("open", tuple(changes), suggestions))
    _check_apart(workspace, plan)
    return keep_plan(workspace, plan, key)


def keep_plan(workspace: Workspace, plan: Plan, key: Mapping[str, str]) -> Plan:
    """Write what a plan needs, the plan last: the gold key, and the prompts that people are asked about."""
    write_key(workspace, plan.name, key)
    prompts = workspace.prompts()
    keep_prompts(workspace, [prompts[key] for key in sorted({key for keys in plan.now().values() for key in keys})])
    return save_plan(workspace, plan)


def draw(
    plan: Plan, pool: Pool, people: Collection[str], items_each: int, *, practice: bool = True, repeat: bool = False
) -> Draw:
    """Draw for one language; with `repeat`, an item may go to somebody who has answered it where nobody else is left."""
    used = {key for keys in plan.ever().values() for key in keys}

    def fresh(prompt_id: str) -> bool:
        enough = len(set(people) - pool.asked.get(prompt_id, frozenset())) >= plan.overlap
        return prompt_id not in used and (enough or repeat)

    known = [prompt_id for prompt_id in pool.gold if fresh(prompt_id)]
    first = tuple(known[: plan.calibration]) if practice else ()
    supply = [prompt_id for prompt_id in pool.work if fresh(prompt_id) and prompt_id not in first]
    room = len(set(people)) * items_each // plan.overlap
    total = min(room, round(len(supply) / (1 - plan.gold)))
    gold = known[len(first) :][: round(plan.gold * total)]
    work = [prompt_id for prompt_id in supply if prompt_id not in gold][: room - len(gold)]
    asked = pool.asked
    seats: dict[str, tuple[str, ...]] = {}
    loads: dict[str, int] = defaultdict(int)
    for items in (gold, work):  # each by itself, so that everybody has equally many of both
        given = assign(items, people, plan.overlap, seed=plan.seed, loads=loads, capacity=items_each,
                       taken=None if repeat else asked, avoid=asked if repeat else None)  # fmt: skip
        for person in (person for found in given.values() for person in found):
            loads[person] += 1
        seats |= given
    return Draw(first, seats, {prompt_id: pool.answers[prompt_id] for prompt_id in (*first, *gold)})


def seat(
    plan: Plan, language: str, people: Collection[str], drawn: Draw, suggestions: Mapping[str, str]
) -> list[Change]:
    """The changes that a draw makes to a plan, the items of each person in an order of their own."""
    shown = half_shown(drawn.seats, plan.seed) if suggestions else {}
    changes = []
    for person in sorted(set(people)):
        mine = [prompt_id for prompt_id, found in drawn.seats.items() if person in found]
        order = tuple(sorted(mine, key=lambda key: digest("place", str(plan.seed), person, key)))
        if drawn.practice:
            changes.append(Change(Place(person, language, CALIBRATION), drawn.practice))
        if order:
            seen = tuple(key for key in order if key in shown.get(person, ()))
            changes.append(Change(Place(person, language, WORK), order, shown=seen))
    return changes


def half_shown(seats: Mapping[str, Sequence[str]], seed: int) -> dict[str, set[str]]:
    """Which items each person is shown with a suggestion: half of theirs, and half of the people on each item.

    So the same item is judged by people with and without it, and anchoring can be measured within items.
    """
    shown: dict[str, set[str]] = defaultdict(set)
    balance: dict[str, int] = defaultdict(int)  # how many more a person saw with than without
    for prompt_id, people in seats.items():
        odd_one = len(people) % 2 and sum(balance[person] for person in people) <= 0
        count = len(people) // 2 + bool(odd_one)
        order = sorted(people, key=lambda person: (balance[person], digest("shown", str(seed), prompt_id, person)))
        for place, person in enumerate(order):
            balance[person] += 1 if place < count else -1
            if place < count:
                shown[person].add(prompt_id)
    return shown


def _check(
    workspace: Workspace,
    name: str,
    languages: Sequence[str],
    items_per_person: int,
    overlap: int,
    gold: float,
    calibration: int,
) -> None:
    if (folder(workspace, name) / "plan.json").exists():
        raise AnnotationError(
            f"the session {name!r} exists already", fix=f"`morbench session advance {name}` finishes what was stopped"
        )
    for language in languages:
        if language not in workspace.packs:
            raise AnnotationError(
                f"{language!r} is no language of this project", fix=f"known: {', '.join(workspace.packs)}"
            )
    if items_per_person < 1 or overlap < 1 or calibration < 0 or not 0 <= gold <= LARGEST_GOLD:
        raise AnnotationError(
            f"items per person {items_per_person}, overlap {overlap}, gold {gold:g}, calibration {calibration}",
            fix=f"use at least 1 item and 1 answer, a gold share from 0 to {LARGEST_GOLD:g}, no negative number",
        )


def _check_apart(workspace: Workspace, plan: Plan) -> None:
    """Refuse a name that would give a dataset the name of another session's: `a` with `b-c` is `a-b` with `c`."""
    mine = {plan.dataset(place) for place in plan.ever()}
    for other in all_plans(workspace):
        if mine & {other.dataset(place) for place in other.ever()}:
            raise AnnotationError(
                f"datasets of the session {plan.name!r} would be named as those of {other.name!r}",
                fix="choose another name",
            )
