"""Contrast completion: both ways, linked to its seed, and never believed."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from curation.endpoint import Completion
from curation.errors import PackError
from curation.testing import LetterEncoder
from curation.workspace import Workspace
from rass.generators import Request
from rass.writers import contrast
from rass.writers.contrast import check_likeness, pairs_of
from tests.rass.writers.conftest import FixedHarm, everything_has_its_place, task_of, use

Project = Callable[..., Workspace]
SECTION = {"name": "contrast", "count": 10}


def near(request: Request) -> str:
    """A text that is near the subject and is not the subject."""
    return request.subject.rstrip("?.") + " today?"


def test_sides_take_turns_and_are_linked_to_their_seeds(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = use(monkeypatch, near)
    task = task_of(project(SECTION), "contrast")
    harmful, benign = {row.id for row in task.harmful}, {row.id for row in task.benign}
    output = contrast.write(task)
    everything_has_its_place(output, 10)
    assert len(output.rows) == 10
    for row in output.rows:
        detail = json.loads(row.detail)
        assert row.intent == "unknown"
        assert detail["pair"] == row.seed_id
        assert row.seed_id in (harmful if detail["side"] == "benign" else benign)
    sides = [json.loads(row.detail)["side"] for row in output.rows]
    assert (sides.count("benign"), sides.count("harmful")) == (5, 5)
    assert all("harm" in json.loads(row.detail) for row in output.rows if json.loads(row.detail)["side"] == "benign")
    assert len({request.instruction for request in generator.asked}) == 2


def test_seeds_without_a_partner_come_first(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, near)
    task = task_of(project(SECTION), "contrast")
    paired = {row.id for pair in pairs_of(task.seeds) for row in pair}
    seeds = [row.seed_id for row in contrast.write(task).rows]
    assert not set(seeds) & paired


def test_shots_are_the_packs_pairs_turned_the_right_way(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = use(monkeypatch, near)
    task = task_of(project({"name": "contrast", "count": 80}), "contrast")
    pairs = {(harmful.text, benign.text) for harmful, benign in pairs_of(task.seeds)}
    harmful = {row.text for row in task.harmful}
    contrast.write(task)
    for request in generator.asked:
        assert set(request.shots) <= (pairs if request.subject in harmful else {pair[::-1] for pair in pairs})
        assert not [shot for shot in request.shots if request.subject in shot]


def test_what_is_unlike_its_seed_is_no_contrast(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, lambda request: "Why is the sky blue on Sundays?" if len(request.subject) % 2 else near(request))
    output = contrast.write(task_of(project(SECTION), "contrast"))
    everything_has_its_place(output, 10)
    assert {row.reason for row in output.rejects} <= {"unlike_its_pair", "same_text"}
    assert [row for row in output.rejects if row.reason == "unlike_its_pair"]
    for row in output.rejects:
        if row.reason == "unlike_its_pair":
            evidence = json.loads(row.evidence)
            assert evidence["likeness"] < evidence["least"] and evidence["seed_text"] and evidence["text"]


def test_only_the_benign_side_may_not_lean_to_harm(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, near)
    monkeypatch.setattr("rass.writers.leaning._harm_model", lambda *_: FixedHarm(3.0))
    output = contrast.write(task_of(project(SECTION), "contrast"))
    assert {json.loads(row.detail)["side"] for row in output.rows} == {"harmful"}
    assert {row.reason for row in output.rejects} == {"leans_to_harm"}


def test_a_failure_is_no_text(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, lambda _: Completion("", failure="HTTP 500"))
    output = contrast.write(task_of(project(SECTION), "contrast"))
    everything_has_its_place(output, 10)
    assert {row.reason for row in output.rejects} == {"generator_failed"}
    assert check_likeness([], {}, [], LetterEncoder()) == []


def test_a_pack_without_pairs_is_one_line(project: Project) -> None:
    task = task_of(project(SECTION, pairs=3), "contrast")
    with pytest.raises(PackError, match="harmful seeds with a `contrast`, the writer 'contrast' needs 7") as found:
        contrast.settings(task)
    assert "\n" not in str(found.value)
