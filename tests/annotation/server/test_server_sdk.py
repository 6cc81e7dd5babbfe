"""The SDK's own integration tests, unmodified, against our server. They are downloaded, never kept here."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from annotation.server import ServerInfo
from tests.annotation.server.sdist import unpacked

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(1200)]

HERE = Path(__file__).parent
VERSION = "2.8.0"
PASSED = 114
SKIPPED = 19  # they need a token for the Hub, or are skipped by their authors


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of the SDK that is installed, which hold its tests."""
    installed = importlib.metadata.version("argilla")
    if installed != VERSION:
        pytest.skip(f"argilla {installed} is installed; it is known of {VERSION} how many of its tests pass")
    return unpacked(sys.executable, "argilla", VERSION, tmp_path_factory.mktemp("sources"))


def test_the_sdks_own_tests_pass(server: ServerInfo, sources: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "plugin_for_sdk",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
    ]
    hidden = ("PYTEST_", "ARGILLA_", "HF_")
    done = subprocess.run(
        [*command, "--rootdir", str(sources), "tests/integration"],
        cwd=sources,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(hidden)},
            "ARGILLA_API_URL": server.url,
            "ARGILLA_API_KEY": server.api_key,
            "HF_HOME": str(tmp_path),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "PYTHONPATH": str(HERE),
        },
        capture_output=True,
        text=True,
    )
    tail = done.stdout[-5000:] + done.stderr[-1000:]
    assert done.returncode == 0, tail
    counts = {kind: int(number) for number, kind in re.findall(r"(\d+) (passed|failed|skipped|error)", tail)}
    assert counts == {"passed": PASSED, "skipped": SKIPPED}, tail
