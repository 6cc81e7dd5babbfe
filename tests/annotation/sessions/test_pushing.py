from __future__ import annotations

import json
from pathlib import Path

import pytest

from annotation import datasets
from annotation.client import Client
from annotation.sessions.opening import open_session
from annotation.sessions.plan import CALIBRATION, WORK, Plan, load_plan, save_plan
from annotation.sessions.pushing import push_session
from annotation.sessions.running import advance, pause, resume
from annotation.testing import FakeArgilla
from curation.errors import AnnotationError
from curation.workspace import Workspace
from tests.annotation.sessions.conftest import (
    PEOPLE,
    answer_all,
    held,
    opened,
    practised,
    review_project,
)


def writes(fake: FakeArgilla, since: int) -> list[tuple[str, str]]:
    return [(method, path) for method, path in fake.requests[since:] if method != "GET"]


def seen_by(fake: FakeArgilla, person: str) -> set[str]:
    """The names of the datasets that a person sees."""
    user = next(key for key, row in fake.users.items() if row["username"] == person)
    return {row["name"] for row in fake.datasets.values() if user in fake.members[row["workspace_id"]]}


def check_server(fake: FakeArgilla, plan: Plan, rounds: tuple[str, ...]) -> None:
    """The server holds each place's items and no others."""
    for place, keys in plan.now().items():
        assert set(held(fake, plan, place)) == (set(keys) if place.round in rounds else set())
    assert {row["status"] for row in fake.datasets.values()} == {"ready"}


def test_work_waits_until_practice_is_done(workspace: Workspace, client: Client, fake: FakeArgilla) -> None:
    plan = opened(workspace, client)
    check_server(fake, plan, (CALIBRATION,))
    places = [place for place in plan.now() if place.round == CALIBRATION]
    for prompt_id in plan.now()[places[0]]:
        fake.answer("anna", prompt_id, "benign")
    for prompt_id in plan.now()[places[1]][1:]:
        fake.answer("bob", prompt_id, "benign")
    advance(workspace, client, plan)
    assert seen_by(fake, "anna") == {"first-en-calibration", "first-en-work"}
    assert seen_by(fake, "bob") == {"first-en-calibration"}
    fake.answer("bob", plan.now()[places[1]][0], "benign", status="discarded")  # looked at is enough
    answer_all(fake, plan, CALIBRATION)
    advance(workspace, client, plan)
    check_server(fake, plan, (CALIBRATION, WORK))


def test_sending_again_sends_nothing(workspace: Workspace, client: Client, fake: FakeArgilla) -> None:
    plan = practised(workspace, client, fake, opened(workspace, client))
    before = len(fake.requests)
    done = advance(workspace, client, plan)
    assert [row.sent for row in done.pushed] == [0] * len(done.pushed)
    assert writes(fake, before) == []


def test_everybody_sees_their_own_items_and_no_others(workspace: Workspace, client: Client, fake: FakeArgilla) -> None:
    first, second = (practised(workspace, client, fake, opened(workspace, client, name)) for name in ("first", "other"))
    for plan in (first, second):
        check_server(fake, plan, (CALIBRATION, WORK))
    for person in PEOPLE:
        assert seen_by(fake, person) == {
            f"{name}-en-{found}" for name in ("first", "other") for found in (CALIBRATION, WORK)
        }
    for row in fake.workspaces.values():
        members = [fake.users[key]["username"] for key in fake.members[row["id"]]]
        assert members == [row["name"].partition("_")[2]]


def test_nothing_tells_gold_from_work(workspace: Workspace, client: Client, fake: FakeArgilla) -> None:
    practised(workspace, client, fake, opened(workspace, client))
    for row in (row for rows in fake.records.values() for row in rows.values()):
        assert set(row["sent"]) == {"external_id", "fields"}
        assert set(row["fields"]) == {"prompt"}
        assert "<" not in row["fields"]["prompt"]
        assert "\u202e" not in row["fields"]["prompt"]
    everything = json.dumps([list(fake.datasets.values()), list(fake.parts.values()), list(fake.workspaces.values())])
    assert "gold" not in everything.replace("golden", "")


def test_only_a_pre_annotated_session_suggests_and_half_of_the_answers(
    workspace: Workspace, client: Client, fake: FakeArgilla
) -> None:
    plan = practised(workspace, client, fake, opened(workspace, client, "triage", pre_annotated=True))
    for place, keys in plan.now().items():
        records = held(fake, plan, place)
        for key in keys:
            shown = [row["value"] for row in records[key]["sent"].get("suggestions", [])]
            assert shown == ([plan.suggestions()[key]] if key in plan.shown()[place] else [])
    assert any(plan.shown().values())


