"""`morbench audit` and `morbench audit requeue`, as the root command mounts them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from annotation.quality.cli import app
from curation.errors import InputError
from curation.workspace import Workspace
from tests.annotation.quality.conftest import reviewed


@pytest.fixture
def project(tmp_path: Path) -> Workspace:
    return reviewed(tmp_path / "bench", languages=("en",))


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["audit", *arguments])
    if result.exception:
        raise result.exception
    return result.stdout


def test_tables_for_people_and_the_page(project: Workspace) -> None:
    text = run("--project", str(project.root), "--no-text-model")
    assert "Agreement" in text and "Annotators" in text and "carl" in text
    assert Path(text.strip().splitlines()[-1]).name == "report.html"


def test_json_for_programs(project: Workspace) -> None:
    found = json.loads(run("-p", str(project.root), "--no-text-model", "--json"))
    assert found["audit"]["name"] == "audit-001" and Path(found["report"]).exists()
    assert {"agreement", "annotators", "items"} <= {table["name"] for table in found["tables"]}


def test_requeue(project: Workspace) -> None:
    found = json.loads(run("requeue", "-p", str(project.root), "--no-text-model", "--at-most", "4", "--json"))
    assert len(found["items"]) == 4
    assert json.loads(Path(found["file"]).read_text(encoding="utf-8"))["items"] == found["items"]
    assert (
        "--from-requeue"
        in CliRunner().invoke(app, ["audit", "requeue", "-p", str(project.root), "--no-text-model"]).output
    )


def test_an_unknown_language_is_named(project: Workspace) -> None:
    with pytest.raises(InputError, match="xx"):
        run("requeue", "-p", str(project.root), "--language", "xx")


def test_help_shows_an_example() -> None:
    assert "Example" in run("--help") and "Example" in run("requeue", "--help")
