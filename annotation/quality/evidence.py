"""What an audit looks at: the answers that stand, with what is known of their prompts, rounds and people."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from annotation.quality.ratings import Rating
from annotation.responses import standing_responses
from annotation.sessions.gold import KNOWN, gold_answers
from annotation.sessions.plan import ADJUDICATION, CALIBRATION, WORK, Place, all_plans, round_of
from curation.records import Prompt, canonical, digest

if TYPE_CHECKING:
    from curation.workspace import Workspace


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """One answer that stands, with its prompt."""

    prompt: Prompt
    annotator: str
    answer: str
    session: str  # outside sessions, the batch
    answered_at: str
    simulated: bool
    note: str = ""

    @property
    def rating(self) -> Rating:
        """As agreement and aggregation take it."""
        return Rating(self.prompt.id, self.annotator, self.answer)


@dataclasses.dataclass(frozen=True, slots=True)
class Suggested:
    """An answer in a pre-annotated session: the suggestion was shown, or kept back."""

    language: str
    annotator: str
    suggestion: str
    answer: str
    shown: bool


@dataclasses.dataclass(frozen=True)
class Evidence:
    """The answers of people; simulated ones only where there are no others."""

    answers: tuple[Answer, ...]  # blind work: one for each prompt and annotator, the latest, by prompt and annotator
    practice: tuple[Answer, ...] = ()  # of calibration rounds: not part of agreement or verdicts
    adjudicated: Mapping[str, str] = dataclasses.field(default_factory=dict)  # prompt id -> answer
    gold: Mapping[str, str] = dataclasses.field(default_factory=dict)  # prompt id -> answer
    suggested: tuple[Suggested, ...] = ()

    @classmethod
    def read(cls, workspace: Workspace, gold: Mapping[str, str] | None = None) -> Evidence:
        """Gather the evidence of a project; `gold` replaces the keys of its sessions."""
        prompts = workspace.prompts()
        rows = [row for row in standing_responses(workspace) if row.prompt_id in prompts]
        if any(not row.simulated for row in rows):
            rows = [row for row in rows if not row.simulated]
        work: list[Answer] = []
        practice: list[Answer] = []
        adjudicated: dict[str, str] = {}
        for row in sorted(rows, key=lambda row: (row.answered_at, row.prompt_id, row.annotator, row.batch)):
            given = Answer(prompts[row.prompt_id], row.annotator, row.answer, row.session or row.batch,
                           row.answered_at, row.simulated, row.note)  # fmt: skip
            kind = round_of(row.session, row.batch)
            if kind == ADJUDICATION:
                adjudicated[row.prompt_id] = row.answer
            else:
                (practice if kind == CALIBRATION else work).append(given)
        known = gold_answers(workspace) if gold is None else gold
        return cls(latest(work), latest(practice), adjudicated, known, _suggested(workspace, latest(work)))

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """The languages that have answers."""
        return tuple(sorted({row.prompt.language for row in self.answers}))

    @cached_property
    def annotators(self) -> tuple[str, ...]:
        """Everybody who answered."""
        return tuple(sorted({row.annotator for row in self.answers}))

    @cached_property
    def simulated(self) -> bool:
        """Whether the answers are simulated ones."""
        return any(row.simulated for row in self.answers)

    @cached_property
    def meant(self) -> Mapping[str, str]:
        """What the authors of seeds meant, by prompt id: a weaker key than gold."""
        prompts = {row.prompt.id: row.prompt for row in self.answers}
        return {key: row.intent for key, row in prompts.items()
                if row.method == "seed" and row.intent in KNOWN and row.category != "harmless"}  # fmt: skip

    def of(self, language: str) -> list[Answer]:
        """The answers on prompts of one language."""
        return [row for row in self.answers if row.prompt.language == language]

    def digest(self) -> str:
        """What the evidence is, in hex: the same evidence gives the same audit."""
        answers = [canonical(dataclasses.astuple(row)) for row in (*self.answers, *self.practice)]
        rest = canonical(
            [dict(self.adjudicated), dict(self.gold), [dataclasses.astuple(row) for row in self.suggested]]
        )
        return digest("evidence", str(len(self.answers)), *answers, rest)


def latest(rows: Iterable[Answer]) -> tuple[Answer, ...]:
    """One answer for each prompt and annotator, the last of the given order; by prompt and annotator."""
    found = {(row.prompt.id, row.annotator): row for row in rows}
    return tuple(found[key] for key in sorted(found))


def _suggested(workspace: Workspace, answers: Iterable[Answer]) -> tuple[Suggested, ...]:
    """The answers on items of pre-annotated sessions, with the suggestion that was shown or kept back."""
    plans = {plan.name: (plan.suggestions(), plan.shown()) for plan in all_plans(workspace)}
    found = []
    for row in answers:
        suggestions, shown = plans.get(row.session, ({}, {}))
        suggestion = suggestions.get(row.prompt.id)
        if suggestion is not None:
            place = Place(row.annotator, row.prompt.language, WORK)
            seen = row.prompt.id in shown.get(place, ())
            found.append(Suggested(row.prompt.language, row.annotator, suggestion, row.answer, seen))
    return tuple(found)
