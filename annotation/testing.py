"""A small Argilla in memory, spoken to over the same HTTP paths: for tests here and in projects that use morbench.

    fake = FakeArgilla()
    with fake.client() as client:
        push_batches(workspace, client)

It knows what this package and the argilla SDK ask for, checks what Argilla checks (roles, duplicates, options), and
nothing else. `fail_after(n)` cuts the line after n more requests, as a killed server does.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from annotation.client import Client

if TYPE_CHECKING:
    import httpx

URL = "http://argilla.test"
Row = dict[str, Any]


class Refusal(Exception):
    """The fake answers with an error status."""

    def __init__(self, status: int, detail: str = "") -> None:
        super().__init__(detail)
        self.status = status


class FakeArgilla:
    """An Argilla server without a server."""

    def __init__(self, version: str = "2.8.0", api_key: str = "owner.key") -> None:
        self.version = version
        self.users: dict[str, Row] = {}
        self.workspaces: dict[str, Row] = {}
        self.members: dict[str, list[str]] = {}
        self.datasets: dict[str, Row] = {}
        self.parts: dict[str, dict[str, list[Row]]] = {}  # dataset -> fields, questions
        self.records: dict[str, dict[str, Row]] = {}  # dataset -> records by external id
        self.responses: dict[tuple[str, str], Row] = {}  # (record, user)
        self.requests: list[tuple[str, str]] = []
        self._passwords: dict[str, str] = {}
        self._tick = 0
        self._left: int | None = None
        self.add_user("owner", "owner", "owner-password", api_key)

    def client(self, **options: Any) -> Client:
        """A client of this server; `server="embedded"` makes it the project's own."""
        key = options.pop("api_key", next(user["api_key"] for user in self.users.values() if user["role"] == "owner"))
        return Client(URL, key, transport=self.transport(), **options)

    def transport(self) -> httpx.BaseTransport:
        """What takes the place of the network."""
        import httpx

        return httpx.MockTransport(self.handle)

    def fail_after(self, requests: int | None) -> None:
        """Answer this many requests more, then none; None mends the line."""
        self._left = requests

    def add_user(self, username: str, role: str, password: str, api_key: str = "") -> Row:
        """Make a user behind the API's back."""
        if any(user["username"] == username for user in self.users.values()):
            raise Refusal(409, f"User username `{username}` is not unique")
        user = self._row(
            username=username, first_name=username, last_name=None, role=role, api_key=api_key or uuid.uuid4().hex
        )
        self.users[user["id"]] = user
        self._passwords[user["id"]] = password
        return user

    def answer(
        self, username: str, external_id: str, value: str, status: str = "submitted", dataset: str = "", **more: str
    ) -> None:
        """Let a user answer, change or discard an answer, as people do in the browser; `more` answers other questions.

        Where several datasets hold the record, the first that the user can see is meant, or the one of the given name.
        """
        user = next(row for row in self.users.values() if row["username"] == username)
        seen = [key for key, row in self.datasets.items()
                if user["id"] in self.members[row["workspace_id"]] and dataset in ("", row["name"])]  # fmt: skip
        key = next(key for key in seen if external_id in self.records[key])
        values = {name: {"value": given} for name, given in {"judgement": value, **more}.items()}
        self._keep_response(key, self.records[key][external_id]["id"], user["id"], {"values": values, "status": status})

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        import httpx

        if self._left is not None:
            if self._left <= 0:
                raise httpx.ConnectError("the line is cut", request=request)
            self._left -= 1
        path = request.url.path
        self.requests.append((request.method, path))
        for method, pattern, answer in self._routes():
            if method == request.method and (match := re.fullmatch(pattern, path)):
                try:
                    user = None if path in ("/api/v1/token", "/api/v1/version") else self._user(request)
                    body, status = answer(request, user, *match.groups())
                    # ASCII, so that a lone surrogate reaches the client as it does from a real server.
                    kind = {"content-type": "application/json"}
                    return httpx.Response(status, content=json.dumps(body), headers=kind)
                except Refusal as refusal:
                    return httpx.Response(refusal.status, json={"detail": str(refusal)})
        return httpx.Response(404, json={"detail": f"no route {request.method} {path}"})

    def _routes(self) -> list[tuple[str, str, Callable[..., tuple[Any, int]]]]:
        one = "/([^/]+)"
        datasets = f"/api/v1/datasets{one}"
        return [
            ("GET", "/api/v1/version", lambda request, user: ({"version": self.version}, 200)),
            ("GET", "/api/v1/me", lambda request, user: (user, 200)),
            ("POST", "/api/v1/token", self._token),
            ("GET", "/api/v1/users", self._owner(lambda request: ({"items": list(self.users.values())}, 200))),
            ("POST", "/api/v1/users", self._owner(self._create_user)),
            ("GET", f"/api/v1/users{one}", self._owner(lambda request, key: (_get(self.users, key), 200))),
            ("PATCH", f"/api/v1/users{one}", self._owner(self._patch_user)),
            ("GET", "/api/v1/me/workspaces", lambda request, user: ({"items": list(self.workspaces.values())}, 200)),
            ("POST", "/api/v1/workspaces", self._owner(self._create_workspace)),
            ("GET", f"/api/v1/workspaces{one}", self._owner(lambda request, key: (_get(self.workspaces, key), 200))),
            ("GET", f"/api/v1/workspaces{one}/users", self._owner(self._list_members)),
            ("POST", f"/api/v1/workspaces{one}/users", self._owner(self._add_member)),
            ("DELETE", f"/api/v1/workspaces{one}/users{one}", self._owner(self._remove_member)),
            ("GET", "/api/v1/me/datasets", self._list_datasets),
            ("POST", "/api/v1/datasets", self._owner(self._create_dataset)),
            ("GET", datasets, self._owner(lambda request, key: (_get(self.datasets, key), 200))),
            ("PATCH", datasets, self._owner(self._patch_dataset)),
            ("DELETE", datasets, self._owner(lambda request, key: (self.datasets.pop(key), 200))),
            ("PUT", f"{datasets}/publish", self._owner(self._publish)),
            ("GET", f"{datasets}/(fields|questions)", self._owner(self._list_parts)),
            ("POST", f"{datasets}/(fields|questions)", self._owner(self._create_part)),
            ("GET", f"{datasets}/vectors-settings", self._owner(lambda request, key: ({"items": []}, 200))),
            (
                "GET",
                f"/api/v1/me/datasets{one}/metadata-properties",
                self._owner(lambda request, key: ({"items": []}, 200)),
            ),
            ("GET", f"{datasets}/records", self._owner(self._list_records)),
            ("DELETE", f"{datasets}/records", self._owner(self._delete_records)),
            ("PUT", f"{datasets}/records/bulk", self._owner(self._upsert_records)),
            ("GET", f"{datasets}/users/progress", self._owner(self._users_progress)),
            ("POST", "/api/v1/me/responses/bulk", self._respond),
        ]

    def _user(self, request: httpx.Request) -> Row:
        key, token = request.headers.get("x-argilla-api-key"), request.headers.get("authorization", "")
        for user in self.users.values():
            if key == user["api_key"] or token == f"Bearer token-of-{user['id']}":
                return user
        raise Refusal(401, "Unauthorized")

    @staticmethod
    def _owner(answer: Callable[..., tuple[Any, int]]) -> Callable[..., tuple[Any, int]]:
        def checked(request: httpx.Request, user: Row, *parts: str) -> tuple[Any, int]:
            if user["role"] != "owner":
                raise Refusal(403, "Operation not allowed")
            return answer(request, *parts)

        return checked

    def _row(self, **values: Any) -> Row:
        self._tick += 1
        now = f"2026-01-01T{self._tick // 3600 % 24:02}:{self._tick // 60 % 60:02}:{self._tick % 60:02}.000000"
        return {"id": str(uuid.UUID(int=self._tick)), **values, "inserted_at": now, "updated_at": now}

    def _token(self, request: httpx.Request, _: None) -> tuple[Any, int]:
        form = {key: values[0] for key, values in parse_qs(request.content.decode()).items()}
        for key, user in self.users.items():
            if user["username"] == form["username"] and self._passwords[key] == form["password"]:
                return {"access_token": f"token-of-{key}", "token_type": "bearer"}, 201
        raise Refusal(401, "Unauthorized")

    def _create_user(self, request: httpx.Request) -> tuple[Any, int]:
        body = json.loads(request.content)
        if len(body["password"]) < 8:
            raise Refusal(422, "password too short")
        return self.add_user(body["username"], body["role"], body["password"]), 201

    def _patch_user(self, request: httpx.Request, key: str) -> tuple[Any, int]:
        user = _get(self.users, key)
        self._passwords[key] = json.loads(request.content)["password"]
        return user, 200

    def _create_workspace(self, request: httpx.Request) -> tuple[Any, int]:
        name = json.loads(request.content)["name"]
        if any(row["name"] == name for row in self.workspaces.values()):
            raise Refusal(409, f"Workspace name `{name}` is not unique")
        made = self._row(name=name)
        self.workspaces[made["id"]] = made
        self.members[made["id"]] = []
        return made, 201

    def _list_members(self, request: httpx.Request, key: str) -> tuple[Any, int]:
        return {"items": [self.users[user] for user in _get(self.members, key)]}, 200

    def _add_member(self, request: httpx.Request, key: str) -> tuple[Any, int]:
        user = json.loads(request.content)["user_id"]
        if user in _get(self.members, key):
            raise Refusal(409, "not unique")
        self.members[key].append(user)
        return self.users[user], 201

    def _remove_member(self, request: httpx.Request, key: str, user: str) -> tuple[Any, int]:
        if user not in _get(self.members, key):
            raise Refusal(404, "not a member")
        self.members[key].remove(user)
        return self.users[user], 200

    def _list_datasets(self, request: httpx.Request, user: Row) -> tuple[Any, int]:
        wanted = request.url.params.get("workspace_id")
        mine = {key for key, members in self.members.items() if user["role"] == "owner" or user["id"] in members}
        rows = [row for row in self.datasets.values() if row["workspace_id"] in mine]
        return {"items": [row for row in rows if wanted in (None, row["workspace_id"])]}, 200

    def _create_dataset(self, request: httpx.Request) -> tuple[Any, int]:
        body = json.loads(request.content)
        if any(
            (row["name"], row["workspace_id"]) == (body["name"], body["workspace_id"]) for row in self.datasets.values()
        ):
            raise Refusal(409, "Dataset is not unique")
        made = self._row(**{"guidelines": None, "distribution": None, "allow_extra_metadata": True, **body})
        made["status"] = "draft"
        made["last_activity_at"] = made["updated_at"]
        self.datasets[made["id"]] = made
        self.parts[made["id"]] = {"fields": [], "questions": []}
        self.records[made["id"]] = {}
        return made, 201

    def _patch_dataset(self, request: httpx.Request, key: str) -> tuple[Any, int]:
        body = json.loads(request.content)
        kept = ("guidelines", "distribution", "allow_extra_metadata")
        _get(self.datasets, key).update({name: body[name] for name in kept if name in body})
        return self.datasets[key], 200

    def _publish(self, request: httpx.Request, key: str) -> tuple[Any, int]:
        _get(self.datasets, key)["status"] = "ready"
        return self.datasets[key], 200

    def _list_parts(self, request: httpx.Request, key: str, kind: str) -> tuple[Any, int]:
        return {"items": _get(self.parts, key)[kind]}, 200

    def _create_part(self, request: httpx.Request, key: str, kind: str) -> tuple[Any, int]:
        body = json.loads(request.content)
        made = self._row(**{**{name: value for name, value in body.items() if value is not None}, "dataset_id": key})
        self.parts[key][kind].append(made)
        return made, 201

    def _list_records(self, request: httpx.Request, key: str) -> tuple[Any, int]:
        offset, limit = (int(request.url.params[name]) for name in ("offset", "limit"))
        rows = list(_get(self.records, key).values())
        page = [dict(row) for row in rows[offset : offset + limit]]
        if "responses" in request.url.params.get_list("include"):
            for row in page:
                row["responses"] = [given for (record, _), given in self.responses.items() if record == row["id"]]
        return {"items": page, "total": len(rows)}, 200

    def _delete_records(self, request: httpx.Request, key: str) -> tuple[Any, int]:
        gone = request.url.params["ids"].split(",")
        if len(gone) > 100:
            raise Refusal(422, "Cannot delete more than 100 records at once")
        rows = _get(self.records, key)
        self.records[key] = {name: row for name, row in rows.items() if row["id"] not in gone}
        self.responses = {pair: row for pair, row in self.responses.items() if pair[0] not in gone}
        return {}, 204

    def _users_progress(self, request: httpx.Request, key: str) -> tuple[Any, int]:
        ids = {row["id"] for row in _get(self.records, key).values()}
        counts: dict[str, dict[str, int]] = {}
        for (record, user), row in self.responses.items():
            if record in ids:
                mine = counts.setdefault(self.users[user]["username"], {})
                mine[row["status"]] = mine.get(row["status"], 0) + 1
        return {"users": [{"username": name, "completed": mine} for name, mine in counts.items()]}, 200

    def _upsert_records(self, request: httpx.Request, key: str) -> tuple[Any, int]:
        if _get(self.datasets, key)["status"] != "ready":
            raise Refusal(422, "records cannot be created for a non published dataset")
        made, updated = [], []
        items = json.loads(request.content)["items"]
        if not 1 <= len(items) <= 500:
            raise Refusal(422, "List should have from 1 to 500 items")
        for item in items:
            known = self.records[key].get(item["external_id"])
            if known:
                updated.append(known["id"])
            row = known or self._row(dataset_id=key, external_id=item["external_id"], status="pending", metadata={})
            row["fields"] = item["fields"]
            row["sent"] = item  # everything that came along, for tests to look at
            self.records[key][item["external_id"]] = row
            made.append({name: value for name, value in row.items() if name != "sent"})
        return {"items": made, "updated_item_ids": updated}, 200

    def _respond(self, request: httpx.Request, user: Row) -> tuple[Any, int]:
        done = []
        for item in json.loads(request.content)["items"]:
            try:
                done.append({"item": self._upsert_response(user, item), "error": None})
            except Refusal as refusal:
                done.append({"item": None, "error": {"detail": str(refusal)}})
        return {"items": done}, 200

    def _upsert_response(self, user: Row, item: Row) -> Row:
        record = item["record_id"]
        dataset = next(
            (key for key, rows in self.records.items() if any(row["id"] == record for row in rows.values())), ""
        )
        if user["id"] not in self.members[_get(self.datasets, dataset)["workspace_id"]]:
            raise Refusal(403, "not in this workspace")
        for part in self.parts[dataset]["questions"]:
            options = {option["value"] for option in part["settings"].get("options", ())}
            given = item["values"].get(part["name"])
            if part["required"] and given is None:
                raise Refusal(422, "missing response value for required question")
            if options and given is not None and given["value"] not in options:
                raise Refusal(422, "not an option")
        return self._keep_response(dataset, record, user["id"], item)

    def _keep_response(self, dataset: str, record: str, user: str, item: Row) -> Row:
        made = self._row(**{**item, "record_id": record, "user_id": user})
        if before := self.responses.get((record, user)):
            made |= {"id": before["id"], "inserted_at": before["inserted_at"]}
        self.responses[record, user] = made
        self.datasets[dataset]["last_activity_at"] = made["updated_at"]
        return made


def _get(rows: dict[str, Any], key: str) -> Any:
    if key not in rows:
        raise Refusal(404, f"{key} not found")
    return rows[key]
