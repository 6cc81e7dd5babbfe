"""Answers of sessions: the plan says whose answers to what belong to which session; nothing else is taken for one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from annotation.datasets import all_datasets
from annotation.history import Found, Key, content_of, text_of
from annotation.sessions.plan import CLOSED, all_plans, dataset_of
from curation.progress import progress_bar

if TYPE_CHECKING:
    from annotation.client import Client
    from annotation.pulled import Pulled
    from curation.workspace import Workspace

NOT_ASSIGNED = "not_assigned"  # somebody answered in another person's dataset
NOT_PLANNED = "not_planned"  # a record that no revision of the plan put there


def session_work(workspace: Workspace, client: Client, names: dict[str, str], pulled: Pulled) -> Iterator[Found]:
    """What people did in every session that is not closed: a closed one was gathered when it was closed."""
    plans = [plan for plan in all_plans(workspace) if plan.state != CLOSED]
    if not plans:
        return
    spaces, datasets = client.workspaces(), all_datasets(client)
    places = [(plan, place, planned) for plan in plans for place, planned in plan.ever().items()]
    with progress_bar("pull sessions", total=len(places)) as advance:
        for plan, place, planned in places:
            advance(1)
            name = plan.dataset(place)
            dataset = dataset_of(plan, place, spaces, datasets)
            if dataset is None or pulled.unchanged(client, dataset, salt=str(len(plan.revisions))):
                continue
            for record in client.records(dataset["id"], responses=True):
                prompt_id = text_of(record["external_id"])
                for response in record.get("responses") or ():
                    user = response["user_id"]
                    if user not in names:
                        names[user] = client.user_name(user)
                    problem = "" if prompt_id in planned else NOT_PLANNED
                    if names[user] != place.annotator:
                        problem = NOT_ASSIGNED
                    yield Found(Key(prompt_id, name, text_of(names[user])), plan.name, response["status"],
                                content_of(response.get("values")), response["updated_at"], problem)  # fmt: skip
