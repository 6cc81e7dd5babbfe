"""Small things that several tests of curation use."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.records import Prompt
from curation.steps import Output, Step
from curation.testing import LetterEncoder
from curation.workspace import Workspace


@pytest.fixture
def letters() -> LetterEncoder:
    return LetterEncoder()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "bench", ("en", "es"))


@pytest.fixture
def write(workspace: Workspace):
    """Put records into a table of the project as if a step had written them."""

    def put(step: str, rows: list, kind: type = Prompt):
        return workspace.run(Step(step, 1, {}, lambda: Output), rows, kind)

    return put
