"""What is measured of one annotator, by hand and by law."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.quality.evidence import Evidence, Suggested
from annotation.quality.people.accuracy import Others, against, confusion
from annotation.quality.people.anchoring import anchoring
from annotation.quality.people.drift import accuracy_drift, harmful_drift, thirds
from annotation.quality.people.pace import gaps, length, moment, pace
from annotation.quality.people.profile import profiles
from annotation.quality.people.runs import entropy_bits, longest_run, run_chance
from annotation.quality.people.strictness import strictness
from curation.rates import newcombe, wilson
from tests.annotation.quality.conftest import answer, prompt

PROMPTS = [prompt(number, "harmful" if number % 3 == 0 else "benign") for number in range(60)]
KEY = {row.id: row.intent for row in PROMPTS}


def test_newcombes_published_example() -> None:
    # Newcombe (1998), method 10, example (a): 56 of 70 against 48 of 80
    difference, low, high = newcombe(wilson(56, 70), wilson(48, 80))
    assert (difference, low, high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


def test_accuracy_and_confusion_against_a_key() -> None:
    rows = [answer(PROMPTS[0], "a", "benign"), answer(PROMPTS[1], "a", "benign"), answer(prompt(99), "a", "harmful")]
    assert against(rows, KEY)[3:] == (1, 2)
    assert confusion(rows, KEY) == {("harmful", "benign"): 1, ("benign", "benign"): 1}


def test_the_others_do_not_hold_ones_own_answer() -> None:
    rows = [answer(PROMPTS[1], name, given) for name, given in zip("abc", ("harmful", "benign", "benign"), strict=True)]
    others = Others(rows)
    assert others.answers(PROMPTS[1].id, "a") == ["benign", "benign"]
    assert others.key("a") == {PROMPTS[1].id: "benign"}
    assert others.key("b") == {}  # split


def test_strictness_is_the_difference_to_the_others_on_the_same_items() -> None:
    rows = [answer(row, name, "harmful" if name == "strict" or index % 2 else "benign")
            for index, row in enumerate(PROMPTS) for name in ("strict", "even", "odd")]  # fmt: skip
    found = strictness(rows)
    assert found["strict"].difference == pytest.approx(0.5) and found["strict"].low > 0
    assert found["even"].difference == pytest.approx(-0.25) == found["odd"].difference
    assert 0 < found["strict"].shrunken < found["strict"].difference
    assert found["strict"].items == 60


def test_few_answers_are_shrunken_more() -> None:
    rows = [answer(row, "base", "benign") for row in PROMPTS]
    rows += [answer(row, "much", "harmful" if index % 2 else "benign") for index, row in enumerate(PROMPTS)]
    rows += [answer(row, "little", "harmful" if index % 2 else "benign") for index, row in enumerate(PROMPTS[:4])]
    found = strictness(rows)
    shrinkage = {name: row.shrunken / row.difference for name, row in found.items()}
    assert shrinkage["little"] < shrinkage["much"] < 1


def test_who_meets_nobody_has_no_strictness() -> None:
    found = strictness([answer(PROMPTS[0], "a", "harmful"), answer(PROMPTS[1], "b", "benign")])
    assert math.isnan(found["a"].difference) and found["a"].items == 0


def test_drift_compares_the_last_third_with_the_first() -> None:
    rows = [answer(row, "a", row.intent if index < 20 or index % 2 else "unsure", seconds=60 * index)
            for index, row in enumerate(PROMPTS)]  # fmt: skip
    found = accuracy_drift(reversed(rows), KEY)  # the order is that of the clock
    assert found.value == pytest.approx(-0.5) and found.high < 0
    assert math.isnan(thirds([True] * 14).value)
    assert harmful_drift(rows).low < 0 < harmful_drift(rows).high


def test_gaps_leave_out_breaks_and_answers_sent_together() -> None:
    seconds = (0, 5, 5, 12, 5000, 5003)
    rows = [answer(row, "a", "benign", seconds=at) for row, at in zip(PROMPTS, seconds, strict=False)]
    assert sorted(gap.seconds for gap in gaps(rows)) == [3, 5, 7]
    assert gaps(rows[:1]) == []


def test_pace_finds_time_that_grows_with_length() -> None:
    source = random.Random(2)
    asked = [prompt(number, text=f"{number} " + "word " * source.randrange(1, 80)) for number in range(40)]
    clock, rows = 0.0, []
    for row in asked:
        clock += 2 + length(row.text) / 50 + source.random() / 10
        rows.append(answer(row, "a", "benign", seconds=clock))
    found = pace(gaps(rows))
    assert found.slope.value == pytest.approx(2.0, abs=0.1)  # 100 characters at 50 a second
    assert found.slope.low <= 2.0 <= found.slope.high or found.slope.value == pytest.approx(2, abs=0.02)
    assert found.hasty.hits == 0
    quick = pace(gaps([answer(row, "a", "benign", seconds=0.3 * index) for index, row in enumerate(asked)]))
    assert quick.hasty.value == 1 and abs(quick.slope.value) < 0.1


def test_pace_without_times() -> None:
    found = pace([])
    assert math.isnan(found.median) and math.isnan(found.slope.value) and found.hasty.n == 0
    assert moment("yesterday") is None
    assert moment("2026-11-20T09:00:00Z") == moment("2026-11-20T09:00:00") == moment("2026-11-20T10:00:00+01:00")
    assert length("漢字") == 6 and length("word") == 4


@given(st.integers(1, 6), st.integers(1, 7), st.lists(st.integers(1, 5), min_size=1, max_size=3))
def test_the_chance_of_a_run_is_that_of_counting_all_rows(draws: int, run: int, weights: list[int]) -> None:
    shares = [weight / sum(weights) for weight in weights]
    total = 0.0
    for row in itertools.product(range(len(shares)), repeat=draws):
        if max(len(list(found)) for _, found in itertools.groupby(row)) >= run:
            total += math.prod(shares[kind] for kind in row)
    assert run_chance(draws, run, shares) == pytest.approx(total, abs=1e-9)


def test_runs_by_hand() -> None:
    found = longest_run(list("aabbba"), {"a": 0.5, "b": 0.5})
    assert (found.answer, found.length, found.answers) == ("b", 3, 6)
    assert longest_run(["a"] * 60, {"a": 0.6, "b": 0.4}).chance < 1e-9
    assert longest_run([], {"a": 1.0}).length == 0
    assert longest_run(["a"] * 60, {"a": 1.0}).chance == 1
    assert (entropy_bits(list("abab")), entropy_bits(["a"])) == (1, 0)


def test_anchoring_is_the_difference_that_the_sight_makes() -> None:
    rows = [Suggested("en", "a", "benign", "benign" if index < (90 if shown else 60) else "harmful", shown)
            for shown in (True, False) for index in range(100)]  # fmt: skip
    found = anchoring(rows)
    assert (found.shown.hits, found.blind.hits) == (90, 60)
    assert found.difference.value == pytest.approx(0.3) and found.difference.low > 0.15
    assert math.isnan(anchoring(rows[:100]).difference.value)  # never kept back


def flags_of(given_answers: Sequence[str], seconds: float = 8.0) -> list[str]:
    rows = [answer(row, name, row.intent, seconds=9 * index) for index, row in enumerate(PROMPTS) for name in "bc"]
    rows += [answer(row, "a", given, seconds=seconds * index) for index, (row, given) in
             enumerate(zip(PROMPTS, given_answers, strict=True))]  # fmt: skip
    found = profiles(Evidence(tuple(rows), gold=KEY))
    assert [row.annotator for row in found] == ["a", "b", "c"]
    return found[0].flags(len(found))


def test_who_answers_well_does_not_stand_out() -> None:
    assert flags_of([row.intent for row in PROMPTS]) == []


def test_who_always_says_the_same_stands_out() -> None:
    found = flags_of(["harmful"] * len(PROMPTS), seconds=0.2)
    assert {"below gold", "strict", "hasty", "straight-lining"} <= set(found)
    assert "lenient" in flags_of(["benign"] * len(PROMPTS))


def test_runs_need_an_order() -> None:
    rows = [answer(row, name, "benign", seconds=0) for row in PROMPTS[:20] for name in "ab"]
    assert all(row.run is None for row in profiles(Evidence(tuple(rows))))
