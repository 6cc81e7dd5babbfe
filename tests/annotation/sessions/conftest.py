"""A project with more to ask about than one session takes, and a fake Argilla."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from annotation.client import Client
from annotation.responses import pull_responses, standing_responses
from annotation.sessions.opening import open_session
from annotation.sessions.plan import CALIBRATION, WORK, Place, Plan
from annotation.sessions.running import advance
from annotation.testing import FakeArgilla
from curation.records import Prompt, Response, Triage, make_prompt
from curation.workspace import Workspace
from tests.annotation.conftest import HOSTILE, put

PEOPLE = ("anna", "bob", "carl", "dora")
LANES = ("decide", "confirm", "control", "audit")


def review_project(root: Path, languages: tuple[str, ...] = ("en",), count: int = 30) -> Workspace:
    """A project with `count` candidates a language in triage, hostile ones among them, and all seeds of its packs."""
    workspace = Workspace.create(root, languages)
    prompts: list[Prompt] = []
    triage: list[Triage] = []
    for language in languages:
        pack = workspace.packs[language]
        texts = [*HOSTILE, *(f"candidate {number} of {language}" for number in range(count - len(HOSTILE)))]
        written = [make_prompt(text, language, category="fiction", intent="unknown", method="mutation")
                   for text in texts]  # fmt: skip
        prompts += [*written, *pack.benign[:40], *pack.harmful[:40]]
        triage += [Triage(row.id, LANES[number % 4], 1 / (1 + number), "", "test")
                   for number, row in enumerate(written)]  # fmt: skip
    put(workspace, Prompt, "seeds", prompts)
    put(workspace, Triage, "triage", sorted(triage, key=lambda row: row.prompt_id))
    return workspace


def opened(workspace: Workspace, client: Client, name: str = "first", **options: Any) -> Plan:
    """A session of small numbers, planned and sent."""
    small: dict[str, Any] = {"annotators": PEOPLE, "items_per_person": 10, "overlap": 2, "gold": 0.2, "calibration": 4}
    plan = open_session(workspace, name, **{**small, **options})
    advance(workspace, client, plan)
    return plan


def answer_all(
    fake: FakeArgilla, plan: Plan, round_name: str = WORK, answer: str = "benign", skip: int = 0, **more: str
) -> None:
    """Let everybody answer all their items of a round, in all languages, but the last `skip`."""
    for place, items in plan.now().items():
        if place.round == round_name:
            for prompt_id in items[: len(items) - skip]:
                fake.answer(place.annotator, prompt_id, answer, dataset=plan.dataset(place), **more)


def practised(workspace: Workspace, client: Client, fake: FakeArgilla, plan: Plan) -> Plan:
    """The session with its practice round behind it and the work sent."""
    answer_all(fake, plan, CALIBRATION)
    advance(workspace, client, plan)
    return plan


def pulled(workspace: Workspace, client: Client, session: str) -> list[Response]:
    """The standing answers of a session, after a pull."""
    pull_responses(workspace, client)
    return [row for row in standing_responses(workspace) if row.session == session]


def held(fake: FakeArgilla, plan: Plan, place: Place) -> dict[str, dict[str, Any]]:
    """The records that the server holds at a place, by external id; empty where there is no dataset."""
    space = next((key for key, row in fake.workspaces.items() if row["name"] == plan.space(place.annotator)), None)
    for key, row in fake.datasets.items():
        if (row["workspace_id"], row["name"]) == (space, plan.dataset(place)):
            return fake.records[key]
    return {}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """One language, thirty candidates."""
    return review_project(tmp_path / "review")
