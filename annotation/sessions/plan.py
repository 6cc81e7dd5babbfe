"""The plan of a session: who is asked what, in which round. What was planned is never changed, only added to.

A plan is a file, `<project>/annotation/sessions/<name>/plan.json`, that lists revisions; the last ones decide what holds
now. Together with the names of the datasets it decides which answers belong to the session: two sessions never mix.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from annotation.accounts import private_folder
from curation.errors import AnnotationError
from curation.records import digest
from curation.storage import write_text

if TYPE_CHECKING:
    from curation.workspace import Workspace

CALIBRATION, WORK, ADJUDICATION = ROUNDS = ("calibration", "work", "adjudication")
OPEN, PAUSED, CLOSED = "open", "paused", "closed"
_ODD = re.compile(r"[^A-Za-z0-9_-]")
STATES = {"pause": PAUSED, "resume": OPEN, "close": CLOSED}
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}\Z")
_PERSON = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}\Z")


class Place(NamedTuple):
    """One person's items of one language in one round: one dataset in Argilla."""

    annotator: str
    language: str
    round: str


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """What a revision does to one place: prompt ids that come and go, and those that are shown with a suggestion."""

    place: Place
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Revision:
    """One step in a session's life."""

    kind: str  # open, extend, reassign, adjudicate, pause, resume, close
    changes: tuple[Change, ...] = ()
    suggestions: Mapping[str, str] = dataclasses.field(default_factory=dict)  # prompt id -> answer, shown or not


@dataclasses.dataclass(frozen=True)
class Plan:
    """A session: what was asked for when it was opened, and its revisions."""

    name: str
    seed: int
    overlap: int
    items_per_person: int
    gold: float  # share of a person's items
    calibration: int  # items of the practice round
    pre_annotated: bool
    revisions: tuple[Revision, ...]

    @property
    def state(self) -> str:
        """Open, paused or closed."""
        return next((STATES[row.kind] for row in reversed(self.revisions) if row.kind in STATES), OPEN)

    def revised(self, revision: Revision) -> Plan:
        """The plan with one revision more."""
        return dataclasses.replace(self, revisions=(*self.revisions, revision))

    def now(self) -> dict[Place, tuple[str, ...]]:
        """The prompts of each place today, in the order in which they were planned."""
        found: dict[Place, dict[str, None]] = {}
        for change in self.changes():
            here = found.setdefault(change.place, {})
            here.update(dict.fromkeys(change.added))
            for prompt_id in change.removed:
                here.pop(prompt_id, None)
        return {place: tuple(found[place]) for place in sorted(found)}

    def ever(self) -> dict[Place, frozenset[str]]:
        """The prompts that were ever planned at each place: their answers count, also after they went to others."""
        found: dict[Place, set[str]] = {}
        for change in self.changes():
            found.setdefault(change.place, set()).update(change.added)
        return {place: frozenset(found[place]) for place in sorted(found)}

    def shown(self) -> dict[Place, frozenset[str]]:
        """The prompts that each place shows with a suggestion."""
        found: dict[Place, set[str]] = {}
        for change in self.changes():
            found.setdefault(change.place, set()).update(change.shown)
        return {place: frozenset(found[place]) for place in sorted(found)}

    def suggestions(self) -> dict[str, str]:
        """The suggested answer of each prompt, whether or not somebody is shown it."""
        return {key: answer for revision in self.revisions for key, answer in revision.suggestions.items()}

    def changes(self) -> Iterator[Change]:
        """Every change of every revision, in order."""
        for revision in self.revisions:
            yield from revision.changes

    def people(self, language: str | None = None, round_name: str | None = None) -> list[str]:
        """The annotators of a language and round, or of all."""
        return sorted({place.annotator for place in self.ever()
                       if language in (None, place.language) and round_name in (None, place.round)})  # fmt: skip

    def languages(self) -> list[str]:
        """The languages of the session."""
        return sorted({place.language for place in self.ever()})

    def holders(self, language: str, round_name: str) -> dict[str, tuple[str, ...]]:
        """Who has each prompt of a language and round today."""
        found: dict[str, list[str]] = {}
        for place, prompts in self.now().items():
            if (place.language, place.round) == (language, round_name):
                for prompt_id in prompts:
                    found.setdefault(prompt_id, []).append(place.annotator)
        return {prompt_id: tuple(people) for prompt_id, people in found.items()}

    def dataset(self, place: Place) -> str:
        """The name of a place's dataset; answers carry it as their batch."""
        return f"{self.name}-{place.language}-{place.round}"

    def space(self, annotator: str) -> str:
        """The name of a person's workspace in Argilla: theirs in this session alone, so that a pause hides no other.

        The SDK reads no list of workspaces in which one has a name with other characters than these.
        """
        plain = _ODD.sub("-", annotator)
        return f"{self.name}_{plain if plain == annotator else f'{plain}-{digest(annotator)[:8]}'}"


