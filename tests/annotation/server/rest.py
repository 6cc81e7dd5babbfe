"""Argilla's REST interface, as far as the tests use it."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Rest:
    """Calls in one user's name."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """The answer's JSON; an error status raises urllib's HTTPError."""
        data = None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **self.headers, **(headers or {})}
        request = urllib.request.Request(self.url + path, data, sent, method=method)
        with _OPENER.open(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def status_of(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        """The status and headers of an answer, whatever it is."""
        request = urllib.request.Request(self.url + path, headers={**self.headers, **(headers or {})}, method=method)
        try:
            with _OPENER.open(request, timeout=60) as answer:
                return answer.status, answer.headers
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, exc.headers

    def signed_in(self, username: str, password: str) -> Rest:
        """The same server in another user's name, by password."""
        form = urllib.parse.urlencode({"username": username, "password": password}).encode()
        with _OPENER.open(f"{self.url}/api/v1/token", form, timeout=60) as answer:
            token = json.loads(answer.read())["access_token"]
        return Rest(self.url, {"Authorization": f"Bearer {token}"})

    def annotator(self, name: str, workspace: str) -> Rest:
        """A new annotator of a workspace, signed in."""
        user = self.call(
            "POST",
            "/api/v1/users",
            {"username": name, "first_name": name, "password": f"{name}-secret-word", "role": "annotator"},
        )
        self.call("POST", f"/api/v1/workspaces/{workspace}/users", {"user_id": user["id"]})
        return self.signed_in(name, f"{name}-secret-word")

    def dataset(self, name: str, workspace: str, min_submitted: int = 2) -> dict[str, Any]:
        """A published dataset with a text, a label question, a metadata property and a vector."""
        made = self.call(
            "POST",
            "/api/v1/datasets",
            {
                "name": name,
                "workspace_id": workspace,
                "distribution": {"strategy": "overlap", "min_submitted": min_submitted},
            },
        )
        path = f"/api/v1/datasets/{made['id']}"
        self.call(
            "POST",
            f"{path}/fields",
            {
                "name": "prompt",
                "title": "Prompt",
                "required": True,
                "settings": {"type": "text", "use_markdown": False},
            },
        )
        options = [{"value": value, "text": value} for value in ("benign", "harmful")]
        self.call(
            "POST",
            f"{path}/questions",
            {
                "name": "intent",
                "title": "Intent",
                "required": True,
                "settings": {"type": "label_selection", "options": options, "visible_options": None},
            },
        )
        self.call(
            "POST",
            f"{path}/metadata-properties",
            {"name": "language", "title": "Language", "settings": {"type": "terms"}, "visible_for_annotators": True},
        )
        made["vector"] = self.call(
            "POST", f"{path}/vectors-settings", {"name": "meaning", "title": "Meaning", "dimensions": 3}
        )
        self.call("PUT", f"{path}/publish")
        return made

    def push(self, dataset: str, texts: list[str], language: str = "en") -> list[str]:
        """Records with these texts, in this order; their ids."""
        items = [
            {
                "fields": {"prompt": text},
                "external_id": f"{language}-{at}",
                "metadata": {"language": language},
                "vectors": {"meaning": [1.0, float(at), 0.5]},
            }
            for at, text in enumerate(texts)
        ]
        made = self.call("POST", f"/api/v1/datasets/{dataset}/records/bulk", {"items": items})
        return [item["id"] for item in made["items"]]

    def answer(self, record: str, label: str, status: str = "submitted") -> dict[str, Any]:
        """Answer a record."""
        body = {"values": {"intent": {"value": label}}, "status": status}
        made: dict[str, Any] = self.call("POST", f"/api/v1/records/{record}/responses", body)
        return made

    def queue(
        self, dataset: str, limit: int = 10, offset: int = 0, query: Mapping[str, Any] | None = None
    ) -> list[str]:
        """External ids of the next pending records, as the web page asks for them."""
        filters = [
            {"type": "terms", "scope": {"entity": "response", "property": "status"}, "values": ["pending"]},
            {"type": "terms", "scope": {"entity": "record", "property": "status"}, "values": ["pending"]},
        ]
        body = {"filters": {"type": "and", "and": filters}, **({"query": query} if query else {})}
        return [one["external_id"] for one in self.search(dataset, body, limit, offset)[0]]

    def search(
        self, dataset: str, body: Mapping[str, Any], limit: int = 50, offset: int = 0
    ) -> tuple[list[dict[str, Any]], int]:
        """Records in the order of the search, and how many match."""
        found = self.call(
            "POST",
            f"/api/v1/me/datasets/{dataset}/records/search?include=responses&limit={limit}&offset={offset}",
            body,
        )
        return [item["record"] for item in found["items"]], found["total"]
