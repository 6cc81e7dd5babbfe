"""Bench `annotate`, the part on the server: ours and the same server without what makes it faster, in turns in one run."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from annotation.client import Client
from annotation.datasets import LONGEST_CALL, RECORDS_A_CALL, Form, make_dataset, put_records
from annotation.server import launch
from annotation.server.environment import ARGILLA, server_python
from releases.bench.rows import BenchRow, limit_row

TURNS = 3
RECORDS = 1_000
DIMENSIONS = 384
ANSWERS = 150
SEARCHED = 50_000
SEARCHES = 20
VECTOR = "meaning"
ANSWER = {"values": {"judgement": {"value": "benign"}}, "status": "submitted"}
WORDS = (
    "kill",
    "process",
    "balloon",
    "portrait",
    "night",
    "python",
    "garden",
    "photo",
    "knife",
    "cake",
    "train",
    "song",
)
FORM = Form(
    "Guidelines",
    [{"name": "prompt", "title": "Prompt", "required": True, "settings": {"type": "text", "use_markdown": False}}],
    [{"name": "judgement", "title": "Judgement", "required": True,
      "settings": {"type": "label_selection", "visible_options": None,
                   "options": [{"value": name, "text": name} for name in ("benign", "harmful", "depends")]}}],
)  # fmt: skip
NOTE = (
    f"Unpatched is argilla-server {ARGILLA} in the same environment, with what it needs to run without Elasticsearch and "
    f"Redis and nothing else of ours. The two ran in turns, {TURNS} times; values are medians, with the lowest and the "
    "highest in brackets; submits of all turns are counted together. Everything went over HTTP."
)


class Turn(NamedTuple):
    """What one server did in one turn."""

    boot: float  # seconds from nothing to an answer, on a new home
    push: float  # records a second, each with a vector
    pull: float  # records a second, each with a response
    submits: list[float]  # milliseconds each


class Searched(NamedTuple):
    """Seconds that searches took in a large dataset."""

    text: list[float]
    first_vector: float  # brings the vectors into memory
    vector: list[float]


def bench_server() -> tuple[list[BenchRow], list[str]]:
    """Rows and notes."""
    server_python()  # made before any clock starts
    turns = [(_turn(plain=True), _turn(plain=False)) for _ in range(TURNS)]
    plain, ours = [turn for turn, _ in turns], [turn for _, turn in turns]
    return [*turn_rows(plain, ours), *search_rows(_searched())], [NOTE]


def turn_rows(plain: Sequence[Turn], ours: Sequence[Turn]) -> list[BenchRow]:
    """The two servers beside each other."""
    pushed = f"push of {RECORDS} records with {DIMENSIONS} numbers each, {RECORDS_A_CALL} a call"
    pulled = f"pull of {RECORDS} records with a response each"
    rows = []
    for name, turns, barred in (("ours", ours, True), ("unpatched", plain, False)):
        submits = sorted(one for turn in turns for one in turn.submits)
        rows += [
            _median(f"{pushed}: {name}", [turn.push for turn in turns], "records/s", RECORDS),
            _median(f"{pulled}: {name}", [turn.pull for turn in turns], "records/s", RECORDS,
                    at_least=1200 if barred else None),
            _counted(limit_row(f"submit of one response, p50: {name}", statistics.median(submits), "ms"), len(submits)),
            _counted(limit_row(f"submit of one response, p95: {name}", submits[int(0.95 * len(submits))], "ms",
                               at_most=70 if barred else None), len(submits)),
            _median(f"boot on a new home: {name}", [turn.boot for turn in turns], "s", len(turns),
                    at_most=6 if barred else None),
        ]  # fmt: skip
    ratios = [mine.push / theirs.push for mine, theirs in zip(ours, plain, strict=True)]
    return [_median("push: faster than unpatched by", ratios, "x", len(ratios), at_least=3), *rows]


def search_rows(found: Searched) -> list[BenchRow]:
    """Searches through the whole server, as the web page asks for them."""
    what = f"among {SEARCHED} records, slowest"
    return [
        _counted(limit_row(f"text search {what}", max(found.text), "s", at_most=0.5), len(found.text)),
        _counted(limit_row(f"vector search {what} after the first", max(found.vector), "s", at_most=0.5),
                 len(found.vector)),
        limit_row(f"vector search among {SEARCHED} records, the first", found.first_vector, "s"),
    ]  # fmt: skip


def _median(what: str, values: Sequence[float], unit: str, n: int, **bars: float | None) -> BenchRow:
    low, high = (f"{round(edge, 1):g}" for edge in (min(values), max(values)))
    return _counted(limit_row(f"{what} [{low} to {high}]", statistics.median(values), unit, **bars), n)


def _counted(row: BenchRow, n: int) -> BenchRow:
    return dataclasses.replace(row, n=n)


def _turn(plain: bool) -> Turn:
    started = time.perf_counter()
    with _running(plain) as client:
        boot = time.perf_counter() - started
        dataset = _dataset(client)
        push = sum(_pushed(client, dataset, RECORDS))
        _answer_all(client, dataset)
        ids: list[str] = []
        pull = _seconds(lambda: ids.extend(row["id"] for row in client.records(dataset, responses=True)))
        submits = [1000 * _submitted(client, key) for key in ids[:ANSWERS]]
        return Turn(boot, RECORDS / push, len(ids) / pull, submits)


def _searched() -> Searched:
    source = random.Random(11)
    with _running(plain=False) as client:
        dataset = _dataset(client)
        for _ in _pushed(client, dataset, SEARCHED):
            pass
        path = f"/api/v1/me/datasets/{dataset}/records/search"

        def taken(query: dict[str, Any]) -> float:
            found: list[Any] = []
            seconds = _seconds(
                lambda: found.append(client.json("POST", path, json={"query": query}, params={"limit": 10}))
            )
            if not found[0]["items"]:
                raise RuntimeError(f"nothing found by {query}")
            return seconds

        words = [f"{source.choice(WORDS)} {source.choice(WORDS)}" if turn % 2 else f"item{source.randrange(SEARCHED)}"
                 for turn in range(SEARCHES)]  # fmt: skip
        text = [taken({"text": {"q": query, "field": "prompt"}}) for query in words]
        first, *vector = [taken({"vector": {"name": VECTOR, "value": _vector(source)}}) for _ in range(SEARCHES + 1)]
        return Searched(text, first, vector)


@contextlib.contextmanager
def _running(plain: bool) -> Iterator[Client]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        try:
            info = launch.up(home, port=0, plain=plain)
            with Client(info.url, info.api_key) as client:
                yield client
        finally:
            launch.down(home)


def _dataset(client: Client) -> str:
    space = client.json("POST", "/api/v1/workspaces", json={"name": "bench"})["id"]
    dataset = str(make_dataset(client, space, "bench", FORM)["id"])
    settings = {"name": VECTOR, "title": "Meaning", "dimensions": DIMENSIONS}
    client.request("POST", f"/api/v1/datasets/{dataset}/vectors-settings", json=settings)
    return dataset


def _pushed(client: Client, dataset: str, count: int) -> Iterator[float]:
    """Seconds of each call; the same records for the same count."""
    path = f"/api/v1/datasets/{dataset}/records/bulk"
    for start in range(0, count, RECORDS_A_CALL):
        call = {"items": _records(start, min(start + RECORDS_A_CALL, count))}
        yield _seconds(partial(client.request, "POST", path, json=call, timeout=LONGEST_CALL))


def _answer_all(client: Client, dataset: str) -> None:
    """One answer to every record by somebody who is not the owner."""
    person = {"username": "ada", "first_name": "Ada", "password": "a-long-password", "role": "annotator"}
    response = {"user_id": client.json("POST", "/api/v1/users", json=person)["id"], **ANSWER}
    items = [{"external_id": f"p{number:06d}", "responses": [response]} for number in range(RECORDS)]
    put_records(client, dataset, items)


def _submitted(client: Client, record: str) -> float:
    return _seconds(lambda: client.request("POST", f"/api/v1/records/{record}/responses", json=ANSWER))


def _records(start: int, end: int) -> list[dict[str, Any]]:
    source = random.Random(start)
    return [{"fields": {"prompt": f"{' '.join(source.choices(WORDS, k=12))} item{number}"},
             "external_id": f"p{number:06d}", "vectors": {VECTOR: _vector(source)}} for number in range(start, end)]  # fmt: skip


def _vector(source: random.Random) -> list[float]:
    return [source.uniform(-1, 1) for _ in range(DIMENSIONS)]


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
