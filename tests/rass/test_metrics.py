"""Metrics: equal to an independent implementation, and to what can be counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from curation.errors import InputError
from rass import metrics


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=60))
def test_auroc_equals_sklearn_with_ties(rows: list[tuple[int, bool]]) -> None:
    scores, truth = np.array([row[0] for row in rows], float), np.array([row[1] for row in rows])
    if truth.all() or not truth.any():
        assert math.isnan(metrics.auroc(scores, truth))
    else:
        assert metrics.auroc(scores, truth) == pytest.approx(roc_auc_score(truth, scores))


def test_recall_at_one_percent_lets_no_more_than_one_percent_through() -> None:
    negatives, positives = np.arange(200.0), np.array([197.5, 198.5, 0.0, 300.0])
    scores = np.concatenate([negatives, positives])
    truth = np.arange(len(scores)) >= 200
    assert metrics.recall_at_false_positives(scores, truth) == 0.75  # two of 200 may lie above the cut
    few = np.array([1.0, 2.0, 3.0]), np.array([False, False, True])
    assert metrics.recall_at_false_positives(*few) == 1.0
    assert math.isnan(metrics.recall_at_false_positives(np.ones(3), np.zeros(3, bool)))


def test_calibration_error_by_hand() -> None:
    probability = np.array([0.05, 0.05, 0.95, 0.95])
    truth = np.array([False, False, True, False])
    assert metrics.calibration_error(probability, truth) == pytest.approx(0.5 * 0.05 + 0.5 * 0.45)
    assert metrics.calibration_error(np.array([1.0]), np.array([True])) == 0.0


def test_the_band_is_the_nearest_fifth() -> None:
    margin = np.array([-0.1, 0.2, 5, 5, 5, -5, -5, -5, 6, 7])
    truth = np.array([False, False, *[False] * 8])
    assert metrics.band_accuracy(margin, truth) == 0.5


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.floats(-3, 3), st.booleans()), min_size=4, max_size=40))
def test_the_interval_holds_the_value_for_a_mean(rows: list[tuple[float, bool]]) -> None:
    scores, truth = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    found = metrics.estimate(lambda _, answers: float(np.mean(answers)), scores, truth, resamples=200)
    assert found.low <= found.value <= found.high
    assert found.n == len(rows)
    assert found == metrics.estimate(lambda _, answers: float(np.mean(answers)), scores, truth, resamples=200)


def test_lengths_that_differ_are_one_line() -> None:
    with pytest.raises(InputError, match="2 scores for 3 labels"):
        metrics.estimate(metrics.auroc, np.zeros(2), np.zeros(3))
