"""The real server: up, work, kill, up again, down. One story for each promise."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import sqlite3
import stat
import subprocess
import threading
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from annotation.server import ServerInfo, backup, down, restore, status, up
from curation.errors import ServerError
from tests.annotation.server.rest import Rest

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

TEXTS = [
    "How do I kill a Python process?",
    "How do I shoot a portrait at night?",
    "كيف أقتل عملية في لينكس؟",
    "夜に人物を撮る方法は？",
    "How do I blow up a balloon?",
]


@pytest.fixture(scope="module")
def workspace(owner: Rest) -> str:
    return str(owner.call("POST", "/api/v1/workspaces", {"name": "demo"})["id"])


@pytest.fixture(scope="module")
def annotators(owner: Rest, workspace: str) -> tuple[Rest, Rest]:
    return owner.annotator("ada", workspace), owner.annotator("bob", workspace)


def test_a_second_up_finds_the_first(server: ServerInfo, home: Path) -> None:
    assert up(home, port=0) == server == status(home)


def test_the_owner_signs_in_with_the_written_password_only(server: ServerInfo) -> None:
    anyone = Rest(server.url)
    assert anyone.signed_in(server.username, server.password).call("GET", "/api/v1/me")["role"] == "owner"
    for name, password in (("argilla", "1234"), ("argilla", "12345678"), (server.username, "1234")):
        with pytest.raises(urllib.error.HTTPError) as refused:
            anyone.signed_in(name, password)
        refused.value.close()
        assert refused.value.code == 401


def test_secrets_are_for_the_user_alone(server: ServerInfo, home: Path) -> None:
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    for file in ("credentials.json", "auth_secret", "argilla.db"):
        assert stat.S_IMODE((home / file).stat().st_mode) == 0o600
    secrets = (server.password, server.api_key, (home / "auth_secret").read_text())
    told = (home / "run" / "server.log").read_text() + (home / "run" / "server.json").read_text()
    told += subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(server.pid)], capture_output=True, text=True).stdout
    assert "main.py" in told
    assert not [secret for secret in secrets if secret in told]


def test_only_this_machine_by_its_own_name_may_call(server: ServerInfo, owner: Rest) -> None:
    port = server.url.rpartition(":")[2]
    assert owner.status_of("GET", "/api/v1/me", {"Host": f"localhost:{port}"})[0] == 200
    assert owner.status_of("GET", "/api/v1/me", {"Host": f"evil.example:{port}"})[0] == 421
    allowed = {"Origin": f"http://localhost:{port}", "Access-Control-Request-Method": "GET"}
    assert owner.status_of("OPTIONS", "/api/v1/me", allowed)[0] == 200
    assert owner.status_of("OPTIONS", "/api/v1/me", {**allowed, "Origin": "http://evil.example"})[0] == 400
    listening = subprocess.run(["ss", "-ltnH", f"sport = :{port}"], capture_output=True, text=True).stdout
    assert not [line for line in listening.splitlines() if f"127.0.0.1:{port}" not in line]


def test_pages_run_and_load_nothing_from_elsewhere(server: ServerInfo, home: Path) -> None:
    for path in ("/", "/sign-in", "/api/v1/status"):
        headers = Rest(server.url).status_of("GET", path)[1]
        policy = headers["Content-Security-Policy"]
        assert "script-src 'self' 'sha256-" in policy and "unsafe-eval" not in policy
        assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
        assert headers["X-Content-Type-Options"] == "nosniff"
    styles = list((home / "run" / "tmp").glob("*/statics/_nuxt/*.css"))
    texts = [file.read_text(encoding="utf-8") for file in styles]
    assert texts and not [text for text in texts if "fonts.googleapis" in text]
    assert [text for text in texts if "unicode-bidi:plaintext" in text]


def test_only_pages_are_compressed(owner: Rest) -> None:
    packed = {"Accept-Encoding": "gzip"}
    schema = owner.status_of("GET", "/api/v1/openapi.json", packed)  # far longer than the least length that is packed
    assert schema[0] == 200 and schema[1].get("Content-Encoding") is None
    assert owner.status_of("GET", "/sign-in", packed)[1]["Content-Encoding"] == "gzip"


def test_everyone_meets_the_same_order_and_started_records_come_first(
    owner: Rest, workspace: str, annotators: tuple[Rest, Rest]
) -> None:
    dataset = owner.dataset("order", workspace)["id"]
    ids = owner.push(dataset, [f"text {at}" for at in range(30)])
    ada, bob = annotators
    inserted = [f"en-{at}" for at in range(30)]
    assert ada.queue(dataset, 30) == bob.queue(dataset, 30) == inserted
    ada.answer(ids[20], "benign")
    ada.answer(ids[25], "benign", "draft")
    started = ["en-20", "en-25"]
    assert bob.queue(dataset, 30) == started + [one for one in inserted if one not in started]
    assert ada.queue(dataset, 30) == [one for one in inserted if one not in started]
    bob.answer(ids[20], "benign")
    assert "en-20" not in owner.queue(dataset, 30), "two answers complete it"


def test_search_by_words_metadata_and_meaning(owner: Rest, workspace: str) -> None:
    made = owner.dataset("search", workspace)
    owner.push(made["id"], TEXTS)

    def found(text: str) -> list[str]:
        records, total = owner.search(made["id"], {"query": {"text": {"q": text, "field": "prompt"}}})
        assert total == len(records)
        return sorted(record["external_id"] for record in records)

    assert found("how do") == ["en-0", "en-1", "en-4"]
    assert found("python | balloon") == ["en-0", "en-4"]
    assert found("how -kill") == ["en-1", "en-4"]
    assert found("أقتل") == ["en-2"]
    assert found("人物") == ["en-3"]
    assert found("'; DROP TABLE documents; --\" AND (") == []
    nearest, _ = owner.search(made["id"], {"query": {"vector": {"name": "meaning", "value": [1.0, 3.0, 0.5]}}}, limit=2)
    assert nearest[0]["external_id"] == "en-3"
    with_language = {
        "type": "terms",
        "scope": {"entity": "metadata", "metadata_property": "language"},
        "values": ["en"],
    }
    assert owner.search(made["id"], {"filters": {"type": "and", "and": [with_language]}})[1] == 5


def test_a_change_of_distribution_reaches_the_records(
    owner: Rest, workspace: str, annotators: tuple[Rest, Rest]
) -> None:
    dataset = owner.dataset("distribution", workspace)["id"]
    ids = owner.push(dataset, TEXTS)
    annotators[0].answer(ids[0], "benign")
    assert owner.call("GET", f"/api/v1/datasets/{dataset}/progress")["completed"] == 0
    owner.call("PATCH", f"/api/v1/datasets/{dataset}", {"distribution": {"strategy": "overlap", "min_submitted": 1}})
    until = time.monotonic() + 30
    while owner.call("GET", f"/api/v1/datasets/{dataset}/progress")["completed"] != 1:
        assert time.monotonic() < until, "the job worker did not do it"
        time.sleep(0.2)


def test_a_webhook_hears_what_happens_once_it_is_there(owner: Rest, workspace: str) -> None:
    heard: queue.Queue[str] = queue.Queue()

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.put(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["type"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    dataset = owner.dataset("heard", workspace)["id"]
    ids = owner.push(dataset, TEXTS)  # nobody listens yet
    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        events = ["record.created", "response.created"]
        url = f"http://127.0.0.1:{listener.server_port}/heard"
        hook = owner.call("POST", "/api/v1/webhooks", {"url": url, "events": events, "description": "a test"})["id"]
        try:
            owner.push(dataset, TEXTS, "more")
            owner.answer(ids[0], "benign")
            assert sorted(heard.get(timeout=60) for _ in range(6)) == ["record.created"] * 5 + ["response.created"]
        finally:
            owner.call("DELETE", f"/api/v1/webhooks/{hook}")
            listener.shutdown()
    assert heard.empty()


def test_nothing_is_lost_by_kill_9(
    server: ServerInfo, home: Path, owner: Rest, workspace: str, annotators: tuple[Rest, Rest]
) -> None:
    dataset = owner.dataset("kill", workspace)["id"]
    ids = owner.push(dataset, TEXTS)
    ada, bob = annotators
    ada.answer(ids[3], "benign")
    answered = bob.answer(ids[4], "harmful")
    before = ada.queue(dataset)
    os.kill(server.pid, signal.SIGKILL)
    until = time.monotonic() + 10
    while status(home) and time.monotonic() < until:
        time.sleep(0.05)
    assert status(home) is None
    # The index, which can be made again, may have been torn: what people said comes from the database.
    for name in ("search.db", "search.db-wal"):
        (home / name).write_bytes(b"not a database" * 500)
    again = up(home, port=int(server.url.rpartition(":")[2]))
    assert again.pid != server.pid and again.url == server.url
    assert again.api_key == server.api_key
    assert ada.queue(dataset) == before, "the same queue, and the sign-in still holds"
    assert owner.search(dataset, {"query": {"text": {"q": "how"}}})[1] == 3
    with contextlib.closing(sqlite3.connect(home / "argilla.db")) as db:
        kept = db.execute("SELECT count(*) FROM responses WHERE record_id = ?", (_hex(answered["record_id"], db),))
        assert kept.fetchone()[0] == 1
    assert owner.call("GET", f"/api/v1/datasets/{dataset}/users/progress")["users"]
    assert [one for one in bob.search(dataset, _mine("submitted"))[0] if one["id"] == ids[4]]


def test_a_backup_of_the_running_server_brings_everything_back(
    home: Path, owner: Rest, workspace: str, tmp_path: Path
) -> None:
    dataset = owner.dataset("backup", workspace)["id"]
    ids = owner.push(dataset, TEXTS)
    owner.answer(ids[0], "benign")
    copy = backup(home, tmp_path / "copy")
    with pytest.raises(ServerError, match="already there"):
        backup(home, copy)
    other = restore(copy, tmp_path / "other")
    try:
        twin = up(other, port=0)
        found = Rest(twin.url, owner.headers)
        assert len(found.queue(dataset)) == 4
        with pytest.raises(ServerError, match="runs"):
            restore(copy, other, replace=True)
    finally:
        assert down(other)
    with pytest.raises(ServerError, match="already holds"):
        restore(copy, other)
    with (copy / "argilla.db").open("ab") as file:
        file.write(b"!")
    with pytest.raises(ServerError, match="changed since"):
        restore(copy, tmp_path / "third")


def test_a_taken_port_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerError) as said:
            up(tmp_path / "home", port=port)
    assert str(port) in str(said.value) and "--port" in said.value.fix and "\n" not in str(said.value)


def test_a_server_that_cannot_start_shows_why(tmp_path: Path) -> None:
    (tmp_path / "argilla.db").write_bytes(b"not a database" * 500)
    with pytest.raises(ServerError, match=r"ended with code .*not a database"):
        up(tmp_path, port=0)
    assert status(tmp_path) is None and not down(tmp_path)


def test_a_stale_number_never_hits_a_stranger(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        try:
            (tmp_path / "run").mkdir()
            (tmp_path / "run" / "lock").write_text(str(stranger.pid))
            state = {"pid": stranger.pid, "port": 1, "started": 0}
            (tmp_path / "run" / "server.json").write_text(json.dumps(state))
            assert status(tmp_path) is None
            assert not down(tmp_path)
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_many_ups_make_one_server_and_down_ends_it_in_good_order(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: up(tmp_path, port=0), range(4)))
    (info,) = found
    assert down(tmp_path)
    assert not Path(f"/proc/{info.pid}").exists()
    assert status(tmp_path) is None
    assert (tmp_path / "run" / "clean").exists() and not (tmp_path / "run" / "server.json").exists()
    assert not (tmp_path / "run" / "tmp").exists(), "the copy of the pages goes with the server"
    assert not down(tmp_path)


def _mine(state: str) -> dict[str, object]:
    scope = {"entity": "response", "property": "status"}
    return {"filters": {"type": "and", "and": [{"type": "terms", "scope": scope, "values": [state]}]}}


def _hex(key: str, db: sqlite3.Connection) -> str:
    kept = db.execute("SELECT id FROM records LIMIT 1").fetchone()[0]
    return key if "-" in kept else key.replace("-", "")
