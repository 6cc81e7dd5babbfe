"""A session as it is held, then its audit, then the next session from what the audit doubts."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotation.client import Client
from annotation.quality.audit import run_audit
from annotation.quality.evidence import Evidence
from annotation.quality.requeue import doubtful, write_requeue
from annotation.sessions.opening import open_session
from annotation.sessions.plan import WORK
from annotation.testing import FakeArgilla
from curation.workspace import Workspace
from tests.annotation.sessions.conftest import PEOPLE, opened, practised, pulled, review_project


@pytest.fixture
def project(tmp_path: Path) -> Workspace:
    return review_project(tmp_path / "review")


def test_a_session_its_audit_and_the_next_session(project: Workspace, client: Client, fake: FakeArgilla) -> None:
    plan = practised(project, client, fake, opened(project, client, pre_annotated=True))
    for place, items in plan.now().items():
        for turn, prompt_id in enumerate(items if place.round == WORK else ()):
            given = "harmful" if place.annotator == PEOPLE[0] or turn % 3 == 0 else "benign"
            fake.answer(place.annotator, prompt_id, given, dataset=plan.dataset(place), note="<b>why</b>")
    rows = pulled(project, client, plan.name)
    evidence = Evidence.read(project)
    assert len(evidence.answers) + len(evidence.practice) == len(rows) and evidence.practice
    assert len(evidence.suggested) > 0 and {row.shown for row in evidence.suggested} == {True, False}

    audit = run_audit(project, text_model=False, resamples=20)
    people = {row["annotator"]: row for row in audit.tables["annotators"].rows}
    assert set(people) == set(PEOPLE)
    assert all(row["gold"]["n"] >= 1 and row["practice"]["n"] == 4 for row in people.values())
    assert sum(row["shown"]["n"] + row["blind"]["n"] for row in audit.tables["anchoring"].rows[:1]) == len(
        evidence.suggested
    )
    chosen = doubtful(audit, 5)
    assert len(chosen) == 5
    write_requeue(project, chosen, audit)
    again = open_session(project, "second", annotators=("eve", "fay", "gus"), items_per_person=10, overlap=2, gold=0,
                         calibration=0, requeue=True)  # fmt: skip
    asked = {prompt_id for place, items in again.now().items() if place.round == WORK for prompt_id in items}
    assert asked == {row["prompt_id"] for row in chosen}
