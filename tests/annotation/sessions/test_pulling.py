from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from annotation import pulled as pulled_module
from annotation.accounts import ensure_accounts
from annotation.batches import push_batches
from annotation.client import Client
from annotation.responses import pull_responses, standing_responses
from annotation.sessions.plan import CALIBRATION, WORK, Place
from annotation.sessions.running import advance, close
from annotation.testing import FakeArgilla
from curation.errors import AnnotationError
from curation.records import Response
from curation.workspace import Workspace
from tests.annotation.conftest import choose
from tests.annotation.sessions.conftest import PEOPLE, answer_all, opened, practised, pulled

ANNA = Place("anna", "en", WORK)


def fetched(fake: FakeArgilla, since: int) -> int:
    """How many datasets' records were asked for."""
    return sum(path.endswith("/records") for method, path in fake.requests[since:] if method == "GET")


def test_answers_carry_session_round_and_all_that_was_said(
    workspace: Workspace, client: Client, fake: FakeArgilla
) -> None:
    plan = practised(workspace, client, fake, opened(workspace, client))
    key = plan.now()[ANNA][0]
    said = {"reason": "purpose", "category": "definitions", "naturalness": "odd", "note": "<b>why</b> \u202e not\x00"}
    fake.answer("anna", key, "depends", dataset="first-en-work", **said)
    (row,) = [row for row in pulled(workspace, client, "first") if row.batch == "first-en-work"]
    assert (row.prompt_id, row.annotator, row.answer, row.session, row.simulated) == (
        key,
        "anna",
        "depends",
        "first",
        False,
    )
    assert {name: getattr(row, name) for name in said} == said
    assert Counter(row.batch for row in standing_responses(workspace)) == {
        "first-en-calibration": 16,
        "first-en-work": 1,
    }


def test_a_changed_note_is_a_new_version_and_the_old_one_stays(
    workspace: Workspace, client: Client, fake: FakeArgilla
) -> None:
    plan = opened(workspace, client, calibration=0)
    key = plan.now()[ANNA][0]
    for note in ("first thought", "second thought", "second thought"):
        fake.answer("anna", key, "benign", note=note)
        pull_responses(workspace, client)
    assert [row.note for row in workspace.table(Response).rows()] == ["first thought", "second thought"]
    assert [row.note for row in standing_responses(workspace)] == ["second thought"]


def test_an_option_that_nobody_offered_is_left_out_and_kept_as_a_reject(
    workspace: Workspace, client: Client, fake: FakeArgilla
) -> None:
    plan = opened(workspace, client, calibration=0)
    fake.answer("anna", plan.now()[ANNA][0], "benign", reason="because", naturalness="odd")
    outcome = pull_responses(workspace, client)
    assert [(row.answer, row.reason, row.naturalness) for row in outcome.rows] == [("benign", "", "odd")]
    assert [(row.reason, "because" in row.evidence) for row in outcome.rejects] == [("unknown_reason", True)]
    assert pull_responses(workspace, client, everything=True).computed == 0


def test_two_sessions_and_the_queue_never_mix(workspace: Workspace, client: Client, fake: FakeArgilla) -> None:
    plans = [opened(workspace, client, name, calibration=0) for name in ("first", "second")]
    choose(workspace, [row for row in workspace.prompts().values() if row.intent == "unknown"])
    ensure_accounts(workspace, client)
    push_batches(workspace, client)
    queued = next(key for key, row in workspace.prompts().items() if row.intent == "unknown")
    fake.answer("en-annotator-1", queued, "harmful")
    answer_all(fake, plans[0], answer="benign")
    answer_all(fake, plans[1], answer="depends")
    rows = pull_responses(workspace, client).rows
    assert Counter((row.session, row.batch, row.answer) for row in rows) == {
        ("", "en-b001", "harmful"): 1, ("first", "first-en-work", "benign"): 40,
        ("second", "second-en-work", "depends"): 40}  # fmt: skip
    for plan in plans:
        for row in rows:
            place = Place(row.annotator, "en", WORK)
            assert (row.session == plan.name) == (row.prompt_id in plan.now().get(place, ()))


def test_what_others_answer_in_a_persons_queue_is_a_reject(
    workspace: Workspace, client: Client, fake: FakeArgilla
) -> None:
    plan = opened(workspace, client, calibration=0)
    dataset = next(row for row in fake.datasets.values()
                   if row["workspace_id"] == client.workspaces()["first_anna"])  # fmt: skip
    key = plan.now()[ANNA][0]
    record = fake.records[dataset["id"]][key]
    owner = next(row["id"] for row in fake.users.values() if row["role"] == "owner")
    given = {"values": {"judgement": {"value": "harmful"}}, "status": "submitted"}
    fake._keep_response(dataset["id"], record["id"], owner, given)
    fake.records[dataset["id"]]["f" * 16] = record | {"id": "stray", "external_id": "f" * 16}
    fake.answer("anna", "f" * 16, "harmful")
    fake.answer("anna", key, "benign")
    outcome = pull_responses(workspace, client)
    assert [(row.annotator, row.answer) for row in outcome.rows] == [("anna", "benign")]
    assert sorted(row.reason for row in outcome.rejects) == ["not_assigned", "not_planned"]


