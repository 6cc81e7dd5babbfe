"""Verdicts: the answers that stand, aggregated per prompt; disagreement is kept, too few answers are a reject."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from annotation import aggregation
from annotation.responses import standing_responses
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


def run_verdicts(workspace: Workspace) -> Outcome:
    """A verdict for each prompt with queue.min_responses answers or more; the others are rejects.

    One person counts once a prompt, with the latest answer. Where people alone gave enough answers, simulated ones do
    not count.
    """
    enough = workspace.config.queue.min_responses
    queued = [row.prompt_id for row in workspace.table(Triage).rows() if row.batch]
    settings = {"min_responses": enough, "accuracy": aggregation.ACCURACY, "prior": aggregation.PRIOR,
                "low": aggregation.LOW, "high": aggregation.HIGH}  # fmt: skip
    step = Step(STEP, 1, settings, lambda: _work(enough), title="verdicts")
    return workspace.run(step, list(items(standing_responses(workspace), queued, enough)), Verdict)


def items(responses: Iterable[Response], queued: Iterable[str], enough: int) -> list[Item]:
    """Each queued or answered prompt with its answers, by id."""
    latest: dict[str, dict[str, Response]] = {prompt_id: {} for prompt_id in queued}
    for row in responses:  # one annotator may meet a prompt in two batches: the later answer counts
        mine = latest.setdefault(row.prompt_id, {})
        if row.annotator not in mine or mine[row.annotator].answered_at <= row.answered_at:
            mine[row.annotator] = row
    return [_item(prompt_id, list(latest[prompt_id].values()), enough) for prompt_id in sorted(latest)]


def _item(prompt_id: str, rows: list[Response], enough: int) -> Item:
    people = [row for row in rows if not row.simulated]
    counted = people if len(people) >= enough else rows
    return Item(prompt_id, tuple(sorted(row.answer for row in counted)), any(row.simulated for row in counted))


def _work(enough: int) -> Work:
    def verdicts(shard: list[Any]) -> Output:
        rows, rejects = [], []
        for item in shard:
            if len(item.answers) < enough:
                rejects.append(Reject(item.prompt_id, STEP, TOO_FEW, f"{len(item.answers)} of {enough}"))
                continue
            verdict, posterior, shared = aggregation.judge(item.answers)
            rows.append(Verdict(item.prompt_id, verdict, posterior, len(item.answers), shared, item.simulated))
        return Output(rows, rejects)

    return verdicts
