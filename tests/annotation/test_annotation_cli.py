from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from annotation import queue
from annotation.accounts import Passwords, accounts_path
from annotation.cli import app
from annotation.testing import FakeArgilla
from curation.errors import WorkspaceError
from curation.workspace import Workspace


@pytest.fixture
def morbench(workspace: Workspace, fake: FakeArgilla, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command in the project, on the fake server; returns its output, parsed with --json."""
    monkeypatch.setattr(queue, "connect", lambda workspace, port=None: fake.client(server="embedded"))

    def run(*arguments: str) -> Any:
        result = CliRunner().invoke(app, [*arguments, "--project", str(workspace.root)], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout) if "--json" in arguments else result.output

    return run


def test_the_whole_way(morbench: Any) -> None:
    assert [row["sent"] for row in morbench("annotate", "push", "--json")["batches"]] == [6, 6]
    assert [row["sent"] for row in morbench("annotate", "push", "--json")["batches"]] == [0, 0]
    assert morbench("annotate", "simulate", "--json") == {"answers": 36}
    pulled = morbench("annotate", "pull", "--json")
    assert (pulled["answers"], pulled["rejects"], pulled["news"]) == (36, 0, True)
    assert all(row["simulated"] for row in pulled["annotators"])
    assert not morbench("annotate", "pull", "--simulate", "--json")["news"]
    rows = morbench("verdicts", "--json")
    assert [row["language"] for row in rows] == ["ar", "en"]
    assert all(row["benign"] + row["harmful"] + row["controversial"] == row["of them simulated"] == 6 for row in rows)
    assert "verdicts" in morbench("verdicts")
    assert "en-simulated-1" in morbench("annotate", "pull")


def test_passwords_are_shown_only_when_asked(morbench: Any, workspace: Workspace) -> None:
    quiet = morbench("annotate", "users")
    password = Passwords(accounts_path(workspace), "embedded").of("en-annotator-1")
    assert password
    assert password not in quiet
    assert "en-annotator-1" in quiet
    assert password not in json.dumps(morbench("annotate", "users", "--json"))
    assert password in morbench("annotate", "users", "--show-passwords")
    assert password not in morbench("annotate", "users", "--show-passwords", "--reset-passwords")


def test_status_and_down_without_a_server(morbench: Any) -> None:
    assert morbench("annotate", "status", "--json") == {"running": False}
    assert morbench("annotate", "down", "--json") == {"stopped": False}


def test_two_commands_do_not_write_at_once(morbench: Any, workspace: Workspace) -> None:
    with workspace.locked(), pytest.raises(WorkspaceError, match="another morbench command"):
        morbench("annotate", "pull")


@pytest.mark.parametrize("command", [["annotate", name] for name in (
    "up", "down", "status", "users", "push", "pull", "simulate")] + [["verdicts"]])  # fmt: skip
def test_help_has_an_example(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    assert f"morbench {' '.join(command)}" in result.output