def test_a_pull_fetches_only_what_changed(workspace: Workspace, client: Client, fake: FakeArgilla) -> None:
    plan = opened(workspace, client, calibration=0)
    answer_all(fake, plan)
    assert len(pull_responses(workspace, client).rows) == 40
    before = len(fake.requests)
    assert pull_responses(workspace, client).computed == 0
    assert fetched(fake, before) == 0
    fake.answer("carl", plan.now()[Place("carl", "en", WORK)][3], "harmful")
    before = len(fake.requests)
    outcome = pull_responses(workspace, client)
    assert [(row.annotator, row.answer) for row in outcome.rows[40:]] == [("carl", "harmful")]
    assert fetched(fake, before) == 1
    before = len(fake.requests)
    assert pull_responses(workspace, client, everything=True).computed == 0
    assert fetched(fake, before) == 4


@pytest.mark.parametrize("status", ["discarded", "draft"])
def test_an_answer_that_is_taken_back_is_noticed(
    workspace: Workspace, client: Client, fake: FakeArgilla, status: str
) -> None:
    plan = opened(workspace, client, calibration=0)
    answer_all(fake, plan)
    pull_responses(workspace, client)
    fake.answer("anna", plan.now()[ANNA][0], "benign", status=status)
    assert [row.reason for row in pull_responses(workspace, client).rejects] == ["withdrawn"]
    assert len(standing_responses(workspace)) == 39


@pytest.mark.parametrize("table", ["responses", "rejects/responses"])
def test_a_table_that_was_lost_is_filled_again(
    workspace: Workspace, client: Client, fake: FakeArgilla, table: str
) -> None:
    import shutil

    plan = opened(workspace, client, calibration=0)
    answer_all(fake, plan)
    pull_responses(workspace, client)
    fake.answer("anna", plan.now()[ANNA][0], "benign", status="discarded")
    pull_responses(workspace, client)
    shutil.rmtree(workspace.root / table)
    pull_responses(workspace, client)
    assert len(standing_responses(workspace)) == 39


def test_marks_that_are_damaged_or_lost_cost_only_time(workspace: Workspace, client: Client, fake: FakeArgilla) -> None:
    plan = opened(workspace, client, calibration=0)
    answer_all(fake, plan)
    pull_responses(workspace, client)
    path = workspace.root / "annotation" / "pulled.json"
    for text in ("{", "[]", '{"tables": [1], "marks": {}}', '{"tables": ["", "", ""], "marks": []}', ""):
        path.write_text(text)
        assert pull_responses(workspace, client).computed == 0
    path.unlink()
    assert pull_responses(workspace, client).computed == 0
    assert len(workspace.table(Response).rows()) == 40


def test_a_pull_that_is_killed_before_its_marks_are_kept_doubles_nothing(
    workspace: Workspace, client: Client, fake: FakeArgilla, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = opened(workspace, client, calibration=0)
    answer_all(fake, plan)

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(pulled_module, "write_text", die)
        with pytest.raises(Killed):
            pull_responses(workspace, client)
    assert pull_responses(workspace, client).computed == 0
    assert len(workspace.table(Response).rows()) == 40


def test_a_line_that_is_cut_anywhere_loses_and_doubles_nothing(
    workspace: Workspace, client: Client, fake: FakeArgilla
) -> None:
    plan = practised(workspace, client, fake, opened(workspace, client))
    answer_all(fake, plan)
    for requests in range(0, 30, 3):
        fake.fail_after(requests)
        try:
            pull_responses(workspace, client)
        except AnnotationError:
            continue
        break
    assert requests > 10
    fake.fail_after(None)
    pull_responses(workspace, client)
    rows = workspace.table(Response).rows()
    assert len(rows) == len({(row.prompt_id, row.batch, row.annotator) for row in rows}) == 16 + 40


def test_closing_gathers_everything_and_is_final(workspace: Workspace, client: Client, fake: FakeArgilla) -> None:
    plan = practised(workspace, client, fake, opened(workspace, client))
    answer_all(fake, plan, skip=2)
    closed = close(workspace, client, plan)
    assert closed.plan.state == "closed"
    assert closed.answers == 16 + 4 * 8
    assert sum(row.left for row in closed.left) == 4 * 2
    assert not any(fake.members.values())
    assert close(workspace, client, closed.plan).answers == closed.answers
    with pytest.raises(AnnotationError, match="is closed"):
        advance(workspace, client, closed.plan)
    before = len(fake.requests)
    pull_responses(workspace, client)
    assert fetched(fake, before) == 0
    assert len(fake.datasets) == 8  # kept in Argilla


def test_a_close_that_is_cut_anywhere_is_finished_by_the_next(
    workspace: Workspace, client: Client, fake: FakeArgilla
) -> None:
    from annotation.sessions.plan import load_plan

    plan = practised(workspace, client, fake, opened(workspace, client))
    answer_all(fake, plan)
    for requests in range(0, 200, 7):
        fake.fail_after(requests)
        try:
            close(workspace, client, load_plan(workspace, "first"))
            break
        except AnnotationError:
            assert load_plan(workspace, "first").state != "closed"
    assert requests > 20
    assert load_plan(workspace, "first").state == "closed"
    assert len([row for row in standing_responses(workspace) if row.session == "first"]) == 16 + 40
    assert {row.annotator for row in standing_responses(workspace)} == set(PEOPLE)


def test_practice_of_one_session_says_nothing_of_another(
    workspace: Workspace, client: Client, fake: FakeArgilla, tmp_path: Path
) -> None:
    first, second = opened(workspace, client), opened(workspace, client, "second")
    answer_all(fake, first, CALIBRATION)
    for plan in (first, second):
        advance(workspace, client, plan)
    names = [row["name"] for row in fake.datasets.values()]
    assert (names.count("first-en-work"), names.count("second-en-work")) == (4, 0)
    assert {row.session for row in standing_responses(workspace)} == {"first"}
