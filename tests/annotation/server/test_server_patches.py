"""Every change to argilla-server by itself, in the server's own environment: what it does, and for which version."""

from __future__ import annotations

import json
import re
import subprocess
import textwrap
import urllib.error
from pathlib import Path
from typing import Any

import pytest

from annotation.server import down, environment, up
from tests.annotation.server.rest import Rest

pytestmark = pytest.mark.server

CHILD = environment.LOCK.parent / "child"
LOAD = f"""
import asyncio, importlib, runpy, sys
runpy.run_path({str(CHILD / "main.py")!r}, run_name="not main")["load_package"]()
patches, speed = (importlib.import_module(f"morbench_server.{{name}}") for name in ("patches", "speed"))
patches.open_package(); patches.queue_in_memory()
"""
DATABASE = """
    import sqlalchemy
    from sqlalchemy.ext.asyncio import create_async_engine
    def engine(**settings):
        return create_async_engine("sqlite+aiosqlite:///" + sys.argv[1] + "/some.db", **settings)
    async def told(engine, statement, *parameters):
        async with engine.begin() as db:
            done = await db.execute(sqlalchemy.text(statement), *parameters)
            return done.all() if done.returns_rows else done.rowcount
"""
CHECKS = {
    "patches.queue_in_memory()": "import redis; c = redis.from_url('redis://nowhere:1'); assert c.ping()",
    "patches.database_for_many()": DATABASE
    + """
    from argilla_server.settings import Settings
    settings = Settings().database_engine_args
    sqlalchemy.create_engine("sqlite://", **settings).dispose()  # the one that is not asynchronous takes it too
    shared = engine(**settings)
    assert asyncio.run(told(shared, "PRAGMA journal_mode")) == [("wal",)]
    assert shared.pool.checkedin() == 1
    async def twenty():
        await told(shared, "CREATE TABLE numbers (n INTEGER)")
        async with shared.connect() as one, shared.connect() as two, shared.connect() as three:
            rows = [(await each.execute(sqlalchemy.text("SELECT 7"))).all() for each in (one, two, three)]
        return rows + list(await asyncio.gather(*(told(shared, "SELECT 7") for _ in range(20))))
    assert asyncio.run(twenty()) == [[(7,)]] * 23  # on another event loop than the connection was made on
    assert 1 <= shared.pool.checkedin() <= 4
    asyncio.run(shared.dispose())
""",
    "speed.hub_on_demand()": """
    from argilla_server.jobs import hub_jobs
    assert "datasets" not in sys.modules and "pandas" not in sys.modules
    assert type(hub_jobs.HubDatasetExporter("dataset")).__module__ == "argilla_server.contexts.hub"
    assert "datasets" in sys.modules and isinstance(sys.modules[speed.HUB].HubDatasetExporter, type)
""",
    "speed.clients_left_out()": """
    from argilla_server.search_engine import SearchEngine
    from morbench_server.search import engine
    assert "elastic_transport" not in sys.modules
    async def made():
        async with SearchEngine.get_by_name(engine.NAME) as found:
            return found
    engine.open_store(sys.argv[1] + "/search.db")
    assert isinstance(asyncio.run(made()), engine.SQLiteSearchEngine)
""",
    "speed.settings_parsed_once()": """
    from argilla_server.models import Question
    made = Question(settings={"type": "text", "use_markdown": True}).parsed_settings
    assert type(made).__name__ == "TextQuestionSettings" and made.use_markdown, made
""",
    "speed.events_only_when_heard()": """
    from argilla_server.contexts import webhooks
    from argilla_server.webhooks.v1 import records, responses
    class Session:
        def __init__(self): self.info, self.asked = {}, 0
        async def execute(self, statement): raise LookupError("built")
    async def listening(db):
        db.asked += 1
        return heard
    webhooks.list_enabled_webhooks, heard, db = listening, [], Session()
    for notify in (records.notify_record_event, responses.notify_response_event):
        assert asyncio.run(notify(db, "record.created", object())) == []
    assert db.asked == 1
    heard = ["a webhook"]
    class Subject: id = dataset_id = "00000000-0000-0000-0000-000000000000"
    for notify in (records.notify_record_event, responses.notify_response_event):
        try: asyncio.run(notify(Session(), "record.created", Subject()))
        except LookupError as exc: assert str(exc) == "built"
        else: sys.exit("not built")
""",
    "speed.statements_in_one_step()": DATABASE
    + """
    from sqlalchemy.exc import IntegrityError, OperationalError
    async def story():
        db = engine()
        assert await told(db, "CREATE TABLE numbers (n INTEGER UNIQUE, word TEXT)") == -1
        assert await told(db, "INSERT INTO numbers VALUES (:n, :word)", {"n": 1, "word": "eins"}) == 1
        many = [{"n": n, "word": None} for n in (2, 3)]
        assert await told(db, "INSERT INTO numbers VALUES (:n, :word)", many) == 2
        assert await told(db, "INSERT INTO numbers VALUES (4, 'vier') RETURNING n, word") == [(4, "vier")]
        assert await told(db, "SELECT n, word FROM numbers ORDER BY n") == [(1, "eins"), (2, None), (3, None), (4, "vier")]
        assert await told(db, "SELECT n FROM numbers WHERE n > 9") == []
        assert await told(db, "UPDATE numbers SET word = 'x' WHERE n > 1") == 3
        for statement, kind in (("INSERT INTO numbers (n) VALUES (1)", IntegrityError), ("SELEKT", OperationalError)):
            try: await told(db, statement)
            except kind: pass
            else: sys.exit("no error")
        async with db.connect() as streamed:
            rows = await streamed.stream(sqlalchemy.text("SELECT n FROM numbers ORDER BY n"))
            assert [n async for (n,) in rows] == [1, 2, 3, 4]
        await db.dispose()
    asyncio.run(story())
""",
    "speed.json_by_pydantic()": r"""
    import json
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    def read(body):
        async def receive(): return {"type": "http.request", "body": body}
        return asyncio.run(Request({"type": "http", "headers": []}, receive).json())
    for body in (b'{"a": [1, 2.5, -0.1, 1e300, null, true], "b": "\u0644"}', '["\u4eba \U0001f600"]'.encode(),
                 b'"\ud800"', b"123456789012345678901234567890", b" 7 "):
        assert read(body) == json.loads(body), body
        assert json.loads(JSONResponse(["x", 1.5, {"k": None}]).body) == ["x", 1.5, {"k": None}]
    for body in (b"", b"{", b"[1,]"):
        try: read(body)
        except json.JSONDecodeError: pass
        else: sys.exit("read " + repr(body))
    for value in ({"a": "\ud800"}, [0.1, 1 / 3, 1e-300, 2**80], "\x00\u2028", None):
        assert speed.from_json(speed.to_json(value)) == json.loads(speed.to_json(value)) == value
    assert str(speed.from_json(speed.to_json([float("nan"), float("-inf")]))) == "[nan, -inf]"
""",
}


