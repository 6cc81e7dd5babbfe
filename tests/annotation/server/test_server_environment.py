"""The server's environment: made whole or not at all, found again, and never guessed."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from annotation.server import environment
from curation.errors import ServerError

LINES = environment.LOCK.read_text(encoding="utf-8").splitlines()


@pytest.fixture(autouse=True)
def without_own_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(environment.OVERRIDE, raising=False)


def fake_maker(monkeypatch: pytest.MonkeyPatch, calls: list[str], fail: bool = False) -> None:
    """In place of venv and pip: a folder with an interpreter that does nothing."""

    def run(command: list[str], log: Path) -> None:
        calls.append(" ".join(map(str, command)))
        if "venv" in command:
            python = environment.python_of(Path(command[-1]))
            python.parent.mkdir(parents=True)
            python.write_text("#!/bin/sh\n")
            python.chmod(0o755)
        elif fail and "install" in command:
            log.write_text("no space left on device\n")
            raise ServerError("the environment could not be made")

    monkeypatch.setattr(environment, "_run", run)
    monkeypatch.setattr(environment.shutil, "which", lambda _: None)


def test_the_lock_names_one_exact_version_of_everything_and_no_place() -> None:
    packages = [line for line in LINES if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9.-]+==[a-zA-Z0-9.!+]+( ; .+)?", line) for line in packages)
    assert f"argilla-server=={environment.ARGILLA}" in packages
    assert not re.search(r"https?:|--|@", "\n".join(LINES))


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_each_python_gets_each_package_once(version: str) -> None:
    markers = pytest.importorskip("packaging.markers")
    names = []
    for line in LINES:
        name, _, rest = line.partition("==")
        marker = rest.partition(";")[2].strip()
        where = {"python_version": version, "platform_machine": "x86_64"}
        if not line.startswith("#") and (not marker or markers.Marker(marker).evaluate(where)):
            names.append(name)
    assert len(names) == len(set(names)) and {"numpy", "pandas", "pyarrow"} <= set(names)


def test_it_is_made_once_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    fake_maker(monkeypatch, calls)
    first = environment.server_python(tmp_path)
    made = len(calls)
    assert environment.server_python(tmp_path) == first and len(calls) == made
    assert first.exists() and (first.parent.parent / environment.MARKER).exists()


def test_pip_takes_over_where_uv_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    fake_maker(monkeypatch, calls)
    by_pip = environment._run

    def run(command: list[str], log: Path) -> None:
        if command[:2] == ["uv", "pip"]:
            raise ServerError("uv knows no such index")
        by_pip(command, log)

    monkeypatch.setattr(environment, "_run", run)
    monkeypatch.setattr(environment.shutil, "which", lambda _: "uv")
    assert environment.server_python(tmp_path).exists()
    assert calls[0].startswith("uv venv") and " -m venv " in calls[1] and " -m pip install " in calls[2]


def test_many_at_once_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    fake_maker(monkeypatch, calls)
    threads = [threading.Thread(target=environment.server_python, args=(tmp_path,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([call for call in calls if "venv" in call]) == 1


def test_a_half_made_one_is_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    folder = environment.environment_folder(tmp_path)
    half = environment.python_of(folder)
    half.parent.mkdir(parents=True)
    half.write_text("half")
    fake_maker(monkeypatch, calls, fail=True)
    with pytest.raises(ServerError):
        environment.server_python(tmp_path)
    assert not folder.exists() and not folder.with_suffix(".draft").exists()
    fake_maker(monkeypatch, calls)
    assert environment.server_python(tmp_path).read_text() != "half"


def test_another_lock_is_another_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = environment.environment_folder(tmp_path)
    changed = tmp_path / "lock.txt"
    changed.write_text("argilla-server==2.8.0\n")
    monkeypatch.setattr(environment, "LOCK", changed)
    assert environment.environment_folder(tmp_path) != before


def test_a_python_of_ones_own_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for own, why in ((tmp_path / "none", "does not run"), (Path("/bin/sh"), "cannot run")):
        monkeypatch.setenv(environment.OVERRIDE, str(own))
        with pytest.raises(ServerError, match=why) as said:
            environment.server_python(tmp_path)
        assert environment.OVERRIDE in str(said.value) and "argilla-server==2.8.0" in said.value.fix


def test_a_python_too_new_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "NEWEST", (3, 8))
    with pytest.raises(ServerError, match=r"3\.10 to 3\.8") as said:
        environment.server_python(tmp_path)
    assert environment.OVERRIDE in said.value.fix


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServerError, match="cannot write") as said:
        environment.server_python(tmp_path / "file")
    assert "MORBENCH_CACHE" in said.value.fix


def test_what_pip_says_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(ServerError, match="no such wonder"):
        environment._run(["/bin/sh", "-c", "echo no such wonder; exit 1"], log)
    with pytest.raises(ServerError, match="cannot run"):
        environment._run([str(tmp_path / "missing")], log)
