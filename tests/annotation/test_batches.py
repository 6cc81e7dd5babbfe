from __future__ import annotations

from pathlib import Path

import pytest

from annotation.accounts import ensure_accounts
from annotation.batches import batch_settings, keep_queued, planned_batches, push_batches, sending_order
from annotation.client import Client
from annotation.testing import FakeArgilla
from curation.errors import AnnotationError
from curation.records import Prompt, make_prompt
from curation.workspace import Workspace
from tests.annotation.conftest import HOSTILE, choose, project, put


def sent(fake: FakeArgilla) -> list[dict[str, object]]:
    return [row["sent"] for rows in fake.records.values() for row in rows.values()]


def test_every_chosen_prompt_arrives_once_under_its_id(workspace: Workspace, client: Client, fake: FakeArgilla) -> None:
    ensure_accounts(workspace, client)
    pushed = push_batches(workspace, client)
    assert [(row.language, row.batch, row.records, row.sent, row.created) for row in pushed] == [
        ("ar", "ar-b001", 6, 6, True), ("en", "en-b001", 6, 6, True)]  # fmt: skip
    prompts = {row.id for row in workspace.table(Prompt).rows()}
    assert sorted(str(row["external_id"]) for row in sent(fake)) == sorted(prompts)


def test_a_second_push_sends_nothing(pushed: Workspace, client: Client, fake: FakeArgilla) -> None:
    before = len(fake.requests)
    assert [row.sent for row in push_batches(pushed, client)] == [0, 0]
    assert {method for method, _ in fake.requests[before:]} == {"GET"}


def test_a_push_that_is_killed_anywhere_is_finished_by_the_next(tmp_path: Path) -> None:
    workspace = project(tmp_path / "small", ("en",), count=4)
    for requests in range(200):
        fake = FakeArgilla()
        with fake.client(server="embedded") as client:
            accounts = workspace.root / "annotation" / "accounts.json"
            accounts.unlink(missing_ok=True)
            ensure_accounts(workspace, client)
            fake.fail_after(requests)
            try:
                push_batches(workspace, client)
            except AnnotationError as error:
                assert "no answer" in error.message
                fake.fail_after(None)
                push_batches(workspace, client)
            else:
                break
            assert [row["status"] for row in fake.datasets.values()] == ["ready"]
            assert len(sent(fake)) == 4
    assert requests > 15


def test_nothing_gives_away_what_the_author_meant(pushed: Workspace, fake: FakeArgilla) -> None:
    for row in sent(fake):
        assert not row["metadata"]
        assert not row["suggestions"]
        assert not row["responses"]
        assert set(row["fields"]) == {"prompt"}  # type: ignore[call-overload]


def test_hostile_text_is_escaped_on_the_way_and_unchanged_at_home(pushed: Workspace, fake: FakeArgilla) -> None:
    shown = {str(row["external_id"]): str(row["fields"]["prompt"]) for row in sent(fake)}  # type: ignore[index]
    assert not any("<" in text or "\x00" in text or "\u202e" in text for text in shown.values())
    assert max(map(len, shown.values())) < 21_000
    assert set(HOSTILE) <= {row.text for row in pushed.table(Prompt).rows()}


def test_the_order_is_a_shuffle_that_repeats() -> None:
    prompts = [
        make_prompt(f"text {number}", "en", category="fiction", intent="benign", method="seed") for number in range(40)
    ]
    order = sending_order(prompts, "en-b001", 7)
    assert order == sending_order(list(reversed(prompts)), "en-b001", 7)
    assert sorted(row.id for row in order) == sorted(row.id for row in prompts)
    assert order != prompts
    assert order != sending_order(prompts, "en-b001", 8)
    assert order != sending_order(prompts, "en-b002", 7)


def test_a_batch_that_grew_gets_what_is_missing(pushed: Workspace, client: Client, fake: FakeArgilla) -> None:
    more = [
        make_prompt(f"one more {number}", "en", category="fiction", intent="benign", method="mutation")
        for number in range(3)
    ]
    put(pushed, Prompt, "write-mutation-en", more)
    choose(pushed, pushed.table(Prompt).rows())
    assert [row.sent for row in push_batches(pushed, client)] == [0, 3]
    assert [row.sent for row in push_batches(pushed, client)] == [0, 0]


def test_changed_guidelines_reach_a_dataset_that_is_there(pushed: Workspace, client: Client, fake: FakeArgilla) -> None:
    dataset = next(iter(fake.datasets.values()))
    dataset["guidelines"] = "old"
    push_batches(pushed, client)
    assert str(dataset["guidelines"]).startswith("## ")
    assert dataset["distribution"] == {"strategy": "overlap", "min_submitted": 2}


def test_a_foreign_dataset_of_the_same_name_is_left_alone(pushed: Workspace, client: Client, fake: FakeArgilla) -> None:
    next(iter(fake.parts.values()))["questions"][0]["name"] = "stars"
    with pytest.raises(AnnotationError, match="was not made by morbench"):
        push_batches(pushed, client)


def test_the_form_is_the_packs(workspace: Workspace) -> None:
    pack = workspace.packs["ar"]
    settings = batch_settings(pack, 2)
    question = settings.questions[0]
    assert question.title == pack.question
    assert question._model.settings.options == [{"value": key, "text": pack.options[key]} for key in pack.options]
    assert [field.use_markdown for field in settings.fields] == [False]
    assert settings.guidelines.startswith(f"## {pack.title}")
    assert settings.distribution.min_submitted == 2


def test_a_prompt_that_is_gone_is_named(workspace: Workspace) -> None:
    put(workspace, Prompt, "seeds", [])
    with pytest.raises(AnnotationError, match="triage names the prompt"):
        planned_batches(workspace)


def test_prompts_that_people_were_asked_about_stay_when_others_are_generated(workspace: Workspace) -> None:
    asked = {row.id for rows in planned_batches(workspace).values() for row in rows}
    assert keep_queued(workspace) == 1
    assert keep_queued(workspace) == 0
    for manifest in workspace.table(Prompt).folder.glob("*.json"):
        if manifest.stem != "queued":
            manifest.unlink()  # as if another model had written other candidates
    assert {row.id for row in workspace.alive(())} == asked
    assert {row.id for rows in planned_batches(workspace).values() for row in rows} == asked
