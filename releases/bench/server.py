"""Bench `annotate`, the part on the server: ours, and the same server without our patches of speed, in one run."""

from __future__ import annotations

import contextlib
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from annotation.client import Client
from annotation.datasets import LONGEST_CALL, Form, make_dataset
from annotation.server import launch
from annotation.server.environment import server_python
from curation.errors import ServerError
from releases.bench.rows import BenchRow, limit_row

RECORDS = 1_000
A_CALL = 500
DIMENSIONS = 384
ANSWERS = 150
SEARCHED = 50_000
SEARCHES = 20
PATIENCE = 180.0  # seconds for a server to come up
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

# Run with the server's Python, on the child's own package: the engine alone, without HTTP.
SEARCH = """
import importlib, importlib.util, json, random, statistics, sys, tempfile, time
from pathlib import Path
child, count, searches, words = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
spec = importlib.util.spec_from_file_location("bench_child", child / "__init__.py", submodule_search_locations=[str(child)])
package = importlib.util.module_from_spec(spec); sys.modules["bench_child"] = package; spec.loader.exec_module(package)
ranking, store = (importlib.import_module(f"bench_child.search.{name}") for name in ("ranking", "store"))
source = random.Random(7)
with tempfile.TemporaryDirectory() as folder:
    index = store.Store(Path(folder) / "search.db")
    index.create("i", {"properties": {"fields.prompt": {"type": "text"}, "status": {"type": "keyword"}}}, {})
    rows = ((str(n), {"status": "pending", "fields": {"prompt": f"{' '.join(source.choices(words, k=12))} item{n}"}})
            for n in range(count))
    index.put("i", rows)
    taken = []
    for n in range(searches):
        query = f"{source.choice(words)} {source.choice(words)}" if n % 2 else f"item{source.randrange(count)}"
        wanted = {"bool": {"must": [{"simple_query_string": {"query": query, "fields": ["fields.prompt"],
                  "default_operator": "AND"}}], "filter": [{"term": {"status": "pending"}}]}}
        started = time.perf_counter(); found = ranking.search(index, "i", wanted); taken.append(time.perf_counter() - started)
        assert found.total >= 1
    index.close()
print(json.dumps(sorted(taken)))
"""


class Measured(NamedTuple):
    """What one server did."""

    boot: float  # seconds from nothing to an answer, on a new home
    push: float  # records a second, each with a vector
    pull: float  # records a second
    p50: float  # milliseconds to accept one answer
    p95: float


def server_rows() -> list[BenchRow]:
    """Both servers measured one after the other, and the engine alone on many records."""
    server_python()  # made before any clock starts
    plain, ours = _measured(plain=True), _measured(plain=False)
    searched = _searches()
    return [
        limit_row("boot on a new home: ours", ours.boot, "s", at_most=6),
        limit_row("boot on a new home: unpatched", plain.boot, "s"),
        limit_row(f"push of {RECORDS} records with {DIMENSIONS} dimensions: ours", ours.push, "records/s"),
        limit_row(f"push of {RECORDS} records with {DIMENSIONS} dimensions: unpatched", plain.push, "records/s"),
        limit_row("push: faster than unpatched by", ours.push / plain.push, "x", at_least=3),
        limit_row(f"pull of {RECORDS} records: ours", ours.pull, "records/s", at_least=1200),
        limit_row(f"pull of {RECORDS} records: unpatched", plain.pull, "records/s"),
        limit_row(f"submit, p50 of {ANSWERS}: ours", ours.p50, "ms"),
        limit_row(f"submit, p50 of {ANSWERS}: unpatched", plain.p50, "ms"),
        limit_row(f"submit, p95 of {ANSWERS}: ours", ours.p95, "ms", at_most=70),
        limit_row(f"submit, p95 of {ANSWERS}: unpatched", plain.p95, "ms"),
        limit_row(f"text search among {SEARCHED} records (engine alone), slowest of {SEARCHES}", searched[-1], "s",
                  at_most=0.5),
    ]  # fmt: skip


def _measured(plain: bool) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        with _running(Path(folder) / "home", plain) as info, Client(info.url, info.api_key) as client:
            boot = time.perf_counter() - started
            space = client.json("POST", "/api/v1/workspaces", json={"name": "bench"})["id"]
            dataset = make_dataset(client, space, "bench", FORM)["id"]
            vector = {"name": "meaning", "title": "Meaning", "dimensions": DIMENSIONS}
            client.request("POST", f"/api/v1/datasets/{dataset}/vectors-settings", json=vector)
            calls = [{"items": _records(start)} for start in range(0, RECORDS, A_CALL)]
            path = f"/api/v1/datasets/{dataset}/records/bulk"
            push = _seconds(lambda: [client.request("POST", path, json=call, timeout=LONGEST_CALL) for call in calls])
            ids: list[str] = []
            pull = _seconds(lambda: ids.extend(row["id"] for row in client.records(dataset, responses=True)))
            body = {"values": {"judgement": {"value": "benign"}}, "status": "submitted"}
            taken = sorted(_seconds(lambda key=key: client.request("POST", f"/api/v1/records/{key}/responses", json=body))
                           for key in ids[:ANSWERS])  # fmt: skip
            return Measured(boot, RECORDS / push, RECORDS / pull, 1000 * statistics.median(taken),
                            1000 * taken[int(0.95 * len(taken))])  # fmt: skip


@contextlib.contextmanager
def _running(home: Path, plain: bool) -> Iterator[launch.ServerInfo]:
    """A server on a new home; the unpatched one is started by hand, because `up` has no such switch."""
    try:
        yield _plain(home) if plain else launch.up(home, port=0)
    finally:
        launch.down(home)


def _plain(home: Path) -> launch.ServerInfo:
    (home / "run").mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [server_python(), "-I", launch.MAIN, "--home", home, "--port", str(port), "--plain"]
    with (home / "run" / "server.log").open("wb") as out:
        child = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    launch._CHILDREN[child.pid] = child  # so that `down` collects it
    until = time.monotonic() + PATIENCE
    while child.poll() is None and time.monotonic() < until:
        found = launch.status(home)
        if found:
            return found
        time.sleep(0.15)
    raise ServerError("the unpatched server does not answer", fix="run the bench again on a quiet machine")


def _records(start: int) -> list[dict[str, Any]]:
    source = random.Random(start)
    return [{"fields": {"prompt": f"{' '.join(source.choices(WORDS, k=12))} {number}"}, "external_id": f"p{number:06d}",
             "vectors": {"meaning": [source.uniform(-1, 1) for _ in range(DIMENSIONS)]}}
            for number in range(start, start + A_CALL)]  # fmt: skip


def _searches() -> list[float]:
    command = [server_python(), "-I", "-c", SEARCH, launch.MAIN.parent, SEARCHED, SEARCHES, *WORDS]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise ServerError("the search engine alone does not run", fix="see the lines above")
    return list(map(float, done.stdout.strip("[]\n").split(",")))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
