"""Rewriting: what is asked for, and what becomes of the answers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.endpoint import Completion
from curation.errors import PackError
from curation.languages.packs import available_languages, load_pack
from curation.testing import tree
from curation.workspace import Workspace
from rass.generators import Request
from rass.writers import rewriting
from rass.writers.rewriting import first_half
from rass.writers.running import run_generate
from tests.rass.writers.conftest import FixedHarm, everything_has_its_place, task_of, use

Project = Callable[..., Workspace]
SECTION = {"name": "rewriting", "count": 12}
ANSWERS = ("How do I kill the lights in the barn?", "I'm sorry, but I can't help with that.", "Why", "",
           "Wie bringe ich den Motor eines alten Mopeds wieder zum Laufen?")  # fmt: skip


@pytest.mark.parametrize("code", available_languages())
def test_half_a_seed_is_its_beginning(code: str) -> None:
    for row in load_pack(code).benign:
        half = first_half(row.text)
        assert half and row.text.startswith(half) and len(half) < len(row.text)


@given(st.text(max_size=40))
def test_half_of_any_text_has_no_end_of_line(text: str) -> None:
    assert "\n" not in first_half(text)


def test_each_answer_is_kept_or_dropped_with_its_reason(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter(range(100))
    generator = use(monkeypatch, lambda _: ANSWERS[next(numbers) % len(ANSWERS)])
    output = rewriting.write(task_of(project(SECTION), "rewriting"))
    everything_has_its_place(output, 12)
    assert Counter(row.reason for row in output.rejects) == {
        "same_text": 2, "refusal": 3, "too_short": 4, "wrong_language": 2}  # fmt: skip
    (kept,) = output.rows
    assert (kept.text, kept.intent, kept.method) == (ANSWERS[0], "unknown", "rewriting")
    assert len(generator.asked) == 12


def test_provenance_names_all_that_made_a_text(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter(range(100))
    use(monkeypatch, lambda _: f"How do I kill engine number {next(numbers)}, and why?")
    task = task_of(project(SECTION), "rewriting")
    seeds = {row.id: row for row in task.benign}
    output = rewriting.write(task)
    assert len(output.rows) == 12
    for row in output.rows:
        detail = json.loads(row.detail)
        assert row.category == seeds[row.seed_id].category
        assert row.generator == task.generator_name
        assert {"writer", "model", "temperature", "shots", "again", "harm"} == set(detail)
    assert len({row.seed_id for row in output.rows}) >= 6


def test_shots_are_of_the_seeds_kind_and_never_the_seed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = use(monkeypatch, lambda _: "x")
    task = task_of(project(SECTION), "rewriting")
    rewriting.write(task)
    known = {row.text for row in task.benign}
    for request in generator.asked:
        assert request.subject in known
        assert request.subject not in request.shots
        assert set(request.shots) <= known
        assert request.subject.startswith(request.begun)
        assert "English" in request.instruction and "{" not in request.instruction


def test_failures_and_what_leans_to_harm_are_reasons(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: Request) -> Completion:
        failed = len(request.subject) % 2 == 0
        return Completion("", failure="HTTP 400") if failed else Completion(f"How do I kill it? {request.subject}")

    use(monkeypatch, answer)
    monkeypatch.setattr("rass.writers.leaning._harm_model", lambda *_: FixedHarm(3.0))
    output = rewriting.write(task_of(project(SECTION), "rewriting"))
    everything_has_its_place(output, 12)
    assert {row.reason for row in output.rejects} <= {"generator_failed", "leans_to_harm"}
    for row in output.rejects:
        evidence = json.loads(row.evidence)
        assert evidence["failure"] == "HTTP 400" if row.reason == "generator_failed" else evidence["harm"] == 3.0


def test_a_project_writes_the_same_bytes_again(project: Project) -> None:
    first = project(SECTION, name="first")
    (outcome,) = run_generate(first)
    everything_has_its_place(outcome, 12)
    before = tree(first.root)
    assert run_generate(first)[0].computed == 0
    assert tree(first.root) == before
    second = project(SECTION, name="second")
    run_generate(second)
    assert {name: data for name, data in tree(second.root).items() if name != "morbench.toml"} == {
        name: data for name, data in before.items() if name != "morbench.toml"}  # fmt: skip


def test_too_few_seeds_are_one_line(project: Project) -> None:
    workspace = project(SECTION)
    task = task_of(workspace, "rewriting")
    with pytest.raises(PackError, match=r"has 2 .*the writer 'rewriting' needs 3"):
        rewriting.settings(type(task)(workspace, task.section, "en", [*task.harmful, *task.benign[:2]]))