def test_a_push_that_is_killed_anywhere_is_finished_by_the_next(tmp_path: Path) -> None:
    workspace = review_project(tmp_path / "small", count=8)
    plan = open_session(workspace, "first", annotators=["anna", "bob"], overlap=2, items_per_person=5, calibration=0)
    reached = 0
    for requests in range(120):
        fake = FakeArgilla()
        with fake.client(server="embedded") as client:
            (workspace.root / "annotation" / "accounts.json").unlink(missing_ok=True)
            fake.fail_after(requests)
            try:
                push_session(workspace, client, plan)
                break
            except AnnotationError as error:
                assert "no answer" in error.message
            fake.fail_after(None)
            push_session(workspace, client, plan)
            check_server(fake, plan, (WORK,))
            before = len(fake.requests)
            push_session(workspace, client, plan)
            assert writes(fake, before) == []
        reached = requests
    assert reached > 25


def test_many_records_go_in_calls_of_what_the_server_takes(
    workspace: Workspace, client: Client, fake: FakeArgilla, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "RECORDS_A_CALL", 4)
    plan = opened(workspace, client, calibration=0, annotators=("anna", "bob"))
    sent = [path for method, path in fake.requests if method == "PUT" and path.endswith("/records/bulk")]
    assert len(sent) == 2 * 3  # ten items for each of two people
    check_server(fake, plan, (WORK,))


def test_ten_thousand_records_arrive_once(client: Client, fake: FakeArgilla) -> None:
    space = datasets.ensure_workspace(client, {}, "many")
    form = datasets.Form(
        "guidelines", [{"name": "prompt", "title": "x", "required": True, "settings": {"type": "text"}}], []
    )
    dataset = datasets.make_dataset(client, space, "many", form)
    records = [{"external_id": f"{number:016x}", "fields": {"prompt": "x"}} for number in range(10_000)]
    for _ in range(2):
        assert datasets.put_records(client, dataset["id"], records) == 10_000
    assert len(fake.records[dataset["id"]]) == 10_000
    assert sum(method == "PUT" and path.endswith("/bulk") for method, path in fake.requests) == 2 * 20


def test_a_pause_hides_one_session_and_keeps_answers(workspace: Workspace, client: Client, fake: FakeArgilla) -> None:
    plan = practised(workspace, client, fake, opened(workspace, client))
    other = opened(workspace, client, "other")
    given = dict(fake.responses)
    plan = pause(workspace, client, plan)
    assert pause(workspace, client, plan) == plan == load_plan(workspace, "first")
    assert all(seen_by(fake, person) == {"other-en-calibration"} for person in PEOPLE)
    assert push_session(workspace, client, plan)  # keeps it hidden
    assert all(seen_by(fake, person) == {"other-en-calibration"} for person in PEOPLE)
    plan = resume(workspace, client, plan)
    assert (plan.state, other.state) == ("open", "open")
    assert all(len(seen_by(fake, person)) == 3 for person in PEOPLE)
    assert fake.responses == given


def test_a_dataset_of_somebody_elses_is_left_alone(workspace: Workspace, client: Client, fake: FakeArgilla) -> None:
    plan = opened(workspace, client)
    next(iter(fake.parts.values()))["questions"].pop()
    with pytest.raises(AnnotationError, match="was not made by morbench"):
        push_session(workspace, client, plan)


def test_an_owner_is_no_annotator(workspace: Workspace, client: Client, fake: FakeArgilla) -> None:
    with pytest.raises(AnnotationError, match="has role 'owner'"):
        opened(workspace, client, annotators=("owner", "bob"))


def test_accounts_that_are_there_are_used_as_they_are(workspace: Workspace, fake: FakeArgilla) -> None:
    fake.add_user("anna", "annotator", "her own password")
    with fake.client() as remote:
        opened(workspace, remote)
        assert remote.login("anna", "her own password")
    known = json.loads((workspace.root / "annotation" / "accounts.json").read_text())["http://argilla.test"]
    assert set(known) == {"bob", "carl", "dora"}


def test_a_prompt_that_is_gone_is_named(workspace: Workspace, client: Client) -> None:
    from annotation.sessions.plan import Change, Place, Revision

    plan = Plan("odd", 1, 1, 1, 0, 0, False, (Revision("open", (Change(Place("anna", "en", WORK), ("f" * 16,)),)),))
    with pytest.raises(AnnotationError, match="the plan names the prompt ffffffffffffffff"):
        push_session(workspace, client, save_plan(workspace, plan))
