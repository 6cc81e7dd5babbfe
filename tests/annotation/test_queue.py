from __future__ import annotations

from pathlib import Path

import pytest

from annotation import queue
from annotation.client import Client
from annotation.queue import connect, run_queue, where
from annotation.testing import URL, FakeArgilla
from curation.errors import AnnotationError
from curation.workspace import Workspace


def point_to(workspace: Workspace, url: str) -> Workspace:
    path = workspace.root / "morbench.toml"
    path.write_text(path.read_text().replace('url = ""', f'url = "{url}"'))
    return Workspace.open(workspace.root)


def test_another_argilla_needs_a_key(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARGILLA_API_KEY", raising=False)
    with pytest.raises(AnnotationError, match="ARGILLA_API_KEY is not set") as caught:
        connect(point_to(workspace, URL))
    assert "My settings" in caught.value.fix


@pytest.mark.parametrize("key", ["owner.key", "nobody's"])
def test_another_argilla_is_checked_before_use(
    workspace: Workspace, fake: FakeArgilla, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    remote = point_to(workspace, URL)
    monkeypatch.setenv("ARGILLA_API_KEY", key)
    monkeypatch.setattr(queue, "Client", lambda url, key, **more: Client(url, key, transport=fake.transport(), **more))
    if key == "owner.key":
        assert run_queue(remote) == f"12 records in 2 batches on {URL}, 12 sent now"
        assert run_queue(remote).endswith(" 0 sent now")
        found = where(remote)
        assert found["argilla"] == URL
        assert found["annotators"].endswith(str(remote.root / "annotation" / "accounts.json"))
    else:
        with pytest.raises(AnnotationError, match="401"):
            connect(remote)


def test_where_starts_nothing(workspace: Workspace) -> None:
    assert where(workspace) == {"argilla": "not running (morbench annotate up)"}
    assert not (workspace.root / "annotation").exists()


def test_the_servers_folder_is_private(workspace: Workspace) -> None:
    home = queue.server_home(workspace)
    assert home == Path(workspace.root / "annotation" / "server")
    assert home.stat().st_mode & 0o777 == 0o700
