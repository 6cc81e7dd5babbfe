"""The greedy choice against brute force, and the laws of its objective."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rass.submodular import choose, objective


def problem(seed: int, size: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Random similarities of unit vectors, qualities and groups."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(size, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = np.clip(vectors @ vectors.T, 0, 1)
    np.fill_diagonal(similarity, 1.0)
    return similarity, random.uniform(0.01, 1, size), [f"g{random.integers(3)}" for _ in range(size)]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("count", [1, 2, 4])
def test_greedy_is_near_the_best_of_all_sets(seed: int, count: int) -> None:
    similarity, quality, groups = problem(seed, 8)
    found = [pick.place for pick in choose(similarity, quality, groups, count)]
    best = max(objective(some, similarity, quality, groups) for some in itertools.combinations(range(8), count))
    assert objective(found, similarity, quality, groups) >= (1 - 1 / math.e) * best - 1e-12
    if count == 1:
        assert objective(found, similarity, quality, groups) == pytest.approx(best)


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 9), st.data())
def test_the_objective_grows_ever_more_slowly_from_0_to_2(seed: int, size: int, data: st.DataObject) -> None:
    similarity, quality, groups = problem(seed, size)
    large = data.draw(st.lists(st.integers(0, size - 1), unique=True))
    small = large[: data.draw(st.integers(0, len(large)))]
    value = {name: objective(some, similarity, quality, groups) for name, some in (("small", small), ("large", large))}
    assert 0 <= value["small"] <= value["large"] + 1e-12 <= 2 + 1e-9
    assert objective(range(size), similarity, quality, groups) == pytest.approx(2)
    for extra in set(range(size)) - set(large):
        gains = [
            objective([*some, extra], similarity, quality, groups) - objective(some, similarity, quality, groups)
            for some in (small, large)
        ]
        assert gains[0] >= gains[1] - 1e-9


@given(st.integers(0, 10_000), st.integers(0, 9), st.integers(0, 12), st.data())
def test_gains_are_what_the_objective_grows_by(seed: int, size: int, count: int, data: st.DataObject) -> None:
    similarity, quality, groups = problem(seed, size)
    fixed = data.draw(st.lists(st.integers(0, size - 1), unique=True)) if size else []
    found = choose(similarity, quality, groups, count, fixed)
    places = [pick.place for pick in found]
    assert len(places) == min(count, size - len(fixed)) == len(set(places) - set(fixed))
    so_far = list(fixed)
    for pick in found:
        before = objective(so_far, similarity, quality, groups)
        so_far.append(pick.place)
        assert objective(so_far, similarity, quality, groups) - before == pytest.approx(pick.gain, abs=1e-9)


def test_the_second_of_two_alike_comes_last() -> None:
    similarity = np.array([[1, 0.99, 0], [0.99, 1, 0], [0, 0, 1]], dtype=float)
    found = choose(similarity, np.array([1.0, 0.99, 0.5]), ["a", "a", "b"], 3)
    assert [pick.place for pick in found] == [0, 2, 1]
