from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from annotation.client import Client
from annotation.sessions.choosing import asked_before, from_triage, known_answers
from annotation.sessions.gold import gold_answers, read_gold_file, read_key
from annotation.sessions.opening import open_session
from annotation.sessions.plan import CALIBRATION, WORK, Plan
from annotation.testing import FakeArgilla
from curation.errors import AnnotationError
from curation.records import RefusalLabel, Triage, Verdict
from curation.workspace import QUEUED, Workspace
from tests.annotation.conftest import put
from tests.annotation.sessions.conftest import PEOPLE, answer_all, opened, practised, pulled, review_project


def small(workspace: Workspace, name: str = "first", **options: Any) -> Plan:
    chosen: dict[str, Any] = {"annotators": PEOPLE, "items_per_person": 10, "overlap": 2, "gold": 0.2, "calibration": 4}
    return open_session(workspace, name, **{**chosen, **options})


def items(plan: Plan, round_name: str) -> dict[str, set[str]]:
    return {place.annotator: set(keys) for place, keys in plan.now().items() if place.round == round_name}


def test_everybody_has_the_same_practice_and_equally_much_work(workspace: Workspace) -> None:
    plan = small(workspace)
    practice, work = items(plan, CALIBRATION), items(plan, WORK)
    assert len({frozenset(found) for found in practice.values()}) == 1
    assert {len(found) for found in practice.values()} == {4}
    assert {len(found) for found in work.values()} == {10}
    assert set(Counter(key for found in work.values() for key in found).values()) == {2}
    assert all(len(work[one] & work[two]) in (3, 4) for one, two in itertools.combinations(PEOPLE, 2))


def test_gold_is_a_share_of_everybodys_work_and_known_only_here(workspace: Workspace) -> None:
    plan = small(workspace)
    key = read_key(workspace, "first")
    assert gold_answers(workspace) == key
    prompts = workspace.prompts()
    assert all(prompts[prompt_id].intent == answer for prompt_id, answer in key.items())
    for mine in items(plan, WORK).values():
        assert len(mine & set(key)) == 2
    assert Counter(key.values()) == {"benign": 4, "harmful": 4}  # practice and gold
    assert not set.union(*items(plan, WORK).values()) & set.union(*items(plan, CALIBRATION).values())
    assert (
        "gold"
        not in (workspace.root / "annotation" / "sessions" / "first" / "plan.json").read_text().split('"revisions"')[1]
    )


def test_gold_items_do_not_stand_together(workspace: Workspace) -> None:
    """Work and gold are one shuffle, another one for each person."""
    plan = small(workspace, items_per_person=20, gold=0.4)
    key = read_key(workspace, "first")
    orders = [[item in key for item in keys] for place, keys in plan.now().items() if place.round == WORK]
    assert all(sum(order) == 8 and order != sorted(order) and order != sorted(order, reverse=True) for order in orders)
    assert len({tuple(order) for order in orders}) > 1


def test_the_same_project_and_name_give_the_same_plan(tmp_path: Path) -> None:
    plans = [small(review_project(tmp_path / str(number) / "review")) for number in range(2)]
    assert plans[0] == plans[1]
    assert small(review_project(tmp_path / "more" / "review"), "second").now() != plans[0].now()


def test_prompts_that_are_asked_about_are_kept_for_good(workspace: Workspace) -> None:
    from curation.records import Prompt

    plan = small(workspace)
    kept = {row.id for row in workspace.table(Prompt).rows((QUEUED,))}
    assert kept == {key for keys in plan.now().values() for key in keys}


def test_lanes_are_mixed_by_their_shares_and_by_priority(workspace: Workspace) -> None:
    rows = {row.prompt_id: row for row in workspace.table(Triage).rows()}
    order = from_triage(workspace, workspace.prompts(), {})
    assert sorted(order) == sorted(rows)
    for count in range(1, 15):
        lanes = Counter(rows[key].lane for key in order[:count])
        for lane, share in {"confirm": 0.45, "control": 0.25, "decide": 0.2, "audit": 0.1}.items():
            assert abs(lanes[lane] - share * count) <= 1
    for lane in ("decide", "confirm", "control", "audit"):
        own = [rows[key].priority for key in order if rows[key].lane == lane]
        assert own == sorted(own, reverse=True)
    late = order[0]
    assert from_triage(workspace, workspace.prompts(), {late: {"a", "b"}})[-1] == late


def test_a_second_session_asks_about_other_things(workspace: Workspace) -> None:
    first, second = small(workspace), small(workspace, "second")
    for mine, theirs in zip(items(first, WORK).values(), items(second, WORK).values(), strict=True):
        assert not mine & theirs


def test_people_are_not_asked_again_what_they_answered(workspace: Workspace, client: Client, fake: FakeArgilla) -> None:
    plan = practised(workspace, client, fake, opened(workspace, client))
    answer_all(fake, plan)
    pulled(workspace, client, "first")
    asked = asked_before(workspace)
    assert {len(people) for people in asked.values()} == {2}
    for place, keys in small(workspace, "second").now().items():
        assert place.round == CALIBRATION or not any(place.annotator in asked.get(key, ()) for key in keys)


def test_when_nothing_is_left_it_says_so(workspace: Workspace) -> None:
    small(workspace, items_per_person=30, gold=0)
    small(workspace, "second", annotators=("eve", "fred"), items_per_person=30, gold=0)
    with pytest.raises(AnnotationError, match="nothing is left in en") as caught:
        small(workspace, "third", annotators=("eve", "fred"), items_per_person=30, gold=0)
    assert "--from-requeue" in caught.value.fix


