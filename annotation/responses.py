"""Answers come back: new rows are appended, none is ever changed or removed.

Each pull compares the server with what is known and writes only new and changed answers, as one shard named by its
content; the manifest that lists all shards is rewritten last. A pull that is killed leaves at most a shard that nothing
lists, and the next pull writes the same one again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from annotation.accounts import is_simulated
from annotation.batches import QUESTION, is_ours
from curation.progress import progress_bar
from curation.records import ANSWERS, Prompt, Reject, Response, Triage, canonical
from curation.steps import Outcome
from curation.tables import Table, append_shard

if TYPE_CHECKING:
    from annotation.client import Client
    from curation.workspace import Workspace

STEP = "responses"
VERSION = 1
WITHDRAWN = "withdrawn"
_PROMPT_ID = re.compile(r"[0-9a-f]{16}\Z")


class Key(NamedTuple):
    """What an answer is an answer to, and whose it is."""

    prompt_id: str
    batch: str
    annotator: str


class Found(NamedTuple):
    """One annotator's work on one record, as the server has it."""

    key: Key
    status: str  # submitted, draft, discarded
    answer: str
    updated_at: str


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


def pull_responses(workspace: Workspace, client: Client) -> Outcome:
    """Append the answers that are new or changed; `computed` is the number of shards written now.

    An answer that its author took back no longer counts: a reject with reason `withdrawn` says so. What the server
    holds and no prompt or option explains is a reject with reason `unknown_record` or `unknown_answer`.
    """
    table, rejects = workspace.table(Response), workspace.rejects(STEP)
    known = History(table.rows([STEP]), rejects.rows([STEP]))
    fresh: list[Response] = []
    dropped: set[Reject] = set()
    for found in _work_on_server(workspace, client):
        if not _PROMPT_ID.match(found.key.prompt_id):
            if found.status == "submitted":
                dropped.add(_reject(found.key, "unknown_record", record=found.key.prompt_id[:80]))
        elif found.status != "submitted":
            if known.standing(found.key):
                dropped.add(_reject(found.key, WITHDRAWN, after=len(known.answers[found.key])))
        elif found.answer not in ANSWERS:
            dropped.add(_reject(found.key, "unknown_answer", answer=found.answer[:80]))
        elif (standing := known.standing(found.key)) is None or standing.answer != found.answer:
            fresh.append(Response(*found.key, found.answer, is_simulated(found.key.annotator), found.updated_at))
    # Rejects first: should this be killed in between, no answer counts that its author took back.
    news = sorted(dropped - known.rejects, key=lambda row: (row.prompt_id, row.reason, row.evidence))
    written = append_rows(rejects, news) + append_rows(table, sorted(fresh, key=_key_of))
    return Outcome(table.rows([STEP]), rejects.rows([STEP]), written)


class History:
    """All answers that were ever pulled, and which of them were taken back."""

    def __init__(self, responses: Iterable[Response], rejects: Iterable[Reject]) -> None:
        self.answers: dict[Key, list[Response]] = {}
        for row in responses:
            self.answers.setdefault(_key_of(row), []).append(row)
        self.rejects = set(rejects)
        self.withdrawn: set[tuple[Key, int]] = set()
        for reject in self.rejects:
            if reject.reason == WITHDRAWN:
                evidence = json.loads(reject.evidence)
                key = Key(reject.prompt_id, evidence["batch"], evidence["annotator"])
                self.withdrawn.add((key, evidence["after"]))

    def standing(self, key: Key) -> Response | None:
        """The latest answer under a key, unless it was taken back."""
        answers = self.answers.get(key, [])
        return answers[-1] if answers and (key, len(answers)) not in self.withdrawn else None


def standing_responses(workspace: Workspace) -> list[Response]:
    """The answers that count: the latest of each annotator on each record, without those taken back."""
    known = History(workspace.table(Response).rows([STEP]), workspace.rejects(STEP).rows([STEP]))
    return [row for key in known.answers if (row := known.standing(key)) is not None]


def append_rows(table: Table, rows: Sequence[Any]) -> int:
    """Append rows to what earlier pulls brought; returns the number of shards written."""
    return append_shard(table, STEP, VERSION, rows)


def _work_on_server(workspace: Workspace, client: Client) -> Iterator[Found]:
    """What every annotator did in this project's datasets, those of earlier triages included."""
    names = {user["id"]: name for name, user in client.users().items()}
    datasets = list(project_datasets(workspace, client))
    with progress_bar("pull", total=len(datasets)) as advance:
        for dataset, _, records in datasets:
            for record in records:
                for response in record.get("responses") or ():
                    user = response["user_id"]
                    if user not in names:
                        names[user] = client.user_name(user)
                    answer = ((response.get("values") or {}).get(QUESTION) or {}).get("value", "")
                    key = Key(_text(record["external_id"]), dataset["name"], _text(names[user]))
                    yield Found(key, response["status"], _text(answer), response["updated_at"])
            advance(1)


def project_datasets(
    workspace: Workspace, client: Client
) -> Iterator[tuple[dict[str, Any], str, list[dict[str, Any]]]]:
    """Each dataset that holds this project's prompts, its language, and its records (with responses).

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
            if dataset["status"] != "ready" or not is_ours(client, dataset):
                continue
            records = list(client.records(dataset["id"], responses=True))
            if name in named or any(record["external_id"] in prompts for record in records):
                yield dataset, language, records


def _text(value: object) -> str:
    """A server's value as text that a table can hold."""
    return str(value).encode("utf-8", "replace").decode("utf-8")


def _reject(key: Key, reason: str, **evidence: str | int) -> Reject:
    prompt_id = key.prompt_id if _PROMPT_ID.match(key.prompt_id) else ""
    return Reject(prompt_id, STEP, reason, canonical({"annotator": key.annotator, "batch": key.batch, **evidence}))


def _key_of(row: Response) -> Key:
    return Key(row.prompt_id, row.batch, row.annotator)
