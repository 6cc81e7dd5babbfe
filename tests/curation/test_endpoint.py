"""Endpoints: every chat comes back as a text or a failure, whatever the server does; the key stays where it is."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.endpoint import ATTEMPTS, KEY_VARIABLE, Completion, Decoding, Endpoint, EndpointClient, parse_endpoint
from curation.errors import ConfigError
from tests.endpoint_server import Answer, Behaviour, Server, last_turn, said, serving

KEY = "sk-do-not-show-1234567890"
DECODING = Decoding(16, 0.7, 0.9, 11)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)


def chat(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def ask(server: Server, texts: list[str], **settings: Any) -> list[Completion]:
    with EndpointClient(parse_endpoint(server.name), **{"sleep": lambda _: None, **settings}) as client:
        return client.complete([chat(text) for text in texts], DECODING)


def one(behaviour: Behaviour, **settings: Any) -> tuple[Completion, Server]:
    with serving(behaviour) as server:
        (found,) = ask(server, ["Hello"], **settings)
        return found, server


def test_completions_come_in_the_order_of_the_chats() -> None:
    def slower_first(body: dict[str, Any], _: int) -> Answer:
        text = last_turn(body)
        return said(f"echo {text}")._replace(wait=0.05 if text.endswith("0") else 0.0)

    texts = [f"text {number}" for number in range(25)]
    with serving(slower_first) as server:
        assert [row.text for row in ask(server, texts)] == [f"echo {text}" for text in texts]
        assert set(server.paths) == {"/v1/chat/completions"}
        assert {(body["model"], body["max_tokens"], body["seed"]) for body in server.requests} == {("writer", 16, 11)}


def test_no_more_chats_at_a_time_than_workers() -> None:
    now, most, lock = [0], [0], threading.Lock()

    def count(_body: dict[str, Any], _: int) -> Answer:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.01)
        with lock:
            now[0] -= 1
        return said("yes")

    with serving(count) as server:
        ask(server, ["x"] * 20, workers=3)
    assert most[0] <= 3


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_busy_server_is_asked_again(status: int) -> None:
    pauses: list[float] = []
    found, server = one(
        lambda _, number: said("at last") if number == 2 else Answer(b"busy", status), sleep=pauses.append
    )
    assert found == Completion("at last")
    assert len(server.requests) == 3
    assert pauses == [0.5, 1.0]


def test_a_server_says_how_long_to_wait_within_reason() -> None:
    pauses: list[float] = []
    waits = iter(["3", "99999", "Wed, 21 Oct 2015 07:28:00 GMT", "1"])
    found, server = one(lambda *_: Answer(b"", 429, {"Retry-After": next(waits)}), sleep=pauses.append)
    assert (found.failure, found.down) == ("HTTP 429", True)
    assert len(server.requests) == ATTEMPTS
    assert pauses == [3.0, 20.0, 2.0]


@pytest.mark.parametrize(
    ("status", "down"), [(400, False), (401, True), (403, True), (404, True), (422, False), (302, True)]
)
def test_what_asking_again_cannot_mend_is_asked_once(status: int, down: bool) -> None:
    found, server = one(lambda *_: Answer(b"", status, {"Location": "http://127.0.0.1:1/elsewhere"}))
    assert (found.text, found.down) == ("", down)
    assert found.failure.startswith(f"HTTP {status}")
    assert len(server.requests) == 1


GARBAGE = [b"", b"<html>It works!</html>", b"{", b"null", b"[]", b"{}", b'{"choices": []}', b'{"choices": [{}]}',
           b'{"choices": [{"message": null}]}', b'{"choices": [{"message": {"content": 3}}]}', b"\xff\xfe",
           said("").body, said("  \n").body, said(None).body, b"[" * 100_000]  # fmt: skip


@pytest.mark.parametrize("body", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_a_failure(body: bytes) -> None:
    found, server = one(lambda *_: Answer(body))
    assert found.text == ""
    assert found.failure
    assert len(server.requests) == 1


def test_a_flood_is_cut_off() -> None:
    found, _ = one(lambda *_: said("x" * 5_000_000))
    assert found.text == ""
    assert found.failure


@pytest.mark.parametrize("answer", [said("late")._replace(wait=30.0), said("drop by drop" * 20)._replace(drops=1)])
def test_a_slow_server_is_asked_again_and_then_given_up(answer: Answer) -> None:
    found, server = one(lambda *_: answer, timeout=0.15)
    assert found == Completion("", failure="no answer within 0.15 s", down=True)
    assert len(server.requests) == ATTEMPTS


def test_nobody_listens() -> None:
    with serving(lambda *_: said("")) as server:
        name = server.name
    with EndpointClient(parse_endpoint(name), sleep=pytest.fail) as client:
        (found,) = client.complete([chat("Hello")], DECODING)
    assert (found.text, found.down) == ("", True)
    assert "no connection" in found.failure


def test_what_the_model_says_of_itself() -> None:
    assert one(lambda *_: said("cut", "length"))[0] == Completion("cut", finished=False)
    assert one(lambda *_: said(None, refusal="I can't help with that."))[0] == Completion("I can't help with that.")


def test_any_text_can_be_sent() -> None:
    with serving(lambda body, _: said(last_turn(body))) as server:
        (found,) = ask(server, ["\ud800 \x00 {0} %s </s> 你好"])
    assert found.text == "? \x00 {0} %s </s> 你好"


def test_the_key_is_sent_to_the_endpoint_and_shown_nowhere() -> None:
    message = json.dumps({"error": {"message": f"no such parameter, {KEY}"}}).encode()
    for behaviour in (lambda *_: said(f"Your key is {KEY}"), lambda *_: Answer(message, 400),
                      lambda *_: Answer(message, 401), lambda *_: Answer(KEY.encode(), 500)):  # fmt: skip
        found, server = one(behaviour)
        assert {row["Authorization"] for row in server.headers} == {f"Bearer {KEY}"}
        assert KEY not in repr(found)
        assert found.failure
    found, _ = one(lambda *_: Answer(message, 400))
    assert found.failure == "HTTP 400 no such parameter, …"


def test_the_key_travels_over_https_or_stays_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for url, sent in (("http://example.org/v1", False), ("https://example.org/v1", True), ("http://localhost:1/v1", True),
                      ("http://[::1]:1/v1", True), ("http://127.0.0.1.example.org/v1", False)):  # fmt: skip
        with EndpointClient(Endpoint(url, "m")) as client:
            assert ("Authorization" in client._http.headers) == sent
            assert KEY not in repr(client) + repr(client.endpoint)
    monkeypatch.delenv(KEY_VARIABLE)
    found, server = one(lambda *_: said("yes"))
    assert found.text == "yes"
    assert "Authorization" not in server.headers[0]


@pytest.mark.parametrize("value", [f"{KEY}\nX-Other: 1", f"{KEY} {KEY}", f"{KEY}é"])
def test_a_key_that_is_none_is_one_line_without_it(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(KEY_VARIABLE, value)
    with pytest.raises(ConfigError) as found:
        EndpointClient(Endpoint("https://example.org/v1", "m"))
    assert "\n" not in str(found.value)
    assert "sk-" not in str(found.value)


@pytest.mark.parametrize("name", [
    "http://", "https://#m", "http://host/v1", "http://host/v1#", "http://user:secret@host/v1#m", "http://host/v1?key=secret#m",
    "http://[::1/v1#secretless", "http://host:port/v1#m", "http://user:se/cret@host/v1#m", "http://host:99999/v1#m",
])  # fmt: skip
def test_a_wrong_address_is_one_line_without_its_login(name: str) -> None:
    with pytest.raises(ConfigError) as found:
        parse_endpoint(name)
    assert "\n" not in str(found.value)
    assert "secret@" not in str(found.value)
    assert "=secret" not in str(found.value)
    assert "cret@" not in str(found.value)


@given(st.text(max_size=40))
def test_any_address_is_understood_or_refused(text: str) -> None:
    try:
        endpoint = parse_endpoint(f"http://{text}")
    except ConfigError:
        return
    assert parse_endpoint(endpoint.name) == endpoint
