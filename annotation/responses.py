"""Answers come back: new rows are appended, none is ever changed or removed.

Each pull compares the server with what is known and writes only new and changed answers, as one shard named by its
content; the manifest that lists all shards is rewritten last. A pull that is killed leaves at most a shard that nothing
lists, and the next pull writes the same one again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from annotation.accounts import is_simulated
from annotation.batches import is_ours
from annotation.history import FOLLOW_UPS, WITHDRAWN, Found, History, Key, content_of, key_of, text_of
from annotation.pulled import Pulled
from annotation.sessions.pulling import session_work
from curation.progress import progress_bar
from curation.records import ANSWERS, Prompt, Reject, Response, Triage, canonical
from curation.steps import Outcome
from curation.tables import Table, append_shard

if TYPE_CHECKING:
    from annotation.client import Client
    from curation.workspace import Workspace

STEP = "responses"
VERSION = 1
_PROMPT_ID = re.compile(r"[0-9a-f]{16}\Z")


def run_responses(workspace: Workspace, simulate: bool = False, *, client: Client | None = None) -> Outcome:
    """Pull the answers; `simulate` first lets simulated annotators answer what they have not."""
    from annotation.queue import connect
    from annotation.simulation import simulate as let_simulate

    if client is None:
        with connect(workspace) as own:
            return run_responses(workspace, simulate, client=own)
    if simulate:
        let_simulate(workspace, client)
    return pull_responses(workspace, client)


def pull_responses(workspace: Workspace, client: Client, *, everything: bool = False) -> Outcome:
    """Append the answers that are new or changed; `computed` is the number of shards written now.

    Datasets in which nothing happened since the last pull are not fetched again, unless `everything` is. An answer that
    its author took back no longer counts: a reject with reason `withdrawn` says so. What the server holds and nothing
    explains is a reject too: `unknown_record`, `unknown_answer`, and in sessions `not_planned` and `not_assigned`.
    """
    table, rejects = workspace.table(Response), workspace.rejects(STEP)
    pulled = Pulled(workspace, STEP, (table, rejects), everything=everything)
    known = History(table.rows([STEP]), rejects.rows([STEP]))
    names = {user["id"]: name for name, user in client.users().items()}
    fresh: list[Response] = []
    dropped: set[Reject] = set()
    work = (_queue_work, session_work)
    for found in (row for source in work for row in source(workspace, client, names, pulled)):
        if not _PROMPT_ID.match(found.key.prompt_id):
            if found.status == "submitted":
                dropped.add(_reject(found.key, "unknown_record", record=found.key.prompt_id[:80]))
        elif found.problem:
            if found.status == "submitted":
                dropped.add(_reject(found.key, found.problem))
        elif found.status != "submitted":
            if known.standing(found.key):
                dropped.add(_reject(found.key, WITHDRAWN, after=len(known.answers[found.key])))
        elif found.content.answer not in ANSWERS:
            dropped.add(_reject(found.key, "unknown_answer", answer=found.content.answer[:80]))
        else:
            row, problems = _response(found)
            dropped.update(problems)
            if not known.says(found.key, found.content._replace(**{name: getattr(row, name) for name in FOLLOW_UPS})):
                fresh.append(row)
    # Rejects first: should this be killed in between, no answer counts that its author took back.
    news = sorted(dropped - known.rejects, key=lambda row: (row.prompt_id, row.reason, row.evidence))
    written = append_rows(rejects, news) + append_rows(table, sorted(fresh, key=key_of))
    pulled.save()
    return Outcome(table.rows([STEP]), rejects.rows([STEP]), written)


def standing_responses(workspace: Workspace) -> list[Response]:
    """The answers that count: the latest of each annotator on each record, without those taken back."""
    known = History(workspace.table(Response).rows([STEP]), workspace.rejects(STEP).rows([STEP]))
    return [row for key in known.answers if (row := known.standing(key)) is not None]


def append_rows(table: Table, rows: Sequence[Any]) -> int:
    """Append rows to what earlier pulls brought; returns the number of shards written."""
    return append_shard(table, STEP, VERSION, rows)


def project_datasets(workspace: Workspace, client: Client) -> Iterator[tuple[dict[str, Any], str]]:
    """Each dataset of the queues that holds this project's prompts, and its language.

    A shared server may hold other people's datasets in the same workspaces: a dataset is the project's when triage or
    an earlier answer names it, or when one of its records is one of the project's prompts.
    """
    prompts = {row.id for row in workspace.table(Prompt).rows()}
    named = {row.batch for row in workspace.table(Triage).rows()} | {
        row.batch for row in workspace.table(Response).rows([STEP])
    }
    spaces = client.workspaces()
    for language in workspace.config.project.languages:
        for name, dataset in sorted((client.datasets(spaces[language]) if language in spaces else {}).items()):
            if dataset["status"] == "ready" and is_ours(client, dataset):
                records = client.records(dataset["id"])
                if name in named or any(record["external_id"] in prompts for record in records):
                    yield dataset, language


def _queue_work(workspace: Workspace, client: Client, names: dict[str, str], pulled: Pulled) -> Iterator[Found]:
    """What every annotator did in the queues, those of earlier triages included."""
    datasets = list(project_datasets(workspace, client))
    with progress_bar("pull", total=len(datasets)) as advance:
        for dataset, _ in datasets:
            records = () if pulled.unchanged(client, dataset) else client.records(dataset["id"], responses=True)
            for record in records:
                for response in record.get("responses") or ():
                    user = response["user_id"]
                    if user not in names:
                        names[user] = client.user_name(user)
                    key = Key(text_of(record["external_id"]), dataset["name"], text_of(names[user]))
                    yield Found(key, "", response["status"], content_of(response.get("values")), response["updated_at"])
            advance(1)


def _response(found: Found) -> tuple[Response, list[Reject]]:
    """The row of an answer; a follow-up that is no option is left out, with a reject that keeps it."""
    key, content, problems = found.key, found.content, []
    for name, options in FOLLOW_UPS.items():
        given = getattr(content, name)
        if given and given not in options:
            problems.append(_reject(key, f"unknown_{name}", answer=given[:80]))
            content = content._replace(**{name: ""})
    row = Response(*key, content.answer, is_simulated(key.annotator), found.updated_at, found.session, *content[1:])
    return row, problems


def _reject(key: Key, reason: str, **evidence: str | int) -> Reject:
    prompt_id = key.prompt_id if _PROMPT_ID.match(key.prompt_id) else ""
    return Reject(prompt_id, STEP, reason, canonical({"annotator": key.annotator, "batch": key.batch, **evidence}))
