"""Directions: difference of means, projections that are 1 and -1 at the means."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from curation.errors import ModelError
from rass.directions import Direction, separation

states = arrays(np.float32, st.tuples(st.integers(1, 8), st.just(6)), elements=st.floats(-50, 50, width=32))


@given(states, states)
def test_projection_is_1_and_minus_1_at_the_class_means(harmful: np.ndarray, harmless: np.ndarray) -> None:
    direction = Direction.from_activations(4, harmful, harmless)
    high, low = harmful.mean(0, dtype="float64"), harmless.mean(0, dtype="float64")
    if np.linalg.norm(high - low) < 0.1:
        return  # equal means: no direction to project on
    np.testing.assert_allclose(direction.project(np.stack([high, low, (high + low) / 2])), [1, -1, 0], atol=1e-3)
    assert direction.layer == 4


@given(states, states)
def test_projection_is_finite_and_separation_a_share(harmful: np.ndarray, harmless: np.ndarray) -> None:
    direction = Direction.from_activations(0, harmful, harmless)
    assert np.isfinite(direction.project(harmful)).all()
    area = separation(direction, harmful, harmless)
    scores = direction.project(harmful)[:, None], direction.project(harmless)[None, :]
    assert area == pytest.approx(np.mean((scores[0] > scores[1]) + 0.5 * (scores[0] == scores[1])))


def test_classes_far_apart_are_separated_whole() -> None:
    random = np.random.default_rng(1)
    harmful, harmless = random.normal(3, 1, (20, 6)).astype("float32"), random.normal(-3, 1, (30, 6)).astype("float32")
    direction = Direction.from_activations(0, harmful, harmless)
    assert separation(direction, harmful, harmless) == 1.0
    assert separation(direction, harmless, harmful) == 0.0


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (0, 0)])
def test_an_empty_class_is_refused(sizes: tuple[int, int]) -> None:
    harmful, harmless = (np.zeros((size, 6), "float32") for size in sizes)
    with pytest.raises(ModelError, match="one class is empty") as found:
        Direction.from_activations(0, harmful, harmless)
    assert "\n" not in str(found.value)
