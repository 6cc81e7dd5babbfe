"""Verdicts: the answers that stand, aggregated per prompt; disagreement is kept, too few answers are a reject."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from annotation import aggregation
from annotation.quality.models.methods import DEFAULT, judge_all
from annotation.quality.ratings import Rating
from annotation.responses import standing_responses
from annotation.sessions.plan import ADJUDICATION, CALIBRATION, WORK, Plan, all_plans, round_of
from curation.records import Reject, Response, Triage, Verdict
from curation.steps import Outcome, Output, Step, Work

if TYPE_CHECKING:
    from curation.workspace import Workspace

STEP = "verdicts"
TOO_FEW = "too_few_responses"


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    """A prompt with the answers that count for it."""

    prompt_id: str
    answers: tuple[str, ...]  # sorted: who said what and when is not part of the verdict
    simulated: bool
    adjudicated: str = ""  # what the adjudicator of a disagreement decided
    language: str = ""  # this and who gave which answer: only for a method that learns about people
    annotators: tuple[str, ...] = ()


def run_verdicts(workspace: Workspace) -> Outcome:
    """A verdict for each prompt with queue.min_responses answers or more; the others are rejects.

    One person counts once a prompt, with the latest answer. Where people alone gave enough answers, simulated ones do
    not count. Answers of a practice round never count. Where a disagreement went to an adjudicator, their answer decides
    (and `depends` or `unsure` leaves it controversial); posterior, agreement and the number stay those of the others.
    """
    enough, method = workspace.config.queue.min_responses, workspace.config.queue.aggregation
    queued = [row.prompt_id for row in workspace.table(Triage).rows() if row.batch]
    queued += [key for plan in all_plans(workspace) for key in plan_items(plan)]
    settings = {"min_responses": enough, "accuracy": aggregation.ACCURACY, "prior": aggregation.PRIOR,
                "low": aggregation.LOW, "high": aggregation.HIGH, "method": method}  # fmt: skip
    step = Step(STEP, 2, settings, lambda: _work(enough, method), title="verdicts")
    languages = {} if method == DEFAULT else {key: row.language for key, row in workspace.prompts().items()}
    return workspace.run(step, items(standing_responses(workspace), queued, enough, languages), Verdict)


def plan_items(plan: Plan) -> list[str]:
    """The prompts that a session asks people to judge."""
    return [key for place, keys in plan.now().items() if place.round == WORK for key in keys]


def items(
    responses: Iterable[Response], queued: Iterable[str], enough: int, languages: Mapping[str, str] | None = None
) -> list[Item]:
    """Each queued or answered prompt with its answers, by id; where languages are given, with its annotators."""
    latest: dict[str, dict[str, Response]] = {prompt_id: {} for prompt_id in queued}
    deciding: dict[str, Response] = {}
    for row in sorted(responses, key=lambda row: (row.answered_at, row.annotator, row.batch)):
        found = round_of(row.session, row.batch)
        if found == ADJUDICATION:
            if not row.simulated or row.prompt_id not in deciding or deciding[row.prompt_id].simulated:
                deciding[row.prompt_id] = row
        elif found != CALIBRATION:  # one annotator may meet a prompt in two batches: the later answer counts
            latest.setdefault(row.prompt_id, {})[row.annotator] = row
    return [_item(key, list(latest.get(key, {}).values()), deciding.get(key), enough, (languages or {}).get(key, ""))
            for key in sorted({*latest, *deciding})]  # fmt: skip


def _item(prompt_id: str, rows: list[Response], decision: Response | None, enough: int, language: str) -> Item:
    people = [row for row in rows if not row.simulated]
    counted = people if len(people) >= enough else rows
    simulated = any(row.simulated for row in counted)
    ranked = sorted((row.answer, row.annotator) for row in counted)
    answers, annotators = tuple(answer for answer, _ in ranked), tuple(name for _, name in ranked if language)
    if decision is None or (decision.simulated and not simulated):  # no simulated adjudicator overrules people
        return Item(prompt_id, answers, simulated, "", language, annotators)
    return Item(prompt_id, answers, simulated or decision.simulated, decision.answer, language, annotators)


def _work(enough: int, method: str) -> Work:
    def verdicts(shard: list[Any]) -> Output:
        learnt = _learnt(shard, method)
        rows, rejects = [], []
        for item in shard:
            if not item.answers or len(item.answers) + bool(item.adjudicated) < enough:
                rejects.append(Reject(item.prompt_id, STEP, TOO_FEW, f"{len(item.answers)} of {enough}"))
                continue
            verdict, posterior, shared = learnt.get(item.prompt_id) or aggregation.judge(item.answers)
            if item.adjudicated:
                verdict = item.adjudicated if item.adjudicated in ("benign", "harmful") else "controversial"
            rows.append(Verdict(item.prompt_id, verdict, posterior, len(item.answers), shared, item.simulated))
        return Output(rows, rejects)

    return verdicts


def _learnt(found: list[Item], method: str) -> dict[str, tuple[str, float, float]]:
    """Verdict, P(harmful) and agreement of every item by a method that looks at all items of a language at once."""
    by_language: dict[str, list[Rating]] = defaultdict(list)
    for item in found if method != DEFAULT else ():
        by_language[item.language] += [Rating(item.prompt_id, annotator, answer)
                                       for annotator, answer in zip(item.annotators, item.answers, strict=True)]  # fmt: skip
    judged = {key: row for rows in by_language.values() for key, row in judge_all(method, rows).items()}
    return {key: (row.verdict, row.posterior, row.agreement) for key, row in judged.items()}
