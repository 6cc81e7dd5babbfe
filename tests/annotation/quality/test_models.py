"""Aggregation against crowd-kit, against laws, and as verdicts."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.aggregation import ACCURACY, judge
from annotation.quality.models.dawid_skene import dawid_skene
from annotation.quality.models.glad import glad
from annotation.quality.models.methods import METHODS, judge_all
from annotation.quality.models.worth import entropy, expected_gain, one_coin
from annotation.quality.ratings import Rating, Ratings
from curation.records import ANSWERS
from tests.annotation.quality.conftest import Triple, drawn, triples

MODELS = (dawid_skene, glad)


def crowd_kit(name: str, rows: Sequence[Triple], **settings: Any) -> Any:
    """crowd-kit's posteriors as a matrix of sorted items by sorted labels."""
    import pandas as pd

    model = getattr(pytest.importorskip("crowdkit.aggregation"), name)(**settings)
    found = model.fit_predict_proba(pd.DataFrame(rows, columns=["task", "worker", "label"]))
    return found.sort_index()[sorted(found.columns)].to_numpy()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("labels", [("0", "1"), ("a", "b", "c"), ANSWERS])
@pytest.mark.parametrize("seed", [0, 1])
def test_dawid_skene_is_crowd_kits(labels: Sequence[str], seed: int) -> None:
    rows, _ = drawn(60, (0.9, 0.8, 0.7, 0.6, 0.4), labels, 3, seed)
    assert dawid_skene(Ratings.of(rows)).posterior == pytest.approx(crowd_kit("DawidSkene", rows), abs=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_glad_is_crowd_kits_where_its_steps_converge() -> None:
    rows, _ = drawn(15, (0.95, 0.8, 0.7, 0.5), ("a", "b", "c"), 3, 2)
    theirs = crowd_kit("GLAD", rows, m_step_max_iter=500, m_step_tol=1e-6)
    assert glad(Ratings.of(rows)).posterior == pytest.approx(theirs, abs=1e-5)


def slow_dawid_skene(rows: Sequence[Triple], rounds: int) -> dict[str, dict[str, float]]:
    """The EM of 1979, word by word, for a fixed number of rounds."""
    items, people, labels = (sorted({row[column] for row in rows}) for column in range(3))
    share = {item: {label: sum(row[0] == item and row[2] == label for row in rows)
                    / sum(row[0] == item for row in rows) for label in labels} for item in items}  # fmt: skip
    for _ in range(rounds):
        prior = {true: sum(share[item][true] for item in items) / len(items) for true in labels}
        error = {}
        for person in people:
            mine = [row for row in rows if row[1] == person]
            for true in labels:
                counts = {label: max(1e-10, sum(share[row[0]][true] for row in mine if row[2] == label))
                          for label in {row[2] for row in mine}}  # fmt: skip
                error |= {(person, label, true): count / sum(counts.values()) for label, count in counts.items()}
        for item in items:
            likelihood = {true: prior[true] * math.prod(error[row[1], row[2], true] for row in rows if row[0] == item)
                          for true in labels}  # fmt: skip
            share[item] = {true: value / sum(likelihood.values()) for true, value in likelihood.items()}
    return share


def test_dawid_skene_is_its_definition() -> None:
    rows, _ = drawn(30, (0.9, 0.8, 0.6), ("a", "b", "c"), 2, 4)
    ratings = Ratings.of(rows)
    slow = slow_dawid_skene(rows, 5)
    fast = dawid_skene(ratings, rounds=5, tolerance=-math.inf)
    assert fast.rounds == 5
    for item, found in zip(ratings.items, fast.posterior, strict=True):
        assert dict(zip(ratings.labels, found, strict=True)) == pytest.approx(slow[item], abs=1e-9)


@given(triples())
@settings(max_examples=40)
def test_posteriors_are_distributions(rows: list[Triple]) -> None:
    for model in MODELS:
        found = model(Ratings.of(rows)).posterior
        assert np.isfinite(found).all() and (found >= 0).all()
        assert found.sum(1) == pytest.approx(1)
    confusion = dawid_skene(Ratings.of(rows)).confusion
    assert confusion.sum(1) == pytest.approx(1)


@given(triples(), st.permutations("abcdefgh"), st.permutations("vwxyz"), st.randoms())
@settings(max_examples=40)
def test_names_and_order_do_not_matter(
    rows: list[Triple], items: list[str], people: list[str], order: random.Random
) -> None:
    item, person = dict(zip("abcdefgh", items, strict=True)), dict(zip("vwxyz", people, strict=True))
    renamed = [(item[row[0]], person[row[1]], row[2]) for row in rows]
    order.shuffle(renamed)
    before, after = Ratings.of(rows), Ratings.of(renamed)
    # A few rounds only: where the likelihood is flat, rounding alone may decide which way a long run goes.
    one, two = (dawid_skene(found, rounds=3, tolerance=-math.inf).posterior for found in (before, after))
    assert two[[after.items.index(item[name]) for name in before.items]] == pytest.approx(one, abs=1e-7)
    shuffled = list(rows)
    order.shuffle(shuffled)
    for model in MODELS:
        assert (model(Ratings.of(shuffled)).posterior == model(before).posterior).all()


@pytest.mark.parametrize("model", MODELS)
def test_edges(model: Any) -> None:
    assert len(model(Ratings.of([])).posterior) == 0
    alone = model(Ratings.of([("i", "a", "x"), ("j", "a", "y")]))
    assert alone.posterior == pytest.approx(np.eye(2), abs=0.35)
    assert model(Ratings.of([(item, person, "x") for item in "ij" for person in "ab"])).posterior == pytest.approx(1)


def test_learnt_accuracies_find_who_is_right() -> None:
    rows, truth = drawn(300, (0.95, 0.95, 0.5, 0.5, 0.5), ("benign", "harmful"), 5, 6)
    ratings = Ratings.of(rows)
    right = {
        "majority": ratings.counts(),
        "dawid-skene": dawid_skene(ratings).posterior,
        "glad": glad(ratings).posterior,
    }
    share = {name: np.mean([truth[item] == ratings.labels[best] for item, best in
                            zip(ratings.items, found.argmax(1), strict=True)]) for name, found in right.items()}  # fmt: skip
    assert share["dawid-skene"] > share["majority"] + 0.05 and share["glad"] > share["majority"] + 0.05
    assert (np.argsort(-glad(ratings).ability)[:2] < 2).all()


def test_harder_items_are_those_that_good_people_get_wrong() -> None:
    rows = [(f"{item:02d}", person, "x") for item in range(20) for person in "abcd"]
    rows += [(f"h{item}", person, "y" if person in "ab" else "x") for item in range(4) for person in "abcd"]
    ratings = Ratings.of(rows)
    easiness = dict(zip(ratings.items, glad(ratings).easiness, strict=True))
    assert max(easiness[f"h{item}"] for item in range(4)) < min(easiness[f"{item:02d}"] for item in range(20))


@given(st.lists(st.tuples(st.sampled_from("ijk"), st.sampled_from("abcd"), st.sampled_from(ANSWERS)), min_size=1,
                unique_by=lambda row: row[:2]))  # fmt: skip
def test_every_method_judges_every_item(rows: list[Triple]) -> None:
    table = [Rating(*row) for row in rows]
    for method in METHODS:
        found = judge_all(method, table)
        assert set(found) == {row.item for row in table}
        for item, judged in found.items():
            answers = [row.label for row in table if row.item == item]
            assert judged.verdict in ("benign", "harmful", "controversial")
            assert 0 <= judged.posterior <= 1 and judged.answers == len(answers)
            if not {"benign", "harmful"} & set(answers):
                assert judged.verdict == "controversial"
            if method == "posterior":
                assert (judged.verdict, judged.posterior, judged.agreement) == judge(answers)


@pytest.mark.parametrize(("answers", "verdict"), [
    (["benign"], "benign"), (["benign", "harmful"], "controversial"), (["harmful", "harmful", "benign"], "harmful"),
    (["depends", "depends", "benign"], "controversial"), (["unsure", "unsure", "harmful"], "controversial"),
])  # fmt: skip
def test_majority_by_hand(answers: list[str], verdict: str) -> None:
    rows = [Rating("i", str(person), answer) for person, answer in enumerate(answers)]
    assert judge_all("majority", rows)["i"].verdict == verdict


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(0.5, 1))
def test_worth_is_mutual_information(harmful: list[float], accuracy: float) -> None:
    posterior = np.column_stack([1 - np.array(harmful), harmful])
    gain = expected_gain(posterior, one_coin(accuracy, 2))
    assert (gain >= 0).all() and (gain <= entropy(posterior) + 1e-12).all()
    said = posterior @ one_coin(accuracy, 2).T
    noise = entropy(np.array([accuracy, 1 - accuracy]))
    assert gain == pytest.approx(np.maximum(0, entropy(said) - noise), abs=1e-9)  # H(answer) - H(answer | class)


def test_worth_by_hand() -> None:
    gain = expected_gain(np.array([[0.5, 0.5], [1.0, 0.0], [0.9, 0.1]]), one_coin(ACCURACY, 2))
    assert gain[0] == pytest.approx(1 - entropy(np.array([ACCURACY, 1 - ACCURACY])))
    assert gain[1] == 0 and 0 < gain[2] < gain[0]
    assert expected_gain(np.array([[0.5, 0.5]]), one_coin(0.5, 2)) == pytest.approx(0)
