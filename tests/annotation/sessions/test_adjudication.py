from __future__ import annotations

import re

import pytest

from annotation.client import Client
from annotation.responses import pull_responses
from annotation.sessions.adjudication import adjudicate, disputed, unanimous
from annotation.sessions.gold import read_key
from annotation.sessions.plan import ADJUDICATION, WORK, Place, Plan, load_plan
from annotation.sessions.pushing import push_session
from annotation.testing import FakeArgilla
from annotation.verdicts import items, run_verdicts
from curation.records import Response
from curation.workspace import Workspace
from tests.annotation.sessions.conftest import answer_all, held, opened, practised, pulled

LEAD = Place("lead", "en", ADJUDICATION)
NOTE = "<script>alert(1)</script> \u202e because"


def row(annotator: str, answer: str, round_name: str = WORK, at: str = "1") -> Response:
    simulated = "-simulated-" in annotator
    return Response("p", f"first-en-{round_name}", annotator, answer, simulated, at, session="first")


@pytest.mark.parametrize(("answers", "agreed"), [
    (("benign", "benign"), True), (("harmful", "harmful", "unsure"), True), (("benign", "harmful"), False),
    (("benign", "depends"), False), (("depends", "depends"), False), (("unsure", "unsure"), False),
])  # fmt: skip
def test_what_counts_as_agreement(answers: tuple[str, ...], agreed: bool) -> None:
    assert unanimous([row(str(number), answer) for number, answer in enumerate(answers)]) == agreed


@pytest.fixture
def split(workspace: Workspace, client: Client, fake: FakeArgilla) -> Plan:
    """A session in which anna disagrees with everybody on what she has, and says why."""
    plan = practised(workspace, client, fake, opened(workspace, client))
    answer_all(fake, plan, reason="story", note="fine")
    for prompt_id in plan.now()[Place("anna", "en", WORK)]:
        fake.answer("anna", prompt_id, "harmful", dataset="first-en-work", reason="crime", note=NOTE)
    pull_responses(workspace, client)
    return plan


def test_disagreements_go_blind_to_the_lead_with_reasons_only(
    workspace: Workspace, client: Client, fake: FakeArgilla, split: Plan
) -> None:
    plan, added, stuck = adjudicate(workspace, split)
    push_session(workspace, client, plan)
    key = read_key(workspace, "first")
    mine = set(split.now()[Place("anna", "en", WORK)]) - set(key)
    assert (added, stuck) == (len(mine), 0) == (8, 0)
    records = held(fake, plan, LEAD)
    assert set(records) == mine == set(plan.now()[LEAD])
    labels = workspace.packs["en"].reason
    assert labels
    for record in records.values():
        shown = record["sent"]["fields"]["reasons"]
        lines = shown.splitlines()
        assert len(lines) == 4
        assert {f"• {labels.options['story']}", f"• {labels.options['crime']}", "“fine”"} < set(lines)
        assert "<" not in shown
        assert "\u202e" not in shown
        assert not re.search("anna|bob|carl|dora|harmful", shown)
        assert set(record["sent"]) == {"external_id", "fields"}
    assert len({tuple(record["sent"]["fields"]["reasons"].splitlines()) for record in records.values()}) > 1
    guidelines = next(row["guidelines"] for row in fake.datasets.values() if row["name"].endswith("adjudication"))
    assert guidelines.startswith(workspace.packs["en"].adjudication.strip())


def test_running_it_again_adds_only_what_is_new(
    workspace: Workspace, client: Client, fake: FakeArgilla, split: Plan
) -> None:
    plan, _, _ = adjudicate(workspace, split)
    assert adjudicate(workspace, plan) == (plan, 0, 0)
    theirs = next(place for place in plan.now() if place.annotator == "carl" and place.round == WORK)
    fresh = next(
        key for key in plan.now()[theirs] if key not in plan.now()[LEAD] and key not in read_key(workspace, "first")
    )
    fake.answer("carl", fresh, "depends", dataset="first-en-work")
    pull_responses(workspace, client)
    more, added, _ = adjudicate(workspace, plan)
    assert (added, more.now()[LEAD][-1]) == (1, fresh)
    assert load_plan(workspace, "first") == more


