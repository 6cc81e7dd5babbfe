from __future__ import annotations

import pytest

from annotation.client import Client
from annotation.responses import standing_responses
from annotation.sessions import pushing
from annotation.sessions.changing import extend, mark, reassign
from annotation.sessions.gold import read_key
from annotation.sessions.plan import CALIBRATION, WORK, Place, Plan, load_plan
from annotation.sessions.progress import reminders, session_progress
from annotation.sessions.pushing import push_session
from annotation.sessions.running import advance
from annotation.testing import FakeArgilla
from curation.errors import AnnotationError
from curation.workspace import Workspace
from tests.annotation.sessions.conftest import PEOPLE, answer_all, held, opened, practised, pulled

ANNA = Place("anna", "en", WORK)


@pytest.fixture
def plan(workspace: Workspace, client: Client, fake: FakeArgilla) -> Plan:
    """A session in which everybody works."""
    return practised(workspace, client, fake, opened(workspace, client))


def test_what_is_left_goes_to_others_equally_and_never_twice(
    workspace: Workspace, client: Client, fake: FakeArgilla, plan: Plan
) -> None:
    mine = plan.now()[ANNA]
    for prompt_id, status in zip(mine[:3], ("submitted", "draft", "discarded"), strict=True):
        fake.answer("anna", prompt_id, "benign", status=status, dataset="first-en-work")
    after, went, stayed = reassign(workspace, client, plan, "anna")
    push_session(workspace, client, after)
    assert (went, stayed) == (7, 0)
    assert after.now()[ANNA] == mine[:3]
    assert set(held(fake, after, ANNA)) == set(mine[:3])
    loads = [len(after.now()[Place(person, "en", WORK)]) for person in PEOPLE[1:]]
    assert sum(loads) == 30 + 7
    assert max(loads) - min(loads) <= 1
    assert all(len(set(people)) == len(people) == 2 for people in after.holders("en", WORK).values())
    for place, keys in after.now().items():
        assert set(held(fake, after, place)) == set(keys)
    assert [row.prompt_id for row in pulled(workspace, client, "first") if row.batch == "first-en-work"] == [mine[0]]


def test_it_can_go_to_somebody_new_who_practises_first(
    workspace: Workspace, client: Client, fake: FakeArgilla, plan: Plan
) -> None:
    after, went, _ = reassign(workspace, client, plan, "anna", to=["eve"])
    push_session(workspace, client, after)
    eve = Place("eve", "en", WORK)
    assert went == len(after.now()[eve]) == 10
    assert held(fake, after, eve) == {}
    answer_all(fake, after, CALIBRATION)
    advance(workspace, client, after)
    assert set(held(fake, after, eve)) == set(after.now()[eve])


def test_an_answer_that_comes_while_records_are_taken_away_is_kept(
    workspace: Workspace, client: Client, fake: FakeArgilla, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the plan's revision and the removal anna goes on; she is shut out before the last look."""
    after, _, _ = reassign(workspace, client, plan, "anna")
    late = plan.now()[ANNA][0]
    admit = pushing._admit

    def answers_first(client: Client, space: str, user_id: str, inside: bool) -> None:
        if not inside:
            fake.answer("anna", late, "harmful", dataset="first-en-work")
        admit(client, space, user_id, inside)

    monkeypatch.setattr(pushing, "_admit", answers_first)
    push_session(workspace, client, after)
    assert set(held(fake, after, ANNA)) == {late}
    assert [(row.annotator, row.answer) for row in pulled(workspace, client, "first") if row.prompt_id == late] == [
        ("anna", "harmful")
    ]
    user = next(key for key, row in fake.users.items() if row["username"] == "anna")
    assert user in fake.members[client.workspaces()["first_anna"]]


def test_an_item_that_all_have_stays(workspace: Workspace, client: Client, fake: FakeArgilla) -> None:
    plan = opened(workspace, client, annotators=("anna", "bob"), calibration=0)
    after, went, stayed = reassign(workspace, client, plan, "anna")
    assert (after, went, stayed) == (plan, 0, 10)
    with pytest.raises(AnnotationError, match="'nobody' has no items"):
        reassign(workspace, client, plan, "nobody")


def test_people_who_join_meet_those_who_are_there(
    workspace: Workspace, client: Client, fake: FakeArgilla, plan: Plan
) -> None:
    after = extend(workspace, plan, "en", annotators=["eve", "fred"])
    assert load_plan(workspace, "first") == after
    known = plan.holders("en", WORK)
    for person in ("eve", "fred"):
        assert after.now()[Place(person, "en", CALIBRATION)] == plan.now()[Place("anna", "en", CALIBRATION)]
        mine = after.now()[Place(person, "en", WORK)]
        assert len(mine) == 10
        assert {other for key in mine for other in known[key]} == set(PEOPLE)
    advance(workspace, client, after)
    assert held(fake, after, Place("eve", "en", WORK)) == {}
    answer_all(fake, after, CALIBRATION)
    advance(workspace, client, after)
    assert len(held(fake, after, Place("eve", "en", WORK))) == 10


def test_more_items_are_new_ones_with_gold_among_them(workspace: Workspace, client: Client, plan: Plan) -> None:
    after = extend(workspace, plan, "en", items=5)
    fresh = [set(after.now()[place]) - set(plan.now()[place]) for place in after.now() if place.round == WORK]
    assert [len(found) for found in fresh] == [5] * 4
    before = {key for keys in plan.ever().values() for key in keys}
    assert not any(found & before for found in fresh)
    assert len(set(read_key(workspace, "first")) - before) == 2
    assert set(read_key(workspace, "first")) & before


def test_nothing_to_add_is_said(workspace: Workspace, plan: Plan) -> None:
    for annotators in ([], ["anna"]):
        with pytest.raises(AnnotationError, match="nothing to add"):
            extend(workspace, plan, "en", annotators=annotators)
    with pytest.raises(AnnotationError, match="does not ask in ar"):
        extend(workspace, plan, "ar", items=5)


def test_a_closed_session_is_not_changed(workspace: Workspace, client: Client, plan: Plan) -> None:
    closed = mark(workspace, plan, "close")
    assert mark(workspace, closed, "close") == closed
    for change in (lambda: extend(workspace, closed, "en", items=5), lambda: mark(workspace, closed, "resume"),
                   lambda: reassign(workspace, client, closed, "anna")):  # fmt: skip
        with pytest.raises(AnnotationError, match="is closed"):
            change()


def test_reminders_say_who_has_how_much_left(workspace: Workspace, client: Client, fake: FakeArgilla) -> None:
    plan = opened(workspace, client)
    practice = plan.now()[Place("anna", "en", CALIBRATION)]
    for prompt_id in practice:
        fake.answer("anna", prompt_id, "benign")
    fake.answer("bob", practice[0], "benign")
    fake.answer("bob", practice[1], "benign", status="draft")
    advance(workspace, client, plan)
    fake.answer("anna", plan.now()[ANNA][0], "benign", status="discarded", dataset="first-en-work")
    lines = reminders(plan, session_progress(client, plan))
    assert "anna: 9 of 10 left (en, work)" in lines
    assert "bob: 3 of 4 left (en, calibration)" in lines
    assert "bob: 10 wait until practice is done (en, work)" in lines
    assert not any(line.startswith("anna") and "calibration" in line for line in lines)
    assert reminders(mark(workspace, plan, "close"), session_progress(client, plan)) == []
    assert {row.annotator for row in standing_responses(workspace)} == {"anna", "bob"}
