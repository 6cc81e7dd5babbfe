"""Batches: what triage chose becomes one small Argilla dataset a language and batch. Pushing twice sends nothing twice.

No suggestion goes along (Argilla saves an untouched suggestion as the person's answer), and no metadata (annotators can
filter by what they cannot see). A record is known by its external id, the prompt's id; its text is never read back.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from annotation.accounts import is_simulated
from annotation.display import displayable
from annotation.sdk import sdk_session
from curation.errors import AnnotationError
from curation.progress import progress_bar
from curation.records import ANSWERS, Prompt, Triage, digest
from curation.tables import append_shard
from curation.workspace import QUEUED

if TYPE_CHECKING:
    import argilla

    from annotation.client import Client
    from curation.languages.packs import Pack
    from curation.workspace import Workspace

FIELD = "prompt"
QUESTION = "judgement"
NOTE = "note"
LONGEST_GUIDELINES = 10_000  # Argilla's limits
LONGEST_TITLE = 500
RECORDS_A_REQUEST = 100


@dataclasses.dataclass(frozen=True)
class Pushed:
    """What a push did with one batch."""

    batch: str
    language: str
    records: int  # in the batch
    sent: int  # by this push
    created: bool  # the dataset was made by this push


def keep_queued(workspace: Workspace) -> int:
    """Keep the prompts that people are asked about among the project's prompts, whatever later runs generate.

    Without this, other settings or a new model would leave answers to prompts that the project no longer has.
    """
    batches = planned_batches(workspace)
    return keep_prompts(workspace, [row for key in batches for row in batches[key]])


def keep_prompts(workspace: Workspace, prompts: Iterable[Prompt]) -> int:
    """Keep these prompts for good; returns the number of shards written."""
    table = workspace.table(Prompt)
    kept = {row.id for row in table.rows((QUEUED,))}
    fresh = {row.id: row for row in prompts if row.id not in kept}
    return append_shard(table, QUEUED, 1, [fresh[key] for key in sorted(fresh)])


def planned_batches(workspace: Workspace) -> dict[tuple[str, str], list[Prompt]]:
    """The prompts of each (language, batch) that triage chose, in the order they are sent."""
    prompts = workspace.prompts()
    found: dict[tuple[str, str], list[Prompt]] = defaultdict(list)
    for row in workspace.table(Triage).rows():
        if not row.batch:
            continue
        if row.prompt_id not in prompts:
            raise AnnotationError(
                f"triage names the prompt {row.prompt_id}, which the project does not have",
                fix="run `morbench run` again, so that triage sees today's prompts",
            )
        prompt = prompts[row.prompt_id]
        if prompt.language in workspace.packs:
            found[prompt.language, row.batch].append(prompt)
    return {key: sending_order(found[key], key[1], workspace.config.project.seed) for key in sorted(found)}


def sending_order(prompts: list[Prompt], batch: str, seed: int) -> list[Prompt]:
    """A shuffle that depends on seed, batch and ids alone, so that controls and harmful contrasts are not grouped."""
    unique = {prompt.id: prompt for prompt in prompts}
    return sorted(unique.values(), key=lambda prompt: digest("order", str(seed), batch, prompt.id))


def push_batches(workspace: Workspace, client: Client) -> list[Pushed]:
    """Make the datasets that are missing and send the records that are missing; workspaces must be there."""
    plan = planned_batches(workspace)
    spaces = client.workspaces()
    pushed = []
    with progress_bar("push", total=sum(map(len, plan.values()))) as advance:
        for (language, batch), prompts in plan.items():
            if language not in spaces:
                raise AnnotationError(
                    f"{client.url} has no workspace {language!r}", fix="run `morbench annotate users` first"
                )
            needed = needed_answers(workspace, client, spaces[language])
            known = client.datasets(spaces[language]).get(batch)
            if known is not None and known["status"] != "ready":  # a push was killed before anybody could answer
                client.request("DELETE", f"/api/v1/datasets/{known['id']}", accept=(404,))
                known = None
            present: set[str] = set()
            if known is not None:
                check_layout(client, known)
                refresh(client, known, needed, guidelines_of(workspace.packs[language]))
                present = {str(row["external_id"]) for row in client.records(known["id"])}
            missing = [prompt for prompt in prompts if prompt.id not in present]
            if known is None or missing:
                settings = functools.partial(batch_settings, workspace.packs[language], needed)
                _send(client, language, batch, None if known is None else known["id"], settings, missing)
            advance(len(prompts))
            pushed.append(Pushed(batch, language, len(prompts), len(missing), known is None))
    return pushed


def guidelines_of(pack: Pack) -> str:
    """The pack's title and guidelines, in Argilla's markdown."""
    return f"## {pack.title}\n\n{pack.guidelines.strip()}"


def check_layout(client: Client, dataset: dict[str, Any]) -> None:
    """Refuse a dataset of the same name that is not one of ours."""
    if not is_ours(client, dataset):
        raise AnnotationError(f"the dataset {dataset['name']!r} on {client.url} was not made by morbench",
                              fix="rename or delete it in Argilla, then push again")  # fmt: skip


def is_ours(client: Client, dataset: dict[str, Any]) -> bool:
    """Whether a dataset has the field, the question and the four answers of a batch."""
    base = f"/api/v1/datasets/{dataset['id']}"
    if [row["name"] for row in client.items(f"{base}/fields")] != [FIELD]:
        return False
    for row in client.items(f"{base}/questions"):
        if row["name"] == QUESTION:
            return {option["value"] for option in row["settings"].get("options", ())} == set(ANSWERS)
    return False


def needed_answers(workspace: Workspace, client: Client, workspace_id: str) -> int:
    """How many answers Argilla waits for before it takes a record out of people's queues.

    Simulated annotators answer every record, so their number is added: they never take work away from people.
    """
    members = client.items(f"/api/v1/workspaces/{workspace_id}/users")
    return workspace.config.queue.min_responses + sum(is_simulated(row["username"]) for row in members)


def refresh(client: Client, dataset: dict[str, Any], needed: int, guidelines: str | None = None) -> None:
    """Bring changed guidelines or a changed number of answers to a dataset that is there; answers stay."""
    wanted: dict[str, Any] = {"distribution": {"strategy": "overlap", "min_submitted": needed}}
    if guidelines is not None:
        wanted["guidelines"] = guidelines
    changed = {key: value for key, value in wanted.items() if dataset.get(key) != value}
    if changed:
        client.request("PATCH", f"/api/v1/datasets/{dataset['id']}", json=changed)


def _send(
    client: Client,
    language: str,
    batch: str,
    known: str | None,
    settings: Callable[[], argilla.Settings],
    prompts: list[Prompt],
) -> None:
    """Make the dataset where there is none, and log the records."""
    with sdk_session(client) as sdk:
        import argilla as rg

        if known is None:
            dataset = rg.Dataset(name=batch, workspace=language, settings=settings(), client=sdk).create()
        else:
            dataset = sdk.datasets(id=known).get()  # without get() it knows no fields
        for start in range(0, len(prompts), RECORDS_A_REQUEST):
            part = prompts[start : start + RECORDS_A_REQUEST]
            dataset.records.log([rg.Record(id=prompt.id, fields={FIELD: displayable(prompt.text)}) for prompt in part],
                                batch_size=len(part))  # fmt: skip


def batch_settings(pack: Pack, needed: int) -> argilla.Settings:
    """The form that people fill in: the pack's question with four answers, and an optional note."""
    import argilla as rg

    guidelines = guidelines_of(pack)
    if len(guidelines) > LONGEST_GUIDELINES:
        raise AnnotationError(
            f"the guidelines of the language pack {pack.code!r} have {len(guidelines)} characters, Argilla takes "
            f"{LONGEST_GUIDELINES}",
            fix="shorten [annotation] guidelines",
        )
    for text in (pack.question, *pack.options.values()):
        if len(text) > LONGEST_TITLE:
            raise AnnotationError(
                f"the language pack {pack.code!r} has a question or option of {len(text)} characters, Argilla "
                f"takes {LONGEST_TITLE}",
                fix="shorten it in [annotation]",
            )
    return rg.Settings(
        guidelines=guidelines,
        fields=[rg.TextField(name=FIELD, title=pack.native_name, use_markdown=False, required=True)],
        questions=[
            rg.LabelQuestion(
                name=QUESTION, title=pack.question, labels={answer: pack.options[answer] for answer in ANSWERS}
            ),
            rg.TextQuestion(name=NOTE, title="✎", required=False),
        ],
        distribution=rg.TaskDistribution(min_submitted=needed),
        allow_extra_metadata=False,
    )
