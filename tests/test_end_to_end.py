"""The whole recipe as a user runs it, killed twice on the way, against an uninterrupted run: the same bytes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from curation.records import Prompt, RefusalLabel, Reply, Response, Triage, Verdict
from curation.workspace import CHOSEN, Workspace
from releases.manifest import verify
from tests.small import small_pack

pytestmark = [pytest.mark.server, pytest.mark.model]

SETTINGS = {"mutations": 10, "samples": 6, "harmful": 6, "per_language": 12, "max_new_tokens": 12}
TARGET = '[[targets]]\nname = "reference-en"\nmodel = "reference-en"\n'
TABLES = ("prompts", "identifications", "duplicates", "replies", "labels", "margins", "triage", "verdicts", "rejects", "boundaries",
          "releases", "scores", "report")  # fmt: skip


def morbench(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "releases.cli", *arguments], cwd=cwd, env=environment(), capture_output=True,
                          text=True, check=False, timeout=400)  # fmt: skip


def environment() -> dict[str, str]:
    """This process's environment, with the packages under test on the path."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "HF_HUB_OFFLINE": "1"}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def make_project(parent: Path) -> Path:
    """`morbench init bench`, with fewer of everything, one target and a small pack."""
    parent.mkdir()
    done = morbench("init", "bench", "--languages", "en", cwd=parent)
    assert done.returncode == 0, done.stderr
    path = parent / "bench/morbench.toml"
    before, _, after = path.read_text(encoding="utf-8").partition("[[targets]]")
    changed = SETTINGS | {"port": free_port()}
    lines = [f"{key} = {changed[key]}" if (key := line.partition(" ")[0]) in changed else line
             for line in f"{before}{TARGET}[replies]{after.partition('[replies]')[2]}".splitlines()]  # fmt: skip
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    small_pack(parent / "bench/languages")
    return parent / "bench"


@pytest.fixture
def projects(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Two equal projects in two folders; their servers are stopped at the end."""
    made = make_project(tmp_path / "straight"), make_project(tmp_path / "killed")
    yield made
    for project in made:
        done = morbench("annotate", "down", "--project", str(project), cwd=project)
        assert done.returncode == 0, done.stderr


def run_until(project: Path, there: Callable[[], bool]) -> None:
    """Run the recipe and kill it with SIGKILL as soon as something is there."""
    with (project.parent / "killed.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "releases.cli", "run", "--simulate", "-p", str(project)], cwd=project,
                                   env=environment(), stdout=log, stderr=log)  # fmt: skip
    deadline = time.monotonic() + 300
    while not there():
        assert process.poll() is None, (project.parent / "killed.log").read_text(encoding="utf-8")
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def run(project: Path) -> subprocess.CompletedProcess[str]:
    done = morbench("run", "--simulate", "--json", "-p", str(project), cwd=project)
    assert done.returncode == 0, done.stderr
    return done


def files(project: Path) -> dict[str, bytes]:
    """Every file of the tables and of what was made from them; temporary files that a kill left are hidden ones."""
    found = {}
    for table in TABLES:
        for path in sorted((project / table).rglob("*")):
            name = path.relative_to(project)
            # answers carry the server's clock, and their shards are named by content
            if (
                path.is_file()
                and not any(part.startswith(".") for part in name.parts)
                and name.parts[:2] != ("rejects", "responses")
            ):
                found[name.as_posix()] = path.read_bytes()
    return found


def answers(project: Path) -> list[tuple[str, str, str, str, bool]]:
    rows = Workspace.open(project).table(Response).rows()
    return sorted((row.prompt_id, row.batch, row.annotator, row.answer, row.simulated) for row in rows)


def stamps(project: Path) -> dict[str, int]:
    return {path.relative_to(project).as_posix(): path.stat().st_mtime_ns for path in project.rglob("*.parquet")}


def test_killed_twice_gives_the_bytes_of_an_uninterrupted_run(projects: tuple[Path, Path]) -> None:
    straight, killed = projects
    shown = json.loads(run(straight).stdout)
    run_until(killed, lambda: any((killed / "replies/shards").glob("*.parquet")))
    assert not (killed / "triage").exists()
    run_until(killed, lambda: (killed / "annotation/accounts.json").exists())
    assert (killed / "triage/triage.json").exists()
    assert not (killed / "responses").exists()
    run(killed)
    ours, theirs = files(killed), files(straight)
    assert sorted(ours) == sorted(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert answers(killed) == answers(straight)
    check_result(straight, shown)
    before, once = stamps(killed), files(killed)
    again = run(killed)
    assert stamps(killed) == before
    assert files(killed) == once
    assert again.stderr.count("(nothing to do)") >= 10, again.stderr


def check_result(project: Path, shown: dict) -> None:
    """What the run left is whole, marked as simulated, and adds up."""
    workspace = Workspace.open(project)
    assert verify(project / "releases/0.1.0") == []
    manifest = json.loads((project / "releases/0.1.0/manifest.json").read_text(encoding="utf-8"))
    assert manifest["draft"]
    assert [gate["held"] for gate in manifest["gates"] if gate["name"] == "people_only"] == [False]
    queued = [row for row in workspace.table(Triage).rows() if row.batch]
    verdicts = workspace.table(Verdict).rows()
    assert len(queued) == len(verdicts) == manifest["rows"]["total"] == 12
    assert all(row.simulated for row in verdicts)
    assert len(answers(project)) == 3 * 12
    prompts = {row.id: row for row in workspace.table(Prompt).rows()}
    replies = workspace.table(Reply).rows()
    assert {row.id for row in workspace.alive(CHOSEN)} <= {row.prompt_id for row in replies}
    labels = {row.prompt_id: row.label for row in workspace.table(RefusalLabel).rows()}
    assert set(labels) == {row.prompt_id for row in replies}
    harmful = [labels[row.id] == "full_refusal" for row in prompts.values() if row.intent == "harmful"]
    assert sum(harmful) >= len(harmful) / 2  # the model does refuse
    stages = {(row["stage"], row["detail"]): row["total"] for row in shown["funnel"]}
    assert stages["answered", "responses by simulated annotators"] == 36
    assert stages["released", "version 0.1.0 (draft)"] == 12
    assert Path(shown["report"]).exists()
