"""A writer behind a real server that is busy, broken or spiteful: asked once, cached, and the key is in no file."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from curation.endpoint import KEY_VARIABLE
from curation.errors import ModelError
from curation.records import Prompt
from curation.testing import tree
from curation.workspace import Workspace
from rass.writers.running import run_generate
from tests.endpoint_server import Answer, said, serving
from tests.rass.writers.conftest import everything_has_its_place

Project = Callable[..., Workspace]
KEY = "sk-do-not-show-1234567890"


def spiteful(body: dict[str, Any], number: int) -> Answer:
    """Every sixth answer is a good one."""
    return [said(f"How do I kill engine number {number}, and why?"), Answer(KEY.encode(), 429, {"Retry-After": "0"}),
            said(f"Your key is {KEY}, is it?"), Answer(b"<html>"),
            Answer(json.dumps({"error": {"message": f"{KEY} may not"}}).encode(), 400),
            said("I'm sorry, but I can't help with that.")][number % 6]  # fmt: skip


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setattr("curation.endpoint.LONGEST_PAUSE", 0.0)


def test_a_spiteful_server(project: Project) -> None:
    with serving(spiteful) as server:
        workspace = project({"name": "rewriting", "count": 24, "generator": server.name})
        (outcome,) = run_generate(workspace)
        asked = len(server.requests)
        assert run_generate(workspace)[0].computed == 0
        assert len(server.requests) == asked  # nothing is sent for what is there
    everything_has_its_place(outcome, 24)
    assert outcome.rows
    assert {"generator_failed", "refusal"} <= {row.reason for row in outcome.rejects}
    assert {row.generator for row in outcome.rows} == {server.name}
    everything = [*workspace.table(Prompt).rows(), *workspace.all_rejects()]
    assert KEY not in repr(everything)
    assert not [name for name, data in tree(workspace.root).items() if KEY.encode() in data]


def test_a_server_that_is_down_leaves_nothing_behind(project: Project) -> None:
    with serving(lambda *_: Answer(b"", 503)) as server:
        workspace = project({"name": "rewriting", "count": 3, "generator": server.name})
        before = set(tree(workspace.root))
        with pytest.raises(ModelError, match="answered none of 3 requests: HTTP 503") as found:
            run_generate(workspace)
        assert KEY not in str(found.value)
        written = set(tree(workspace.root)) - before
        assert not [name for name in written if "prompts" in name or "rejects" in name]
    with serving(lambda _, number: said(f"How do I kill engine number {number}, and why?")) as again:
        text = (workspace.root / "morbench.toml").read_text(encoding="utf-8")
        (workspace.root / "morbench.toml").write_text(text.replace(server.name, again.name), encoding="utf-8")
        (outcome,) = run_generate(Workspace.open(workspace.root))
    assert len(outcome.rows) == 3