def dataset_of(
    plan: Plan, place: Place, spaces: Mapping[str, str], datasets: Mapping[tuple[str, str], dict[str, Any]]
) -> dict[str, Any] | None:
    """A place's dataset among those of a server (workspace name -> id; (workspace id, name) -> dataset), once made."""
    found = datasets.get((spaces.get(plan.space(place.annotator), ""), plan.dataset(place)))
    return found if found is not None and found["status"] == "ready" else None


def round_of(session: str, batch: str) -> str:
    """The round that an answer was given in, from its session and batch; empty outside sessions."""
    found = batch.rpartition("-")[2]
    return found if session and found in ROUNDS else ""


def check_names(name: str, people: list[str]) -> None:
    """Refuse names that Argilla, a file system or another session could misread."""
    if not _NAME.match(name):
        raise AnnotationError(
            f"{name!r} cannot name a session", fix="use up to 40 small letters, digits and hyphens, as in review-1"
        )
    for person in people:
        if not _PERSON.match(person):
            raise AnnotationError(f"{person!r} cannot name an annotator", fix="use letters, digits and . _ @ -")


def folder(workspace: Workspace, name: str = "") -> Path:
    """`<project>/annotation/sessions[/<name>]`; makes nothing."""
    return workspace.root / "annotation" / "sessions" / name


def private_session_folder(workspace: Workspace, name: str) -> Path:
    """A session's folder, made with mode 0700: it holds the gold items' key."""
    private_folder(workspace)
    found = folder(workspace, name)
    for path in (found.parent, found):
        path.mkdir(mode=0o700, exist_ok=True)
    return found


def save_plan(workspace: Workspace, plan: Plan) -> Plan:
    """Write a plan, whole or not at all; a plan on disk may only be added to."""
    path = private_session_folder(workspace, plan.name) / "plan.json"
    if path.exists():
        known = load_plan(workspace, plan.name)
        if dataclasses.replace(plan, revisions=plan.revisions[: len(known.revisions)]) != known:
            raise AnnotationError(f"{path} was changed meanwhile", fix="run the same command again")
    write_text(path, json.dumps(_raw(plan), indent=1, ensure_ascii=False) + "\n", mode=0o600)
    return plan


def load_plan(workspace: Workspace, name: str) -> Plan:
    """Read a session's plan."""
    check_names(name, [])
    path = folder(workspace, name) / "plan.json"
    try:
        return _plan(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        known = [row.name for row in all_plans(workspace)]
        fix = f"known: {', '.join(known)}" if known else f"open it with `morbench session open {name}`"
        raise AnnotationError(f"{workspace.root} has no session {name!r}", fix=fix) from None
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise AnnotationError(f"cannot read the plan {path}: {exc}", fix="restore the file from a backup") from exc


def all_plans(workspace: Workspace) -> list[Plan]:
    """Every session of the project, by name."""
    return [load_plan(workspace, path.parent.name) for path in sorted(folder(workspace).glob("*/plan.json"))]


def _raw(plan: Plan) -> dict[str, Any]:
    head = {field.name: getattr(plan, field.name) for field in dataclasses.fields(plan) if field.name != "revisions"}
    revisions = [
        {"kind": row.kind, "suggestions": dict(row.suggestions),
         "changes": [{**change.place._asdict(), "added": change.added, "removed": change.removed,
                      "shown": change.shown} for change in row.changes]}
        for row in plan.revisions]  # fmt: skip
    return {**head, "revisions": revisions}


def _plan(raw: dict[str, Any]) -> Plan:
    revisions = tuple(
        Revision(row["kind"], tuple(_change(change) for change in row["changes"]), dict(row["suggestions"]))
        for row in raw.pop("revisions")
    )
    return Plan(**raw, revisions=revisions)


def _change(raw: dict[str, Any]) -> Change:
    place = Place(raw["annotator"], raw["language"], raw["round"])
    return Change(place, tuple(raw["added"]), tuple(raw["removed"]), tuple(raw["shown"]))
