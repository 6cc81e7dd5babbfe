"""Argilla is brought in line with a plan: accounts, workspaces, datasets, records. Doing it again sends nothing.

Everybody has a workspace of their own in each session, so that Argilla itself shows them their items and no others. The
external id of a record is the prompt's id; neither name nor metadata tells gold items from work.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from annotation.accounts import ensure_people
from annotation.batches import FIELD, QUESTION
from annotation.datasets import (
    Form,
    all_datasets,
    delete_records,
    ensure_workspace,
    put_records,
    set_guidelines,
    set_members,
    standing_dataset,
)
from annotation.display import displayable
from annotation.responses import standing_responses
from annotation.sessions.feedback import read_feedback
from annotation.sessions.form import REASONS_FIELD, form_of, reasons_shown
from annotation.sessions.plan import ADJUDICATION, OPEN, WORK, Place, Plan
from annotation.sessions.progress import practising, session_progress
from curation.errors import AnnotationError
from curation.progress import progress_bar
from curation.records import Prompt, Response

if TYPE_CHECKING:
    from annotation.client import Client
    from curation.workspace import Workspace

AGENT = "morbench"


class Pushed(NamedTuple):
    """What a push did at one place."""

    place: Place
    records: int
    sent: int
    removed: int


def push_session(workspace: Workspace, client: Client, plan: Plan) -> list[Pushed]:
    """Bring the server in line with the plan; work is held back from those whose practice is not complete."""
    prompts, now, ever = workspace.prompts(), plan.now(), plan.ever()
    users = ensure_people(workspace, client, plan.people())
    spaces, datasets = client.workspaces(), all_datasets(client)
    waiting = practising(plan, session_progress(client, plan))
    reasons = _reasons(workspace, plan)
    pushed = []
    with progress_bar(f"push {plan.name}", total=sum(map(len, now.values()))) as advance:
        for place, prompt_ids in now.items():
            name, space = plan.dataset(place), ensure_workspace(client, spaces, plan.space(place.annotator))
            _admit(client, space, users[place.annotator]["id"], plan.state == OPEN)
            known = datasets.get((space, name))
            advance(len(prompt_ids))
            if known is None and place.round == WORK and place[:2] in waiting:
                continue
            form = form_of(workspace.packs[place.language], place.round, read_feedback(workspace, plan, place))
            dataset, made = standing_dataset(client, known, space, name, form)
            set_guidelines(client, dataset, form.guidelines)
            present = {} if made else {str(row["external_id"]): row["id"] for row in client.records(dataset["id"])}
            missing = [_prompt(prompts, prompt_id) for prompt_id in prompt_ids if prompt_id not in present]
            suggested = _suggestions(client, plan, place, dataset["id"]) if missing else {}
            put_records(client, dataset["id"],
                        [_record(prompt, reasons.get(prompt.id, ""), suggested, form) for prompt in missing])  # fmt: skip
            gone = [key for key in sorted(ever[place].difference(prompt_ids)) if key in present]
            removed = _take_away(client, space, users[place.annotator]["id"], dataset["id"], gone, plan)
            pushed.append(Pushed(place, len(prompt_ids), len(missing), removed))
    return pushed


def set_open(workspace: Workspace, client: Client, plan: Plan, *, inside: bool) -> None:
    """Let everybody see their workspace of this session, or nobody: their answers stay."""
    users, spaces = client.users(), client.workspaces()
    for person in plan.people():
        if person in users and plan.space(person) in spaces:
            _admit(client, spaces[plan.space(person)], users[person]["id"], inside)


def _admit(client: Client, space: str, user_id: str, inside: bool) -> None:
    members = [row["id"] for row in client.items(f"/api/v1/workspaces/{space}/users")]
    set_members(client, space, members, {user_id: inside})


def _take_away(client: Client, space: str, user_id: str, dataset_id: str, gone: Sequence[str], plan: Plan) -> int:
    """Remove records that went to others, except where there is an answer, of whatever status.

    Their annotator is shut out meanwhile: nobody can answer between the look and the removal.
    """
    if not gone:
        return 0
    unanswered = _unanswered(client, dataset_id, gone)
    if not unanswered:
        return 0
    _admit(client, space, user_id, False)
    try:
        return delete_records(client, dataset_id, _unanswered(client, dataset_id, gone))
    finally:
        _admit(client, space, user_id, plan.state == OPEN)


def _unanswered(client: Client, dataset_id: str, prompt_ids: Sequence[str]) -> list[str]:
    records = client.records(dataset_id, responses=True)
    return [row["id"] for row in records if row["external_id"] in set(prompt_ids) and not row.get("responses")]


def _record(prompt: Prompt, reasons: str, suggested: Mapping[str, Any], form: Form) -> dict[str, Any]:
    fields = {FIELD: displayable(prompt.text)}
    if reasons and any(field["name"] == REASONS_FIELD for field in form.fields):
        fields[REASONS_FIELD] = reasons
    record: dict[str, Any] = {"external_id": prompt.id, "fields": fields}
    if prompt.id in suggested:
        record["suggestions"] = [suggested[prompt.id]]
    return record


def _suggestions(client: Client, plan: Plan, place: Place, dataset_id: str) -> dict[str, dict[str, Any]]:
    """The suggestions of a pre-annotated session that this person is shown, by prompt id."""
    shown = plan.shown().get(place, frozenset())
    if not shown:
        return {}
    rows = client.items(f"/api/v1/datasets/{dataset_id}/questions")
    question = next(row["id"] for row in rows if row["name"] == QUESTION)
    answers = plan.suggestions()
    return {key: {"question_id": question, "type": "model", "agent": AGENT, "value": answers[key]} for key in shown}


def _reasons(workspace: Workspace, plan: Plan) -> dict[str, str]:
    """What adjudicators are shown beside each prompt that is theirs to decide."""
    wanted = {key: place.language for place, keys in plan.now().items() if place.round == ADJUDICATION for key in keys}
    rows: dict[str, list[Response]] = defaultdict(list)
    for row in standing_responses(workspace) if wanted else ():
        if row.prompt_id in wanted and row.session == plan.name:
            rows[row.prompt_id].append(row)
    work = {place.language: plan.dataset(place) for place in plan.now() if place.round == WORK}
    return {key: reasons_shown(workspace.packs[language],
                               [row for row in rows[key] if row.batch == work.get(language)], key)
            for key, language in wanted.items()}  # fmt: skip


def _prompt(prompts: Mapping[str, Prompt], prompt_id: str) -> Prompt:
    if prompt_id not in prompts:
        raise AnnotationError(
            f"the plan names the prompt {prompt_id}, which the project does not have",
            fix="restore the project's prompts/ folder from a backup",
        )
    return prompts[prompt_id]
