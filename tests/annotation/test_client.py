from __future__ import annotations

import httpx
import pytest

from annotation.client import Client
from annotation.testing import FakeArgilla
from curation.errors import AnnotationError


def test_a_good_server_and_key_pass(fake: FakeArgilla) -> None:
    with fake.client() as client:
        assert client.check() is client


@pytest.mark.parametrize("version", ["2.7.1", "1.29.0", ""])
def test_an_old_server_is_refused(version: str) -> None:
    with FakeArgilla(version=version).client() as client, pytest.raises(AnnotationError, match=r"2\.8 or newer"):
        client.check()


def test_a_wrong_key_names_where_it_comes_from(fake: FakeArgilla) -> None:
    source = "the environment variable ARGILLA_API_KEY"
    with (
        fake.client(api_key="wrong", key_source=source) as client,
        pytest.raises(AnnotationError, match="401") as caught,
    ):
        client.check()
    assert "ARGILLA_API_KEY" in caught.value.fix
    assert "wrong" not in str(caught.value)


def test_an_annotators_key_is_refused(fake: FakeArgilla) -> None:
    fake.add_user("reader", "annotator", "some-password", "reader.key")
    with fake.client(api_key="reader.key") as client, pytest.raises(AnnotationError, match="role is 'annotator'"):
        client.check()


def test_no_answer_names_the_url(fake: FakeArgilla) -> None:
    fake.fail_after(0)
    with fake.client() as client, pytest.raises(AnnotationError, match=r"http://argilla\.test") as caught:
        client.check()
    assert "queue.url" in caught.value.fix


@pytest.mark.parametrize("body", [b"<html>a page</html>", b"[1]", b'{"items": 3}'])
def test_another_kind_of_server_is_an_error_of_ours(body: bytes) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=body))
    with Client("https://example.test", "key", transport=transport) as client, pytest.raises(AnnotationError):
        client.workspaces()


@pytest.mark.parametrize("url", ["", "localhost:6900", "ftp://x", "http:///x"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(AnnotationError, match="no http"):
        Client(url, "key")


def test_what_a_server_says_cannot_move_the_cursor() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(422, text="\x1b[2J\u202e boom"))
    with Client("http://x.test", "key", transport=transport) as client, pytest.raises(AnnotationError) as caught:
        client.workspaces()
    assert "\x1b" not in str(caught.value)
    assert "\u202e" not in str(caught.value)


def test_pages_join_to_the_whole(fake: FakeArgilla, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotation.client.PAGE", 3)
    fake.records["d"] = {str(number): {"id": f"r{number}", "external_id": str(number)} for number in range(10)}
    with fake.client() as client:
        assert [row["id"] for row in client.records("d")] == [f"r{number}" for number in range(10)]
