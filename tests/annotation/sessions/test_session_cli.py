from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from annotation import queue
from annotation.cli import app as annotation_app
from annotation.sessions.cli import app
from annotation.testing import FakeArgilla
from curation.workspace import Workspace

COMMANDS = ("open", "advance", "status", "pause", "resume", "reassign", "extend", "adjudicate", "close")


@pytest.fixture
def morbench(workspace: Workspace, fake: FakeArgilla, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command in the project, on the fake server; returns its output, parsed with --json."""
    monkeypatch.setattr(queue, "connect", lambda workspace, port=None: fake.client(server="embedded"))

    def run(*arguments: str) -> Any:
        program = app if arguments[0] == "session" else annotation_app
        result = CliRunner().invoke(program, [*arguments, "--project", str(workspace.root)], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout) if "--json" in arguments else result.output

    return run


def test_the_whole_way_with_simulated_people(morbench: Any, workspace: Workspace) -> None:
    assert morbench("session", "status", "--json") == []
    opened = morbench("session", "open", "demo", "--simulated", "--items-per-person", "12", "--overlap", "2",
                      "--calibration", "4", "--json")  # fmt: skip
    assert [(row["round"], row["items"], row["sent"]) for row in opened["queues"]] == [("calibration", 4, 4)] * 3
    assert morbench("annotate", "simulate", "--json") == {"answers": 12}
    done = morbench("session", "advance", "demo", "--json")
    assert [row["of"] for row in done["feedback"]] == [4, 4, 4]
    assert [row["sent"] for row in done["queues"] if row["round"] == "work"] == [12, 12, 12]
    assert morbench("annotate", "simulate", "--json") == {"answers": 36}
    assert morbench("session", "adjudicate", "demo", "--by", "lead-simulated-1", "--json")["added"] > 0
    morbench("annotate", "simulate")
    (shown,) = morbench("session", "status", "demo", "--json")
    assert (shown["state"], shown["reminders"]) == ("open", [])
    assert {row["left"] for row in shown["progress"]} == {0}
    closed = morbench("session", "close", "demo", "--json")
    assert (closed["state"], closed["left"]) == ("closed", 0)
    assert closed["answers"] > 48
    verdicts = morbench("verdicts", "--json")
    assert sum(row["of them simulated"] for row in verdicts) == sum(
        row[kind] for row in verdicts for kind in ("benign", "harmful", "controversial"))  # fmt: skip


def test_changes_by_command(morbench: Any) -> None:
    morbench("session", "open", "first", "-l", "en", "-a", "anna, bob,carl", "--items-per-person", "6", "--overlap", "2",
             "--calibration", "0")  # fmt: skip
    assert morbench("session", "pause", "first", "--json")["state"] == "paused"
    assert "paused" in morbench("session", "status", "first")
    assert morbench("session", "resume", "first", "--json")["state"] == "open"
    assert morbench("session", "reassign", "first", "--from", "anna", "--json") == {
        "session": "first", "reassigned": 6, "stayed": 0}  # fmt: skip
    assert "dora" in morbench("session", "extend", "first", "-l", "en", "-a", "dora", "--items", "2")
    assert "left" in morbench("session", "status")
    assert morbench("session", "adjudicate", "first", "--json") == {"session": "first", "added": 0, "nobody_left": 0}
    closed = morbench("session", "close", "first", "--json")
    assert (closed["state"], closed["answers"]) == ("closed", 0)
    assert closed["left"] > 12


def test_gold_from_a_file_by_command(morbench: Any, workspace: Workspace, tmp_path: Path) -> None:
    key = dict.fromkeys([row.id for row in workspace.prompts().values() if row.intent == "unknown"][:8], "benign")
    path = tmp_path / "key.json"
    path.write_text(json.dumps(key))
    morbench(
        "session", "open", "first", "-a", "anna,bob", "--overlap", "2", "--gold-file", str(path), "--pre-annotated"
    )
    from annotation.sessions.gold import gold_answers

    assert gold_answers(workspace).items() <= key.items()


def test_that_there_is_no_gold_is_said(morbench: Any, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text("{}")
    people = ("-l", "en", "-a", "anna,bob", "--overlap", "2", "--items-per-person", "4", "--calibration", "0")
    assert "no gold items" in morbench("session", "open", "first", *people, "--gold-file", str(tmp_path / "key.json"))
    assert "no gold items" not in morbench("session", "open", "second", *people, "--gold-file", str(tmp_path / "key.json"),
                                           "--gold", "0")  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str) -> None:
    result = CliRunner().invoke(app, ["session", command, "--help"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    assert f"morbench session {command} review-1" in result.output