@pytest.mark.parametrize("patch", CHECKS)
def test_each_patch_changes_what_it_says_and_only_the_known_version(patch: str, tmp_path: Path) -> None:
    foreign = f"""
    import argilla_server._version as v; v.__version__ = "2.9.0"
    try: {patch}
    except patches.WrongVersion as e: print(e)
    else: sys.exit("not refused")
    """
    for code in (f"{patch}\n{textwrap.dedent(CHECKS[patch])}", textwrap.dedent(foreign)):
        done = subprocess.run(
            [environment.server_python(), "-I", "-X", "utf8", "-c", LOAD + code, tmp_path],
            capture_output=True,
            text=True,
            env={"ARGILLA_HOME_PATH": str(tmp_path), "HF_HUB_DISABLE_TELEMETRY": "1", "PATH": "/usr/bin:/bin"},
        )
        assert done.returncode == 0, done.stderr


def test_the_patched_server_says_what_the_plain_one_says(tmp_path: Path) -> None:
    """The same story on both: every answer is the same, but for ids and times."""
    told = []
    for plain in (True, False):
        home = tmp_path / str(plain)
        try:
            info = up(home, port=0, plain=plain)
            told.append(_story(Rest(info.url, {"X-Argilla-Api-Key": info.api_key})))
        finally:
            down(home)
    assert told[0] == told[1]


def _story(owner: Rest) -> list[Any]:
    space = owner.call("POST", "/api/v1/workspaces", {"name": "twins"})["id"]
    dataset = owner.dataset("twins", space, min_submitted=1)
    path = f"/api/v1/datasets/{dataset['id']}"
    question = owner.call("GET", f"{path}/questions")["items"][0]["id"]
    texts = ["How do I kill a process?", "夜の公園で", "كيف أقتل عملية", "x\u2028\U0001f600\\\"'\t", "a" * 5000]
    suggestion = {"question_id": question, "type": "model", "agent": "m", "score": 0.1, "value": "benign"}
    items = [
        {"fields": {"prompt": text}, "external_id": f"t{at}", "metadata": {"language": "en", "more": [at, 0.1, None]},
         "vectors": {"meaning": [1 / 3, float(at), 1e-17]}, "suggestions": [suggestion]}
        for at, text in enumerate(texts)
    ]  # fmt: skip
    seen: list[Any] = [owner.call("POST", f"{path}/records/bulk", {"items": items})]
    keys = {row["external_id"]: row["id"] for row in seen[0]["items"]}
    items[1]["fields"] = {"prompt": "changed"}
    seen.append(owner.call("PUT", f"{path}/records/bulk", {"items": items[1:2]}))
    for key, label in (("t0", "harmful"), ("t2", "benign")):
        seen.append(owner.answer(keys[key], label))
    seen.append(owner.call("GET", f"{path}/records?include=responses&include=suggestions&include=vectors"))
    for query in ({"text": {"q": "kill"}}, {"vector": {"name": "meaning", "value": [1.0, 2.0, 0.0]}}):
        seen.append(owner.search(dataset["id"], {"query": query}))
    seen.append(owner.call("GET", f"{path}/progress"))
    wrong = (
        ("POST", f"{path}/records/bulk", {"items": [{"fields": {}, "external_id": "none"}]}),
        ("POST", f"{path}/records/bulk", {"items": items[:1]}),
        ("PUT", f"{path}/records/bulk", {"items": [{"external_id": "t0", "vectors": {"meaning": [1.0]}}]}),
        ("POST", f"/api/v1/records/{keys['t0']}/responses", {"values": {}, "status": "submitted"}),
    )
    for method, where, body in wrong:
        with pytest.raises(urllib.error.HTTPError) as refused:
            owner.call(method, where, body)
        with refused.value as answer:
            seen.append((answer.code, answer.read().decode()))
    text = json.dumps(seen, sort_keys=True, ensure_ascii=False)
    ids: dict[str, str] = {}
    text = re.sub(
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", lambda id_: ids.setdefault(id_[0], f"id{len(ids)}"), text
    )
    return list(json.loads(re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+", "a time", text)))
