"""A thin REST client for any Argilla >= 2.8; whatever goes wrong names the URL and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from curation.console import visible
from curation.errors import AnnotationError

if TYPE_CHECKING:
    import httpx

OLDEST = (2, 8)
PAGE = 500  # records a request; Argilla allows 1000
EMBEDDED = "embedded"
LOOPBACK = re.compile(r"https?://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/|$)")


class Client:
    """Talks to one Argilla server with an owner's API key; a context manager that closes its connections."""

    def __init__(self, url: str, api_key: str, *, key_source: str = "ARGILLA_API_KEY", server: str = "",
                 timeout: float = 60.0, transport: httpx.BaseTransport | None = None) -> None:  # fmt: skip
        """`server` names it in the accounts file (default: its URL); `transport` replaces the network in tests."""
        import httpx

        if not re.match(r"https?://[^/\s]+", url):
            raise AnnotationError(
                f"{url!r} is no http(s) URL of an Argilla server", fix="correct queue.url in morbench.toml"
            )
        self.url = url.rstrip("/")
        self.key_source = key_source
        self.server = server or self.url
        self.transport = transport
        self.timeout = timeout
        self.api_key = api_key
        # A proxy named in the environment never sees loopback traffic.
        self._http = httpx.Client(base_url=self.url, timeout=timeout, transport=transport,
                                  trust_env=not LOOPBACK.match(self.url))  # fmt: skip

    @property
    def embedded(self) -> bool:
        """Whether this is the project's own server."""
        return self.server == EMBEDDED

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def check(self) -> Client:
        """Fail now when the server cannot be reached, is too old, or the key is not an owner's."""
        version = str(self.get("/api/v1/version").get("version", ""))
        numbers = re.match(r"(\d+)\.(\d+)", version)
        if not numbers or (int(numbers[1]), int(numbers[2])) < OLDEST:
            raise AnnotationError(
                f"{self.url} runs Argilla {version or 'of unknown version'}", fix="use Argilla 2.8 or newer"
            )
        user = self.get("/api/v1/me")
        if user.get("role") != "owner":
            who = f"{user.get('username')!r}, whose role is {user.get('role')!r}"
            raise AnnotationError(
                f"the key from {self.key_source} belongs to {who} on {self.url}", fix="use the API key of an owner"
            )
        return self

    # Requests

    def request(
        self, method: str, path: str, *, token: str = "", accept: tuple[int, ...] = (), **content: Any
    ) -> httpx.Response:
        """One request as owner, or as the user of `token`; a status of 400 and above is an error unless in `accept`."""
        import httpx

        headers = {"Authorization": f"Bearer {token}"} if token else {"X-Argilla-Api-Key": self.api_key}
        try:
            answer = self._http.request(method, path, headers=headers, **content)
        except httpx.HTTPError as exc:
            raise self.unreachable(exc) from exc
        except UnicodeError as exc:  # text that is no Unicode, or a key that is no header
            raise AnnotationError(
                f"cannot send to {self.url}: {exc}", fix="check the API key for stray characters"
            ) from exc
        if answer.status_code >= 400 and answer.status_code not in accept:
            raise self.refused(method, path, answer.status_code, answer.text)
        return answer

    def json(self, method: str, path: str, **content: Any) -> Any:
        """One request; the JSON of its answer."""
        answer = self.request(method, path, **content)
        try:
            return answer.json()
        except ValueError as exc:
            raise AnnotationError(
                f"{self.url}{path} did not answer with JSON", fix="check that the URL is an Argilla server"
            ) from exc

    def get(self, path: str, **params: Any) -> Any:
        """The JSON at `path`."""
        return self.json("GET", path, params=params or None)

    def items(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """The list of a listing endpoint."""
        found = self.get(path, **params)
        if not isinstance(found, dict) or not isinstance(found.get("items"), list):
            raise AnnotationError(
                f"{self.url}{path} did not answer as Argilla does", fix="check that the URL is an Argilla server"
            )
        return list(found["items"])

    def unreachable(self, exc: Exception) -> AnnotationError:
        """The error for a server that does not answer."""
        fix = (
            "start it with `morbench annotate up`"
            if self.embedded
            else "check queue.url in morbench.toml and the network"
        )
        return AnnotationError(f"no answer from Argilla at {self.url} ({type(exc).__name__}: {exc})", fix=fix)

    def refused(self, method: str, path: str, status: int, detail: str) -> AnnotationError:
        """The error for an answer with status 400 and above; what the server says may quote hostile text."""
        detail = visible(detail)
        if status == 401:
            return AnnotationError(f"{self.url} does not accept the API key or password (401)",
                                   fix=f"the key comes from {self.key_source}: set it to the API key that Argilla "
                                       "shows an owner under My settings")  # fmt: skip
        if status == 403:
            return AnnotationError(f"{self.url} forbids {method} {path} (403)", fix="use the API key of an owner")
        if status >= 500:
            return AnnotationError(
                f"{self.url} failed at {method} {path} ({status}): {detail[:200]}",
                fix="see the server's log, then run the same command again: nothing is lost or doubled",
            )
        return AnnotationError(
            f"{self.url} refused {method} {path} ({status}): {detail[:300]}",
            fix="check that the server is Argilla 2.8 or newer",
        )

    # Workspaces and users

    def workspaces(self) -> dict[str, str]:
        """Id of every workspace, by name."""
        return {row["name"]: row["id"] for row in self.items("/api/v1/me/workspaces")}

    def users(self) -> dict[str, dict[str, Any]]:
        """Every user of the server, by name."""
        return {row["username"]: row for row in self.items("/api/v1/users")}

    def user_name(self, user_id: str) -> str:
        """The name of a user, `deleted-<id>` where it is gone."""
        answer = self.request("GET", f"/api/v1/users/{user_id}", accept=(404,))
        return str(answer.json()["username"]) if answer.status_code == 200 else f"deleted-{user_id[:8]}"

    # Datasets, records, responses

    def datasets(self, workspace_id: str) -> dict[str, dict[str, Any]]:
        """Every dataset of a workspace, by name."""
        rows = self.items("/api/v1/me/datasets", workspace_id=workspace_id)
        return {row["name"]: row for row in rows if row["workspace_id"] == workspace_id}

    def records(self, dataset_id: str, *, responses: bool = False) -> Iterator[dict[str, Any]]:
        """Every record of a dataset, with all its responses if asked for."""
        seen: set[str] = set()
        offset = 0
        while True:
            params: Mapping[str, Any] = {
                "offset": offset,
                "limit": PAGE,
                **({"include": "responses"} if responses else {}),
            }
            page = self.items(f"/api/v1/datasets/{dataset_id}/records", **params)
            for row in page:
                if row["id"] not in seen:  # a record that was added meanwhile may move the pages
                    seen.add(row["id"])
                    yield row
            if len(page) < PAGE:
                return
            offset += len(page)

    def login(self, username: str, password: str) -> str | None:
        """A bearer token of a user; None where name or password is wrong."""
        answer = self.request("POST", "/api/v1/token", data={"username": username, "password": password}, accept=(401,))
        return str(answer.json()["access_token"]) if answer.status_code < 300 else None

    def submit(self, token: str, answers: Mapping[str, Mapping[str, str]]) -> None:
        """Submit answers (record id -> question -> answer, at most 100 records) as the user of `token`.

        An answer that this user gave before is replaced.
        """
        items = [
            {
                "record_id": record_id,
                "values": {question: {"value": value} for question, value in values.items()},
                "status": "submitted",
            }
            for record_id, values in answers.items()
        ]
        done = self.json("POST", "/api/v1/me/responses/bulk", token=token, json={"items": items})
        for result in done["items"]:
            if result.get("error"):
                detail = visible(str(result["error"].get("detail")))
                raise AnnotationError(f"{self.url} refused an answer: {detail[:300]}", fix="push the batches again")