def test_a_third_person_has_neither_answered_nor_will(workspace: Workspace, split: Plan) -> None:
    plan, added, stuck = adjudicate(workspace, split, ["third"])
    assert (added, stuck) == (8, 0)
    deciders = plan.holders("en", ADJUDICATION)
    for key, people in deciders.items():
        assert len(people) == 1
        assert not set(people) & set(split.holders("en", WORK)[key])
    assert "lead" not in plan.people()


def test_where_everybody_answered_nobody_is_left(workspace: Workspace, client: Client, fake: FakeArgilla) -> None:
    plan = opened(workspace, client, annotators=("anna", "bob"), calibration=0)
    answer_all(fake, plan, answer="depends")
    pull_responses(workspace, client)
    count = len(disputed(workspace, plan, "en"))
    assert count == 8
    assert adjudicate(workspace, plan, ["third"]) == (plan, 0, count)
    after, added, stuck = adjudicate(workspace, plan, ["third", "lead"])
    assert (added, stuck) == (count, 0)
    assert set(after.now()[LEAD]) == set(disputed(workspace, plan, "en"))


def test_one_answer_is_no_disagreement(workspace: Workspace, client: Client, fake: FakeArgilla) -> None:
    plan = opened(workspace, client, calibration=0)
    fake.answer("anna", plan.now()[Place("anna", "en", WORK)][0], "depends")
    pull_responses(workspace, client)
    assert disputed(workspace, plan, "en") == []


def test_the_adjudicators_answer_decides_and_the_agreement_is_kept(
    workspace: Workspace, client: Client, fake: FakeArgilla, split: Plan
) -> None:
    plan, _, _ = adjudicate(workspace, split)
    push_session(workspace, client, plan)
    first, second, third, *_ = plan.now()[LEAD]
    pull_responses(workspace, client)
    before = {found.prompt_id: found for found in run_verdicts(workspace).rows}
    assert {before[key].verdict for key in plan.now()[LEAD]} == {"controversial"}
    for key, answer in ((first, "harmful"), (second, "benign"), (third, "depends")):
        fake.answer("lead", key, answer)
    assert {row.batch for row in pulled(workspace, client, "first") if row.annotator == "lead"} == {plan.dataset(LEAD)}
    after = {found.prompt_id: found for found in run_verdicts(workspace).rows}
    assert [after[key].verdict for key in (first, second, third)] == ["harmful", "benign", "controversial"]
    for key in (first, second, third):
        assert (after[key].agreement, after[key].posterior, after[key].responses) == (
            before[key].agreement, before[key].posterior, before[key].responses)  # fmt: skip
    assert {key: found for key, found in after.items() if key not in (first, second)} == {
        key: found for key, found in before.items() if key not in (first, second)}  # fmt: skip


def test_practice_never_counts_as_an_answer(workspace: Workspace, client: Client, fake: FakeArgilla) -> None:
    plan = practised(workspace, client, fake, opened(workspace, client))
    pull_responses(workspace, client)
    outcome = run_verdicts(workspace)
    assert outcome.rows == []
    assert {found.prompt_id for found in outcome.rejects} == {
        key for place, keys in plan.now().items() if place.round == WORK for key in keys}  # fmt: skip
    assert {found.evidence for found in outcome.rejects} == {"0 of 2"}


@pytest.mark.parametrize(("rows", "decided", "simulated"), [
    ([row("a", "benign"), row("b", "harmful"), row("lead-simulated-1", "benign", ADJUDICATION)], "", False),
    ([row("a", "benign"), row("b-simulated-1", "harmful"), row("lead-simulated-1", "benign", ADJUDICATION)], "benign", True),
    ([row("a", "benign"), row("b", "harmful"), row("lead", "benign", ADJUDICATION)], "benign", False),
    ([row("a", "benign"), row("b", "harmful"), row("lead", "benign", ADJUDICATION),
      row("other", "harmful", ADJUDICATION, "2")], "harmful", False),
    ([row("a", "benign"), row("b-simulated-1", "harmful"), row("lead", "benign", ADJUDICATION),
      row("lead-simulated-1", "harmful", ADJUDICATION, "2")], "benign", True),
])  # fmt: skip
def test_no_simulated_adjudicator_overrules_people(rows: list[Response], decided: str, simulated: bool) -> None:
    for given in (rows, rows[::-1]):
        (item,) = items(given, [], 2)
        assert (item.adjudicated, item.simulated) == (decided, simulated)
