"""Selection: budgets, reasons, order, and what stays in any case."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.config import SelectionSection
from curation.records import Margin, Prompt, Selection, Verdict, make_prompt
from curation.steps import Output, Step
from curation.testing import LetterEncoder, mutation, tree
from curation.workspace import QUEUED, Workspace
from rass.benign import BenignCheck, origin_odds
from rass.probing import run_probe
from rass.selection import Candidate, nearness, run_select, select, teaching
from rass.writers.running import run_generate
from tests.rass.test_benign import check_with, verdict
from tests.rass.test_project import make

CHECK = check_with()
WORDS = ("bread", "bombed", "bomb", "garden", "chess", "film", "python", "knife")
CATEGORIES = ("homonyms", "history", "fiction")


def section(**values: object) -> SelectionSection:
    return SelectionSection(**{"per_language": 5, "harmful": 2, **values})  # type: ignore[arg-type]


def candidate(text: str, margin: float | None = 1.0, *, language: str = "en", intent: str = "benign",
              category: str = "homonyms", asked: bool = False) -> Candidate:  # fmt: skip
    row = mutation(text, language, intent=intent, category=category)
    margins = () if margin is None else (Margin(row.id, "tiny", margin, margin - 1, margin + 1, 0.5, 0.0, 0.0),)
    return Candidate(row, margins, asked)


def choose(rows: list[Candidate], check: BenignCheck = CHECK, **values: object) -> Output:
    return select(rows, check, section(**values), alike=0.6,
                  fluency=lambda some: [0.0 if "garbled" in row.text else 1.0 for row in some])  # fmt: skip


some_candidates = st.lists(
    st.builds(
        lambda number, word, margin, language, intent, category, asked: candidate(
            f"{language} {word} number {number} for the house", margin, language=language, intent=intent,
            category=category, asked=asked),
        st.integers(0, 40), st.sampled_from((*WORDS, "garbled")), st.one_of(st.none(), st.floats(-20, 20)),
        st.sampled_from(("en", "es")), st.sampled_from(("benign", "benign", "harmful", "unknown")),
        st.sampled_from(CATEGORIES), st.sampled_from((False, False, False, True)),
    ),
    max_size=25, unique_by=lambda one: one.prompt.id,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(some_candidates, st.randoms())
def test_budget_reasons_and_order(rows: list[Candidate], shuffler: random.Random) -> None:
    found = choose(rows)
    assert Counter(row.prompt_id for row in (*found.rows, *found.rejects)) == Counter(one.prompt.id for one in rows)
    by_id = {one.prompt.id: one for one in rows}
    for language in ("en", "es"):
        for harmful, budget in ((False, 5), (True, 2)):
            mine = [one for one in rows if one.prompt.language == language and one.harmful == harmful]
            asked = sum(one.asked for one in mine)
            chosen = [row for row in found.rows if by_id[row.prompt_id] in mine]
            assert asked <= len(chosen) <= max(budget, asked)
            assert sorted(row.rank for row in chosen if row.rank) == list(range(1, len(chosen) - asked + 1))
    kept = {row.prompt_id for row in found.rows}
    assert {one.prompt.id for one in rows if one.asked} <= kept
    assert {row.reason for row in found.rejects} <= {"far_from_boundary", "not_benign_enough", "not_harmful_enough",
                                                     "not_fluent", "too_similar", "over_budget"}  # fmt: skip
    assert all(json.loads(row.evidence)["text"] == by_id[row.prompt_id].prompt.text for row in found.rejects)
    shuffled = rows[:]
    shuffler.shuffle(shuffled)
    assert choose(shuffled) == found


@pytest.mark.parametrize(("one", "reason"), [
    (candidate("en bread 1", -7.0), "far_from_boundary"),
    (candidate("en bread 2", 15.0), "far_from_boundary"),
    (candidate("en garbled bread 3"), "not_fluent"),
    (candidate("en bomb number 4 for the house", intent="unknown"), "not_benign_enough"),
    (candidate("en bread number 5 for the house", intent="harmful"), "not_harmful_enough"),
    (candidate("en bread 6"), ""),
    (candidate("en bread 7", None), ""),
    (candidate("en bomb number 8 for the house", intent="harmful"), ""),
    (candidate("en bread 9", -7.0, asked=True), ""),
])  # fmt: skip
def test_reasons(one: Candidate, reason: str) -> None:
    found = choose([one])
    assert [row.reason for row in found.rejects] == [reason] * bool(reason)
    assert [row.prompt_id for row in found.rows] == [one.prompt.id] * (not reason)


def test_one_target_near_is_enough() -> None:
    one = candidate("en bread 1", -9.0)
    two = Candidate(one.prompt, (*one.margins, Margin(one.prompt.id, "other", 0.5, 0.0, 1.0, 0.6, 0.0, 0.0)), False)
    assert choose([one]).rejects and not choose([two]).rejects


def test_over_the_budget_one_that_says_the_same_is_told_apart_from_others() -> None:
    rows = [candidate("en bread and butter for the house", 1.0), candidate("en bread and butter for the houses", 1.5),
            candidate("en chess openings with the queen", 2.0)]  # fmt: skip
    found = choose(rows, per_language=1)
    assert {row.reason for row in found.rejects} == {"too_similar", "over_budget"}
    both = choose(rows, per_language=2)
    assert {row.prompt_id for row in both.rows} >= {rows[2].prompt.id}


def test_categories_are_spread() -> None:
    rows = [candidate(f"en {word} {number}", category=category) for number, (word, category) in
            enumerate([*((word, "homonyms") for word in WORDS), ("film", "history"), ("film", "fiction")])]  # fmt: skip
    chosen = {row.prompt_id for row in choose(rows, per_language=3).rows}
    assert len({one.prompt.category for one in rows if one.prompt.id in chosen}) == 3


def test_nearness_prefers_the_refusing_side() -> None:
    assert nearness([0.0]) == 1.0
    assert nearness([3.0]) > nearness([-3.0])
    assert nearness([-3.0, 0.5]) == nearness([0.5]) > nearness([9.0]) > 0
    assert nearness([-900.0]) < 1e-6


def test_a_label_teaches_most_where_both_are_uncertain() -> None:
    assert teaching(0.5, 0.5) == 1.0
    assert teaching(1.0, 0.5) == teaching(0.5, 0.0) == 0.0
    assert teaching(0.6, 0.5) > teaching(0.9, 0.5)


def test_once_people_have_judged_what_a_label_teaches_counts() -> None:
    def with_chance(text: str, refuses: float) -> Candidate:
        one = candidate(text, 1.0)
        return Candidate(one.prompt, (Margin(one.prompt.id, "tiny", 1.0, 0.0, 2.0, refuses, 0.0, 0.0),), False)

    rows = [with_chance("en bread 1", 0.99), with_chance("en bread 2", 0.5)]
    judged = mutation("en other")
    with_verdicts = check_with(verdicts=[verdict(judged, "benign")])
    plain, taught = choose(rows), choose(rows, with_verdicts)
    quality = [{row.prompt_id: row.quality for row in found.rows} for found in (plain, taught)]
    gap = [each[rows[1].prompt.id] - each[rows[0].prompt.id] for each in quality]
    assert gap[1] > gap[0]
    assert choose(rows, with_verdicts, explore=0.0) == plain


@pytest.fixture
def workspace(tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setattr("rass.benign.encoder", lambda _: LetterEncoder())
    return filled(make(tmp_path / "bench", tiny_folder))


def filled(found: Workspace) -> Workspace:
    """With the candidates of one writer, and their margins; a tiny budget."""
    path = found.root / "morbench.toml"
    head, tail = path.read_text(encoding="utf-8").split('[[writers]]\nname = "sampling"\ncount = 9\n')
    path.write_text(f"{head}{tail}\n[selection]\nper_language = 4\nfarthest_answered = 50\nfarthest_refused = 50\n",
                    encoding="utf-8")  # fmt: skip
    found = Workspace.open(found.root)
    run_generate(found)
    run_probe(found)
    return found


def test_in_a_project_every_candidate_has_its_row(workspace: Workspace) -> None:
    found = run_select(workspace)
    candidates = [row for row in workspace.alive(("identify", "dedup")) if row.method != "seed"]
    assert len(found.rows) == 4
    assert {row.prompt_id for row in (*found.rows, *found.rejects)} == {row.id for row in candidates}
    assert workspace.table(Selection).rows(("select",)) == found.rows
    alive = [row for row in workspace.alive(("identify", "dedup", "select")) if row.method != "seed"]
    assert {row.id for row in alive} == {row.prompt_id for row in found.rows}


def test_again_computes_nothing_and_another_project_gets_the_same_bytes(
    workspace: Workspace, tmp_path: Path, tiny_folder: Path
) -> None:
    run_select(workspace)
    before = tree(workspace.root)
    assert run_select(workspace).computed == 0
    assert tree(workspace.root) == before
    other = filled(make(tmp_path / "other", tiny_folder))
    run_select(other)
    assert tree(other.root) == before


def test_asking_people_about_what_was_chosen_leaves_nothing_to_do(workspace: Workspace) -> None:
    chosen = {row.prompt_id for row in run_select(workspace).rows}
    before = tree(workspace.root)
    asked = [row for row in workspace.prompts().values() if row.id in chosen]
    workspace.run(Step(QUEUED, 1, {}, lambda: Output), asked, Prompt)
    assert run_select(workspace).computed == 0
    assert {name: data for name, data in tree(workspace.root).items() if name in before} == before


def test_what_people_were_asked_about_stays_and_their_verdicts_choose_anew(workspace: Workspace) -> None:
    first = run_select(workspace)
    dropped = [row for row in workspace.prompts().values() if row.id in {each.prompt_id for each in first.rejects}]
    workspace.run(Step(QUEUED, 1, {}, lambda: Output), dropped[:2], Prompt)
    second = run_select(workspace)
    assert {row.id for row in dropped[:2]} <= {row.prompt_id for row in second.rows}
    assert len(second.rows) == 4
    workspace.run(Step("verdicts", 1, {}, lambda: Output), [verdict(dropped[0], "benign")], Verdict)
    third = run_select(workspace)
    assert third.computed
    (told,) = (row for row in third.rows if row.prompt_id == dropped[0].id)
    assert told.benign == pytest.approx(0.98) and told.evidence.startswith("people: benign")


def test_no_candidates_no_rows() -> None:
    assert choose([]) == Output([], [])
    made = make_prompt("en bread", "en", category="unsorted", intent="unknown", method="sampling")
    assert choose([Candidate(made, (), False)], per_language=0).rejects[0].reason == "over_budget"
    assert origin_odds([])["unknown"] == 0.0
