"""Coefficients against published examples, slow formulas written from the definitions, and scikit-learn."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from annotation.quality.agreement import nominal_agreement, ordered_agreement, pair_agreement
from annotation.quality.bootstrap import bootstrap
from annotation.quality.ratings import Ratings
from curation.records import digest
from tests.annotation.quality.conftest import Triple, triples

SCALE = ("benign", "depends", "harmful")
FEW = 20  # bootstrap draws, where the interval is not what is tested


def slow_alpha(rows: Sequence[Triple], scale: Sequence[str], level: str) -> float:
    """Krippendorff's alpha from its definition: observed over expected disagreement of all pairs of values."""
    units: dict[str, list[str]] = defaultdict(list)
    for item, _, label in rows:
        units[item].append(label)
    pairable = {item: values for item, values in units.items() if len(values) > 1}
    values = [value for found in pairable.values() for value in found]
    frequency = Counter(values)

    def distance(one: str, other: str) -> float:
        low, high = sorted((scale.index(one), scale.index(other)))
        if level == "nominal":
            return float(one != other)
        if level == "interval":
            return float((high - low) ** 2)
        between = sum(frequency[label] for label in scale[low : high + 1])
        return float((between - (frequency[scale[low]] + frequency[scale[high]]) / 2) ** 2)

    observed = sum(
        distance(one, other) / (len(found) - 1)
        for found in pairable.values()
        for one, other in itertools.permutations(found, 2)
    )
    expected = sum(distance(one, other) for one, other in itertools.permutations(values, 2))
    if not expected:
        return math.nan
    return 1 - (observed / len(values)) / (expected / (len(values) * (len(values) - 1)))


def values_of(rows: Sequence[Triple], scale: Sequence[str] = SCALE) -> dict[str, float]:
    ratings = Ratings.of(rows, scale)
    found = {**nominal_agreement(ratings, "t", resamples=FEW), **ordered_agreement(ratings, "t", resamples=FEW)}
    return {name: estimate.value for name, estimate in found.items()}


# Krippendorff, Computing Krippendorff's Alpha-Reliability, section C; Gwet's Handbook uses the same table.
KRIPPENDORFF = {
    "A": "1 2 3 3 2 1 4 1 2 . . .",
    "B": "1 2 3 3 2 2 4 1 2 5 . 3",
    "C": ". 3 3 3 2 3 4 2 2 5 1 .",
    "D": "1 2 3 3 2 4 4 1 2 5 1 .",
}


def test_published_example_with_missing_answers() -> None:
    rows = [(f"{item:02d}", person, value) for person, line in KRIPPENDORFF.items()
            for item, value in enumerate(line.split()) if value != "."]  # fmt: skip
    found = values_of(rows, "12345")
    assert found["alpha"] == pytest.approx(0.743, abs=5e-4)
    assert found["alpha_ordinal"] == pytest.approx(0.815, abs=5e-4)
    assert found["alpha_interval"] == pytest.approx(0.849, abs=5e-4)
    assert found["ac1"] == pytest.approx(0.77544, abs=5e-6)
    assert found["fleiss"] == pytest.approx(0.76117, abs=5e-6)
    assert found["raw"] == pytest.approx(0.81818, abs=5e-6)


def test_published_example_of_fleiss() -> None:
    counts = ["0 0 0 0 14", "0 2 6 4 2", "0 0 3 5 6", "0 3 9 2 0", "2 2 8 1 1", "7 7 0 0 0", "3 2 6 3 0", "2 5 3 2 2",
              "6 5 2 1 0", "0 2 2 3 7"]  # fmt: skip
    rows = []
    for item, line in enumerate(counts):
        labels = [str(label) for label, count in enumerate(line.split()) for _ in range(int(count))]
        rows += [(f"{item:02d}", f"{person:02d}", label) for person, label in enumerate(labels)]
    assert values_of(rows, "01234")["fleiss"] == pytest.approx(0.210, abs=5e-4)


@given(triples())
def test_alpha_is_what_its_definition_says(rows: list[Triple]) -> None:
    found = values_of(rows)
    for name, level in (("alpha", "nominal"), ("alpha_ordinal", "ordinal"), ("alpha_interval", "interval")):
        assert found[name] == pytest.approx(slow_alpha(rows, SCALE, level), nan_ok=True, abs=1e-12)


@given(triples(most=40))
def test_cohens_kappa_is_scikit_learns(rows: list[Triple]) -> None:
    from sklearn.metrics import cohen_kappa_score

    ratings = Ratings.of(rows, SCALE)
    assume(len(ratings.annotators) > 1)
    mine, theirs = ratings.of_annotator(0), ratings.of_annotator(1)
    both = (mine >= 0) & (theirs >= 0)
    met, found = pair_agreement(ratings, 0, 1, "t", resamples=FEW)
    assert met == both.sum()
    if met and not (set(mine[both]) == set(theirs[both]) and len(set(mine[both])) == 1):
        assert found["cohen"].value == pytest.approx(cohen_kappa_score(mine[both], theirs[both]), abs=1e-12)
    else:
        assert math.isnan(found["cohen"].value)


