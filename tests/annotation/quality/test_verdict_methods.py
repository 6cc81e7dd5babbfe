"""Verdicts by the method that morbench.toml names."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotation.quality.audit import run_audit
from annotation.quality.evidence import Evidence
from annotation.quality.models.methods import METHODS, judge_all
from annotation.verdicts import run_verdicts
from curation.config import QueueSection
from curation.workspace import Workspace
from tests.annotation.quality.conftest import reviewed


@pytest.fixture
def project(tmp_path: Path) -> Workspace:
    return reviewed(tmp_path / "bench")


def choose_method(workspace: Workspace, method: str) -> Workspace:
    path = workspace.root / "morbench.toml"
    text = path.read_text(encoding="utf-8")
    assert 'aggregation = "' in text
    path.write_text(text.replace('aggregation = "posterior"', f'aggregation = "{method}"'), encoding="utf-8")
    return Workspace.open(workspace.root)


@pytest.mark.parametrize("method", METHODS)
def test_verdicts_are_those_of_the_method(project: Workspace, method: str) -> None:
    workspace = choose_method(project, method)
    verdicts = {row.prompt_id: row for row in run_verdicts(workspace).rows}
    evidence = Evidence.read(workspace)
    judged = {key: row for language in evidence.languages
              for key, row in judge_all(method, [row.rating for row in evidence.of(language)]).items()}  # fmt: skip
    assert {key: (row.verdict, row.posterior, row.agreement, row.responses) for key, row in verdicts.items()} == {
        key: (row.verdict, row.posterior, row.agreement, row.answers) for key, row in judged.items()
    }
    assert run_verdicts(workspace).computed == 0  # nothing is done twice
    table = run_audit(workspace, text_model=False, resamples=20).tables["methods"].rows
    assert [row["differ"] for row in table if row["method"].endswith("(this project's)")] == [0]


def test_the_settings_know_every_method() -> None:
    for method in METHODS:
        assert QueueSection(aggregation=method).aggregation == method  # type: ignore[call-arg, arg-type]
