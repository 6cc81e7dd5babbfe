"""Fixtures of the embedded server's tests. The server's environment is made once, in the user's cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from annotation.server import ServerInfo, down, up
from tests.annotation.server.rest import Rest


def pytest_configure(config: pytest.Config) -> None:
    """Name the markers of this folder."""
    config.addinivalue_line("markers", "server: starts a real Argilla server (made on first use: 600 MB)")
    config.addinivalue_line("markers", "conformance: runs argilla-server's own search tests; downloads its sources")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose server, if one was started, is stopped at the end. Its name has every odd character."""
    folder = tmp_path_factory.mktemp("home") / "a b%20?ü'\"#"
    yield folder
    down(folder)


@pytest.fixture
def server(home: Path) -> ServerInfo:
    """The running server, found again for each test (one of them kills it)."""
    return up(home, port=0)


@pytest.fixture(scope="module")
def owner(home: Path) -> Rest:
    """The owner, by API key."""
    info = up(home, port=0)
    return Rest(info.url, {"X-Argilla-Api-Key": info.api_key})
