"""Many at once: people submit while a push goes on, and while the server is killed. Nothing that was accepted is lost."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
import urllib.error
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import pytest

from annotation.server import ServerInfo, launch, up
from tests.annotation.server.rest import Rest

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

SECONDS = "MORBENCH_LOAD_SECONDS"  # how long people submit; 60 before a release
PEOPLE = ("carl", "dora", "emil")
LABELS = ("benign", "harmful")


@pytest.fixture(scope="module")
def workspace(owner: Rest) -> str:
    return str(owner.call("POST", "/api/v1/workspaces", {"name": "load"})["id"])


@pytest.fixture(scope="module")
def people(owner: Rest, workspace: str) -> list[Rest]:
    return [owner.annotator(name, workspace) for name in PEOPLE]


def submit(person: Rest, records: list[str], goes_on: Callable[[], bool]) -> Iterator[tuple[str, str]]:
    """Answer record after record, from the first again when all are done; what was accepted, as it is accepted."""
    for turn in range(1_000_000):
        if not goes_on():
            return
        record, label = records[turn % len(records)], LABELS[turn // len(records) % 2]
        if turn < len(records):
            person.answer(record, label)
        else:  # one who comes back changes the answer
            item = {"record_id": record, "values": {"intent": {"value": label}}, "status": "submitted"}
            (done,) = person.call("POST", "/api/v1/me/responses/bulk", {"items": [item]})["items"]
            assert not done["error"], done
        yield record, label


def held(person: Rest, dataset: str) -> dict[str, str]:
    """Every submitted answer of a person, by record."""
    found: dict[str, str] = {}
    for offset in range(0, 1_000_000, 200):
        rows, _ = person.search(dataset, {}, limit=200, offset=offset)
        for row in rows:
            for one in row["responses"]:  # this person's only
                found[row["id"]] = one["values"]["intent"]["value"]
        if len(rows) < 200:
            return found
    raise AssertionError("no end")


def in_database(home: Path, dataset: str) -> tuple[int, int]:
    """Records and responses as the database counts them."""
    database = sqlite3.connect(f"{(home / 'argilla.db').as_uri()}?mode=ro", uri=True)
    key = dataset.replace("-", "")
    try:
        records = database.execute("SELECT count(*) FROM records WHERE replace(dataset_id, '-', '') = ?", (key,))
        responses = database.execute("SELECT count(*) FROM responses JOIN records ON records.id = responses.record_id"
                                     " WHERE replace(records.dataset_id, '-', '') = ?", (key,))  # fmt: skip
        return int(records.fetchone()[0]), int(responses.fetchone()[0])
    finally:
        database.close()


def test_three_people_submit_while_a_push_goes_on(
    owner: Rest, people: list[Rest], workspace: str, server: ServerInfo, home: Path
) -> None:
    dataset = owner.dataset("busy", workspace, min_submitted=3)["id"]
    records = owner.push(dataset, [f"text {number}" for number in range(150)])
    until = time.monotonic() + float(os.environ.get(SECONDS, 15))
    pushed = len(records)
    with ThreadPoolExecutor(len(people)) as pool:
        work = [
            pool.submit(lambda one=one: dict(submit(one, records, lambda: time.monotonic() < until))) for one in people
        ]
        while time.monotonic() < until:
            pushed += len(owner.push(dataset, [f"more {pushed + number}" for number in range(20)], f"push-{pushed}"))
        accepted = [done.result() for done in work]  # an error status or a locked database is raised here
    assert pushed > len(records) and all(accepted)
    assert [held(person, dataset) for person in people] == accepted
    total = sum(map(len, accepted))
    assert in_database(home, dataset) == (pushed, total)
    assert owner.call("GET", f"/api/v1/datasets/{dataset}/progress")["total"] == pushed
    assert owner.call("POST", f"/api/v1/datasets/{dataset}/records/search?limit=1", {})["total"] == pushed
    assert sum(person.search(dataset, with_answer(), limit=1)[1] for person in people) == total
    assert "locked" not in (home / "run" / "server.log").read_text(encoding="utf-8")


def with_answer() -> dict[str, object]:
    """The search for one's own submitted answers, which the index alone decides."""
    scope = {"entity": "response", "property": "status"}
    return {"filters": {"type": "and", "and": [{"type": "terms", "scope": scope, "values": ["submitted"]}]}}


def test_what_was_accepted_survives_a_kill(
    owner: Rest, people: list[Rest], workspace: str, server: ServerInfo, home: Path
) -> None:
    dataset = owner.dataset("killed", workspace, min_submitted=3)["id"]
    records = owner.push(dataset, [f"text {number}" for number in range(200)])
    accepted: list[dict[str, str]] = [{} for _ in people]
    tried: list[dict[str, str]] = [{} for _ in people]
    killed, enough = threading.Event(), threading.Semaphore(0)

    def work(at: int) -> None:
        for record in records:
            tried[at][record] = "benign"
            try:
                people[at].answer(record, "benign")
            except (urllib.error.URLError, HTTPException, OSError):
                assert killed.is_set()  # nothing fails as long as the server lives
                return
            accepted[at][record] = "benign"
            enough.release()

    with ThreadPoolExecutor(len(people)) as pool:
        working = [pool.submit(work, at) for at in range(len(people))]
        for _ in range(40):
            assert enough.acquire(timeout=120)
        killed.set()
        os.kill(server.pid, signal.SIGKILL)
        launch._CHILDREN.pop(server.pid).wait()  # this process started it, and has to collect it
        for one in working:
            one.result()
    up(home, port=int(server.url.rpartition(":")[2]))  # where everybody was signed in, and still is
    total = 0
    for person, sure, maybe in zip(people, accepted, tried, strict=True):
        found = held(person, dataset)
        assert sure.items() <= found.items() <= maybe.items()
        assert person.search(dataset, with_answer(), limit=1)[1] == len(found)  # the index says so too
        total += len(found)
    assert in_database(home, dataset) == (len(records), total)
