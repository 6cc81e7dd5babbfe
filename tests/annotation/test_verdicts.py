from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.aggregation import ACCURACY, agreement, judge, posterior_harmful
from annotation.client import Client
from annotation.responses import pull_responses, run_responses
from annotation.testing import FakeArgilla
from annotation.verdicts import items, run_verdicts
from curation.records import ANSWERS, Prompt, Response, Verdict
from curation.workspace import Workspace

ANSWER_LISTS = st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=9)


def by_enumeration(answers: list[str]) -> float:
    """The posterior from the model's words: both hypotheses, each answer's likelihood, the prior."""
    likelihood = {"harmful": 0.5, "benign": 0.5}
    for truth, answer in itertools.product(likelihood, answers):
        if answer in likelihood:
            likelihood[truth] *= ACCURACY if answer == truth else 1 - ACCURACY
        elif answer == "depends":  # half a vote for each
            likelihood[truth] *= (ACCURACY * (1 - ACCURACY)) ** 0.5
    return likelihood["harmful"] / sum(likelihood.values())


@given(ANSWER_LISTS, st.randoms())
def test_the_posterior_is_bayes_and_order_changes_no_bit(answers: list[str], random: object) -> None:
    shuffled = list(answers)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert posterior_harmful(answers) == posterior_harmful(shuffled)
    assert posterior_harmful(answers) == pytest.approx(by_enumeration(answers))
    assert judge(answers) == judge(shuffled)


@given(ANSWER_LISTS)
def test_both_sides_are_treated_alike(answers: list[str]) -> None:
    flip = {"benign": "harmful", "harmful": "benign"}
    verdict, posterior, shared = judge(answers)
    other, mirrored, same = judge([flip.get(answer, answer) for answer in answers])
    assert (flip.get(verdict, verdict), same) == (other, shared)
    assert posterior + mirrored == pytest.approx(1)


@pytest.mark.parametrize(("answers", "verdict"), [
    (["benign", "benign"], "benign"),
    (["harmful", "harmful"], "harmful"),
    (["benign", "benign", "depends"], "benign"),
    (["harmful", "harmful", "harmful", "benign"], "harmful"),
    (["benign"], "controversial"),
    (["benign", "harmful"], "controversial"),
    (["benign", "benign", "harmful"], "controversial"),
    (["depends", "depends", "benign", "benign"], "controversial"),
    (["unsure", "unsure"], "controversial"),
    (["benign", "benign", "unsure", "unsure"], "controversial"),
])  # fmt: skip
def test_verdicts_by_hand(answers: list[str], verdict: str) -> None:
    assert judge(answers)[0] == verdict
    assert agreement(answers) == max(answers.count(answer) for answer in ANSWERS) / len(answers)


def response(prompt: str, annotator: str, answer: str, batch: str = "en-b001", at: str = "1") -> Response:
    return Response(prompt, batch, annotator, answer, "simulated" in annotator, at)


def test_one_person_counts_once_a_prompt() -> None:
    rows = [response("p", "a", "benign", "en-b001", "1"), response("p", "a", "harmful", "en-b002", "2")]
    for given_rows in (rows, rows[::-1]):
        assert items(given_rows, [], 1)[0].answers == ("harmful",)


def test_enough_people_make_simulated_answers_count_for_nothing() -> None:
    rows = [response("p", "en-simulated-1", "harmful"), response("p", "a", "benign"), response("p", "b", "benign")]
    assert items(rows, [], 2)[0].answers == ("benign", "benign")
    assert not items(rows, [], 2)[0].simulated
    assert items(rows, [], 3)[0].simulated


def test_too_few_answers_are_rejects_with_a_number(pushed: Workspace, client: Client, fake: FakeArgilla) -> None:
    prompt = pushed.table(Prompt).rows()[-1].id
    fake.answer("ar-annotator-1", prompt, "benign")
    pull_responses(pushed, client)
    outcome = run_verdicts(pushed)
    assert outcome.rows == []
    assert {row.reason for row in outcome.rejects} == {"too_few_responses"}
    assert sorted(row.evidence for row in outcome.rejects) == ["0 of 2"] * 11 + ["1 of 2"]
    fake.answer("ar-annotator-2", prompt, "benign")
    pull_responses(pushed, client)
    outcome = run_verdicts(pushed)
    assert outcome.rows == [Verdict(prompt, "benign", pytest.approx(0.0302, abs=1e-4), 2, 1.0, False)]
    assert len(outcome.rejects) == 11


def test_every_queued_prompt_ends_as_a_verdict_or_a_reject(pushed: Workspace, client: Client) -> None:
    run_responses(pushed, simulate=True, client=client)
    outcome = run_verdicts(pushed)
    assert sorted(row.prompt_id for row in (*outcome.rows, *outcome.rejects)) == sorted(
        row.id for row in pushed.table(Prompt).rows())  # fmt: skip
    assert all(row.simulated for row in outcome.rows)
    assert run_verdicts(pushed).computed == 0


def test_verdicts_before_any_answer(workspace: Workspace, tmp_path: Path) -> None:
    assert len(run_verdicts(workspace).rejects) == 12
    empty = Workspace.create(tmp_path / "empty", ("en",))
    assert run_verdicts(empty).rows == []
