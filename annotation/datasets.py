"""Argilla's datasets over REST: made whole or not at all, records sent and taken away in calls of what a server takes.

These few calls are the same on every Argilla since 2.8, and say exactly what is sent; batches.py makes its datasets with
the SDK instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from curation.errors import AnnotationError

if TYPE_CHECKING:
    from annotation.client import Client

RECORDS_A_CALL = 500  # the server's limits: for sending
DELETED_A_CALL = 100  # and for taking away
LONGEST_CALL = 600.0  # seconds: a busy server without our speed takes minutes for that many


class Form(NamedTuple):
    """What a dataset asks: guidelines, fields and questions as Argilla's API takes them."""

    guidelines: str
    fields: Sequence[Mapping[str, Any]]
    questions: Sequence[Mapping[str, Any]]


def make_dataset(client: Client, workspace_id: str, name: str, form: Form, needed: int = 1) -> dict[str, Any]:
    """Make and publish a dataset; killed half-way, it stays a draft that nobody can answer."""
    body = {"name": name, "workspace_id": workspace_id, "guidelines": form.guidelines, "allow_extra_metadata": False,
            "distribution": {"strategy": "overlap", "min_submitted": needed}}  # fmt: skip
    dataset: dict[str, Any] = client.json("POST", "/api/v1/datasets", json=body)
    base = f"/api/v1/datasets/{dataset['id']}"
    for kind, parts in (("fields", form.fields), ("questions", form.questions)):
        for part in parts:
            client.request("POST", f"{base}/{kind}", json=dict(part))
    return dict(client.json("PUT", f"{base}/publish"))


def standing_dataset(
    client: Client, known: Mapping[str, Any] | None, workspace_id: str, name: str, form: Form
) -> tuple[dict[str, Any], bool]:
    """The dataset of this name, made if need be, and whether it was made now; one of another layout is refused."""
    if known is not None and known["status"] != "ready":  # killed while it was made, before anybody could answer
        client.request("DELETE", f"/api/v1/datasets/{known['id']}", accept=(404,))
        known = None
    if known is None:
        return make_dataset(client, workspace_id, name, form), True
    base = f"/api/v1/datasets/{known['id']}"
    for kind, parts in (("fields", form.fields), ("questions", form.questions)):
        if [row["name"] for row in client.items(f"{base}/{kind}")] != [part["name"] for part in parts]:
            raise AnnotationError(
                f"the dataset {name!r} on {client.url} was not made by morbench",
                fix="rename or delete it in Argilla, then run this again",
            )
    return dict(known), False


def set_guidelines(client: Client, dataset: Mapping[str, Any], guidelines: str) -> None:
    """Bring changed guidelines to a dataset that is there."""
    if dataset.get("guidelines") != guidelines:
        client.request("PATCH", f"/api/v1/datasets/{dataset['id']}", json={"guidelines": guidelines})


def put_records(client: Client, dataset_id: str, records: Sequence[Mapping[str, Any]]) -> int:
    """Send records; one whose external id is there already is replaced, never doubled."""
    for start in range(0, len(records), RECORDS_A_CALL):
        part = [dict(record) for record in records[start : start + RECORDS_A_CALL]]
        client.request("PUT", f"/api/v1/datasets/{dataset_id}/records/bulk", json={"items": part}, timeout=LONGEST_CALL)
    return len(records)


def delete_records(client: Client, dataset_id: str, record_ids: Sequence[str]) -> int:
    """Take records away, with whatever answers they have: the caller makes sure that they have none."""
    for start in range(0, len(record_ids), DELETED_A_CALL):
        part = ",".join(record_ids[start : start + DELETED_A_CALL])
        client.request("DELETE", f"/api/v1/datasets/{dataset_id}/records", params={"ids": part}, timeout=LONGEST_CALL)
    return len(record_ids)


def all_datasets(client: Client) -> dict[tuple[str, str], dict[str, Any]]:
    """Every dataset of the server by (workspace id, name), in one request."""
    return {(row["workspace_id"], row["name"]): row for row in client.items("/api/v1/me/datasets")}


def users_progress(client: Client, dataset_id: str) -> dict[str, dict[str, int]]:
    """How many records each user submitted, discarded or left as a draft: username -> status -> records."""
    found: dict[str, dict[str, int]] = {}
    for row in client.get(f"/api/v1/datasets/{dataset_id}/users/progress")["users"]:
        counts = found.setdefault(row["username"], {})
        for part in ("completed", "pending"):
            for status, count in (row.get(part) or {}).items():
                counts[status] = counts.get(status, 0) + count
    return found


def ensure_workspace(client: Client, spaces: dict[str, str], name: str) -> str:
    """The id of a workspace, made if need be; `spaces` learns it."""
    if name not in spaces:
        spaces[name] = client.json("POST", "/api/v1/workspaces", json={"name": name})["id"]
    return spaces[name]


def set_members(client: Client, workspace_id: str, present: Iterable[str], wanted: Mapping[str, bool]) -> None:
    """Let each user (id -> whether) see a workspace or not; users that are not named stay as they are."""
    base, there = f"/api/v1/workspaces/{workspace_id}/users", set(present)
    for user_id, inside in wanted.items():
        if inside and user_id not in there:
            client.request("POST", base, json={"user_id": user_id}, accept=(409,))
        elif not inside and user_id in there:
            client.request("DELETE", f"{base}/{user_id}", accept=(404,))