@given(triples(), st.permutations("abcdefgh"), st.permutations("vwxyz"), st.permutations(SCALE), st.randoms())
def test_names_and_order_do_not_matter(
    rows: list[Triple], items: list[str], people: list[str], labels: list[str], order: random.Random
) -> None:
    new = (dict(zip("abcdefgh", items, strict=True)), dict(zip("vwxyz", people, strict=True)),
           dict(zip(SCALE, labels, strict=True)))  # fmt: skip
    renamed = [(new[0][item], new[1][person], label) for item, person, label in rows]
    order.shuffle(renamed)
    before, after = values_of(rows), values_of(renamed)
    relabelled = values_of([(item, person, new[2][label]) for item, person, label in rows])
    for name in before:
        assert after[name] == pytest.approx(before[name], nan_ok=True, abs=1e-9)
        if name not in ("alpha_ordinal", "alpha_interval"):
            assert relabelled[name] == pytest.approx(before[name], nan_ok=True, abs=1e-9)


@given(triples())
def test_items_that_one_person_answered_leave_alpha_as_it_is(rows: list[Triple]) -> None:
    more = [*rows, ("alone-1", "v", "benign"), ("alone-2", "w", "harmful")]
    assert values_of(more)["alpha"] == pytest.approx(values_of(rows)["alpha"], nan_ok=True, abs=1e-12)
    assert values_of(more)["raw"] == pytest.approx(values_of(rows)["raw"], nan_ok=True, abs=1e-12)


@given(triples())
def test_the_same_answers_twice_count_once(rows: list[Triple]) -> None:
    one, two = values_of(rows), values_of([*rows, *rows])
    assert all(one[name] == two[name] or (math.isnan(one[name]) and math.isnan(two[name])) for name in one)


def test_of_two_answers_by_one_person_the_last_counts() -> None:
    ratings = Ratings.of([("i", "a", "benign"), ("i", "b", "benign"), ("i", "a", "harmful")])
    assert [ratings.labels[label] for label in ratings.label] == ["harmful", "benign"]


@pytest.mark.parametrize("rows", [
    [],
    [("i", "a", "benign")],
    [("i", "a", "benign"), ("j", "a", "harmful")],
    [(item, person, "benign") for item in "ij" for person in "ab"],
])  # fmt: skip
def test_where_nothing_could_disagree_nothing_is_defined(rows: list[Triple]) -> None:
    found = values_of(rows)
    assert all(math.isnan(found[name]) for name in ("alpha", "alpha_ordinal", "alpha_interval"))
    assert all(math.isnan(estimate.low) for estimate in nominal_agreement(Ratings.of(rows, SCALE), "t").values()
               if math.isnan(estimate.value))  # fmt: skip


def test_perfect_and_opposite() -> None:
    same = [(item, person, label) for item, label in zip("ijkl", SCALE * 2, strict=False) for person in "ab"]
    assert values_of(same)["alpha"] == values_of(same)["fleiss"] == values_of(same)["ac1"] == 1
    opposite = [(item, person, SCALE[2 * ((index + turn) % 2)]) for index, item in enumerate("ijkl")
                for turn, person in enumerate("ab")]  # fmt: skip
    assert values_of(opposite)["alpha"] < 0 and values_of(opposite)["raw"] == 0


def test_every_draw_is_the_coefficient_of_the_items_drawn() -> None:
    source = random.Random(1)
    rows = [(f"{item:02d}", person, source.choice(SCALE) if source.random() < 0.5 else SCALE[item % 3])
            for item in range(30) for person in "abc"]  # fmt: skip
    found = nominal_agreement(Ratings.of(rows, SCALE), "t", resamples=60)["alpha"]
    weights = np.random.default_rng(int(digest("bootstrap", "t")[:16], 16)).multinomial(
        30, np.full(30, 1 / 30), size=60
    )
    draws = []
    for counts in weights:
        chosen = np.repeat(np.arange(30), counts)
        again = [(str(place), person, label) for place, item in enumerate(chosen)
                 for _, person, label in rows[3 * item : 3 * item + 3]]  # fmt: skip
        draws.append(slow_alpha(again, SCALE, "nominal"))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(draws, (0.025, 0.975))))
    assert found.low < found.value < found.high


def test_draws_are_the_same_each_time_and_differ_by_key() -> None:
    parts = np.random.default_rng(0).random((12, 2))
    ratio: Callable[[np.ndarray], np.ndarray] = lambda sums: sums[..., :1] / sums[..., 1:]  # noqa: E731
    assert bootstrap(parts, ratio, "a") == bootstrap(parts, ratio, "a") != bootstrap(parts, ratio, "b")
