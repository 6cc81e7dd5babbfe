"""argilla-server's own tests of a search engine, unmodified, on ours. They are downloaded, never kept here."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from annotation.server import environment
from curation.cache import cache_folder
from curation.errors import ServerError
from tests.annotation.server.sdist import unpacked

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(900)]

HERE = Path(__file__).parent
CHILD = Path(environment.__file__).parent / "child"
UPSTREAM = ("pytest<8", "pytest-asyncio~=0.21.1", "factory-boy~=3.2.1", "pytest-mock", "pytest-env", "respx")
# Six tests make thousands of users one by one; they look at the mapping only and take four fifths of the time.
SLOW = "annotators_limits or annotator_limits"
KEPT = 109


@pytest.fixture(scope="session")
def python() -> Path:
    """A second environment that sees the server's packages and adds what upstream's tests need."""
    server = environment.server_python()
    found = [server, "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.run(found, capture_output=True, text=True, check=True).stdout.strip()
    return _extended(Path(packages))


def _extended(packages: Path) -> Path:
    folder = environment.environment_folder(cache_folder()).with_suffix(".tests")
    made = environment.python_of(folder)
    if (folder / environment.MARKER).exists():
        return made
    log = folder.with_suffix(".tests.log")
    environment.make_environment(folder, log)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "server.pth").write_text(f"{packages}\n", encoding="utf-8")
    try:
        environment.install(folder, *UPSTREAM, log=log)
    except ServerError as exc:
        pytest.skip(f"no package index: {exc}")
    (folder / environment.MARKER).write_text("\n", encoding="utf-8")
    return made


@pytest.fixture(scope="session")
def sources(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of argilla-server, which hold its tests."""
    return unpacked(python, "argilla-server", environment.ARGILLA, tmp_path_factory.mktemp("sources"))


def test_upstreams_search_tests_pass(python: Path, sources: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(python, "-m", "pytest", "-p", "plugin_for_upstream", "-q", "-o", "log_cli=false"),
            *("tests/unit/search_engine/test_commons.py", "-k", f"not ({SLOW})"),
        ],
        cwd=sources,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "ARGILLA_"))},
            "ARGILLA_HOME_PATH": str(tmp_path),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "MORBENCH_CHILD": str(CHILD),
            "PYTHONPATH": os.pathsep.join((str(HERE), str(sources))),
        },
        capture_output=True,
        text=True,
    )
    tail = done.stdout[-3000:] + done.stderr[-1000:]
    assert done.returncode == 0, tail
    passed = re.search(r"(\d+) passed, (\d+) deselected", done.stdout)
    assert passed and int(passed[1]) == KEPT, tail
