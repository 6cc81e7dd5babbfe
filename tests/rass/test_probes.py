"""Probes: they find what is there, held-out scores never saw their row, folds depend on names alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import ModelError
from rass.metrics import auroc
from rass.probes import FOLDS, fit_layered, fit_probe, folds_of, out_of_fold


def states(seed: int = 0, rows: int = 60, width: int = 12, gap: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = np.arange(rows) % 2 == 0
    return random.normal(size=(rows, width)).astype("float32") + gap * truth[:, None] / np.sqrt(width), truth


def test_a_probe_separates_what_differs() -> None:
    hidden, truth = states()
    probe = fit_probe(3, hidden, truth)
    assert probe.layer == 3
    assert auroc(probe.logits(hidden), truth) > 0.9
    assert ((fit_probe(3, hidden * 1000, truth).logits(hidden * 1000) > 0) == (probe.logits(hidden) > 0)).mean() > 0.95


def test_an_empty_class_is_one_line() -> None:
    with pytest.raises(ModelError, match="both classes"):
        fit_probe(0, np.zeros((4, 2), "float32"), np.ones(4, bool))


def test_a_layered_probe_is_the_mean_of_layers_at_one_scale() -> None:
    hidden, truth = states()
    noise, _ = states(seed=1, gap=0.0)
    layered = fit_layered({0: hidden, 5: noise}, [0, 5], truth, np.ones(len(truth), bool))
    assert layered.layers == [0, 5]
    for probe, here in zip(layered.probes, (hidden, noise), strict=True):
        assert probe.logits(here).std() == pytest.approx(1, abs=1e-3)
        assert probe.logits(here).mean() == pytest.approx(0, abs=1e-3)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=4), min_size=1, max_size=40, unique=True), st.randoms())
def test_folds_depend_on_names_not_on_order(names: list[str], random) -> None:  # type: ignore[no-untyped-def]
    strata = np.array([len(name) % 2 for name in names])
    folds = dict(zip(names, folds_of(names, strata).tolist(), strict=True))
    shuffled = names[:]
    random.shuffle(shuffled)
    again = folds_of(shuffled, np.array([len(name) % 2 for name in shuffled]))
    assert dict(zip(shuffled, again.tolist(), strict=True)) == folds
    sizes = np.bincount(list(folds.values()), minlength=FOLDS)
    assert sizes.max() - sizes.min() <= 1


def test_no_row_helps_to_score_itself() -> None:
    folds = np.array([0, 0, 1, 1, 2])
    seen: list[tuple[set[int], set[int]]] = []

    def fit(rows: np.ndarray):  # type: ignore[no-untyped-def]
        def score(held: np.ndarray) -> np.ndarray:
            seen.append((set(np.flatnonzero(rows)), set(np.flatnonzero(held))))
            return np.flatnonzero(held).astype(float)

        return score

    assert out_of_fold(fit, folds).tolist() == [0, 1, 2, 3, 4]
    assert all(not learnt & scored and learnt | scored == set(range(5)) for learnt, scored in seen)