def test_doubtful_items_come_first_to_others_then_to_anybody(
    workspace: Workspace, client: Client, fake: FakeArgilla
) -> None:
    path = workspace.root / "annotation" / "requeue.json"
    with pytest.raises(AnnotationError, match=r"requeue\.json does not exist"):
        small(workspace, requeue=True)
    plan = practised(workspace, client, fake, opened(workspace, client, gold=0))
    answer_all(fake, plan)
    pulled(workspace, client, "first")
    doubtful = sorted(set.union(*items(plan, WORK).values()))[:3]
    path.write_text(json.dumps([{"prompt_id": key, "reason": "split"} for key in [*doubtful, "f" * 16]]))
    again = small(workspace, "again", requeue=True, gold=0, calibration=0)
    before, now = plan.holders("en", WORK), again.holders("en", WORK)
    assert sorted(now) == doubtful
    assert not any(set(now[key]) & set(before[key]) for key in doubtful)
    same = small(workspace, "same", requeue=True, gold=0, calibration=0, annotators=("anna", "bob"))
    assert set(same.holders("en", WORK).values()) == {("anna", "bob")}
    path.write_text("{")
    with pytest.raises(AnnotationError, match="cannot read"):
        small(workspace, "broken", requeue=True)


def test_people_overrule_what_a_seeds_author_meant(workspace: Workspace) -> None:
    prompts = workspace.prompts()
    seeds = [key for key, row in prompts.items() if row.method == "seed" and row.intent == "benign"]
    written = next(key for key, row in prompts.items() if row.method == "mutation")
    before = known_answers(workspace, prompts)
    assert before[seeds[0]] == before[seeds[1]] == before[seeds[2]] == "benign"
    put(workspace, Verdict, "verdicts", [
        Verdict(seeds[0], "controversial", 0.5, 3, 0.6, False), Verdict(seeds[1], "harmful", 0.99, 3, 1.0, False),
        Verdict(seeds[2], "harmful", 0.99, 3, 1.0, True), Verdict(written, "benign", 0.01, 2, 1.0, False)])  # fmt: skip
    after = known_answers(workspace, prompts)
    assert seeds[0] not in after
    assert (after[seeds[1]], after[seeds[2]], after[written]) == ("harmful", "benign", "benign")


def test_a_gold_file_replaces_what_is_known(workspace: Workspace, tmp_path: Path) -> None:
    own = dict.fromkeys([key for key, row in workspace.prompts().items() if row.method == "mutation"][:6], "harmful")
    path = tmp_path / "gold.json"
    path.write_text(json.dumps(own))
    small(workspace, gold_answers=read_gold_file(path))
    assert read_key(workspace, "first").items() <= own.items()
    for text in ("[]", '{"a": "depends"}', "{"):
        path.write_text(text)
        with pytest.raises(AnnotationError, match=r"gold\.json|gold key"):
            read_gold_file(path)


def test_suggestions_follow_intent_or_what_targets_did(workspace: Workspace) -> None:
    refused, *others = [key for key, row in workspace.prompts().items() if row.intent == "unknown"]
    put(workspace, RefusalLabel, "label", [RefusalLabel("r", refused, "t", "full_refusal", 1.0, "x", ""),
                                           RefusalLabel("s", others[0], "t", "full_compliance", 0.0, "x", "")])  # fmt: skip
    plan = small(workspace, items_per_person=20, pre_annotated=True)
    suggested, prompts = plan.suggestions(), workspace.prompts()
    assert set(suggested) == set.union(*items(plan, WORK).values())
    for key, answer in suggested.items():
        intent = prompts[key].intent
        assert answer == (("harmful" if key == refused else "benign") if intent == "unknown" else intent)
    shown = {place: keys for place, keys in plan.shown().items() if place.round == WORK}
    assert all(abs(2 * len(keys) - len(plan.now()[place])) <= 4 for place, keys in shown.items())
    assert not any(keys for place, keys in plan.shown().items() if place.round == CALIBRATION)


def test_without_names_each_language_has_its_accounts(tmp_path: Path) -> None:
    workspace = review_project(tmp_path / "two", ("en", "ar"))
    plan = open_session(workspace, "first", items_per_person=6)
    assert plan.people("en") == [f"en-annotator-{number}" for number in (1, 2, 3)]
    assert plan.languages() == ["ar", "en"]
    simulated = open_session(workspace, "demo", languages=["ar"], simulated=True, items_per_person=6)
    assert simulated.people() == [f"ar-simulated-{number}" for number in (1, 2, 3)]


@pytest.mark.parametrize(("options", "words"), [
    ({"annotators": ("anna",)}, "cannot give 2 answers"),
    ({"languages": ["xx"]}, "no language of this project"),
    ({"gold": 0.9}, "gold 0.9"),
    ({"items_per_person": 0}, "items per person 0"),
])  # fmt: skip
def test_what_cannot_be_planned_is_refused(workspace: Workspace, options: dict[str, Any], words: str) -> None:
    with pytest.raises(AnnotationError, match=words):
        small(workspace, **options)
    assert not (workspace.root / "annotation").exists()


def test_a_name_is_used_once(workspace: Workspace) -> None:
    small(workspace)
    with pytest.raises(AnnotationError, match="exists already") as caught:
        small(workspace)
    assert "session advance first" in caught.value.fix
