"""Wilson intervals against published values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.rates import wilson


@pytest.mark.parametrize(("hits", "n", "low", "high"), [
    # Newcombe (1998), Statistics in Medicine 17, table I, method 3
    (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718),
    # Brown, Cai, DasGupta (2001): Wilson for n = 10
    (0, 10, 0.0000, 0.2775), (1, 10, 0.0179, 0.4042), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0000),
])  # fmt: skip
def test_published_values(hits: int, n: int, low: float, high: float) -> None:
    rate = wilson(hits, n)
    assert (round(rate.low, 4), round(rate.high, 4)) == (low, high)
    assert (rate.hits, rate.n, rate.value) == (hits, n, hits / n)


@given(st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_contains_the_share_and_lies_in_0_to_1(drawn: tuple[int, int]) -> None:
    hits, n = drawn
    rate = wilson(hits, n)
    assert 0 <= rate.low <= rate.value <= rate.high <= 1
    mirror = wilson(n - hits, n)
    assert mirror.low == pytest.approx(1 - rate.high, abs=1e-12)
    assert wilson(hits * 2, n * 2).high - wilson(hits * 2, n * 2).low < rate.high - rate.low


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_ends_solve_the_score_equation(drawn: tuple[int, int]) -> None:
    hits, n = drawn
    rate, z = wilson(hits, n), 1.959964
    for end in (rate.low, rate.high):
        assert (rate.value - end) ** 2 == pytest.approx(z * z * end * (1 - end) / n, abs=1e-9)


def test_no_rows_are_no_rate() -> None:
    rate = wilson(0, 0)
    assert math.isnan(rate.value)
    assert rate.text() == "no rows"
    assert wilson(5, 10).text() == "50 % [24, 76] n=10"
