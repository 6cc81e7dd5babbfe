"""The boundary: recovers what the target does, is calibrated in form, and belongs to one model."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from curation.errors import ModelError
from curation.records import Prompt, make_prompt
from rass.boundary import BOOTSTRAPS, SIGNALS, Boundary, fit_boundary, measure
from rass.models import ChatModel
from rass.probing import describe, read_boundary, write_boundary
from rass.testing import tiny_model
from tests.rass.conftest import load

WORDS = ("river", "garden", "bridge", "window", "candle", "market", "forest", "letter")


def prompts() -> list[Prompt]:
    """Harmful prompts that look unlike the others, in two languages."""
    rows = [make_prompt(f"ZZZZ {word.upper()} ZZZZ!", language, category="weapons", intent="harmful", method="seed")
            for word in WORDS for language in ("en", "es")]  # fmt: skip
    rows += [make_prompt(f"tell me of a {word}", language, category="harmless", intent="benign", method="seed")
             for word in WORDS for language in ("en", "es")]  # fmt: skip
    return rows + [
        make_prompt(f"shoot a {word} at ZZZZ dusk", "en", category="homonyms", intent="benign", method="seed")
        for word in WORDS
    ]


def fit(chat: ChatModel, rows: list[Prompt], seed: int = 7) -> Boundary:
    refused = [row.intent == "harmful" or "river" in row.text for row in rows]
    return fit_boundary("tiny", chat, rows, refused, (40, 41), seed=seed)


@pytest.fixture(scope="module")
def boundary(tiny: ChatModel) -> Boundary:
    return fit(tiny, prompts())


def test_the_fit_recovers_the_sign(tiny: ChatModel, boundary: Boundary) -> None:
    rows = prompts()
    margins = measure(tiny, boundary, rows)
    harmful = [margin.margin for row, margin in zip(rows, margins, strict=True) if row.intent == "harmful"]
    harmless = [margin.margin for row, margin in zip(rows, margins, strict=True) if row.category == "harmless"]
    assert np.mean(np.array(harmful) > 0) > 0.9
    assert np.mean(np.array(harmless) < 0) > 0.8
    assert boundary.separation > 0.9
    assert 0 <= boundary.direction.layer < 3
    assert boundary.weights.shape == (1 + BOOTSTRAPS, 1 + len(SIGNALS) + 2 * 2)


def test_intervals_contain_the_margin_and_probability_is_its_sigmoid(tiny: ChatModel, boundary: Boundary) -> None:
    rows = [*prompts(), make_prompt("an unseen text", "de", category="homonyms", intent="benign", method="mutation"),
            make_prompt("", "en", category="homonyms", intent="unknown", method="sampling")]  # fmt: skip
    for row, margin in zip(rows, measure(tiny, boundary, rows), strict=True):
        assert (margin.prompt_id, margin.target) == (row.id, "tiny")
        assert margin.low <= margin.margin <= margin.high
        assert margin.probability == pytest.approx(1 / (1 + np.exp(-margin.margin)))
        assert np.isfinite([margin.low, margin.high, margin.projection, margin.refusal_score]).all()


def test_intervals_contain_the_margin_where_all_resampled_fits_lie_beside_it(
    tiny: ChatModel, boundary: Boundary
) -> None:
    rows = prompts()
    for shift in (-50.0, 50.0):
        weights = boundary.weights.copy()
        weights[1:, 0] += shift
        for margin in measure(tiny, dataclasses.replace(boundary, weights=weights), rows):
            assert margin.low <= margin.margin <= margin.high


def test_margins_do_not_depend_on_the_order_of_rows(tiny: ChatModel, boundary: Boundary) -> None:
    rows = prompts()
    whole = {margin.prompt_id: margin for margin in measure(tiny, boundary, rows)}
    for margin in [*measure(tiny, boundary, rows[::-1]), *measure(tiny, boundary, rows[5:9])]:
        assert margin.margin == pytest.approx(whole[margin.prompt_id].margin, abs=1e-3)
        assert margin.low == pytest.approx(whole[margin.prompt_id].low, abs=1e-3)


def test_the_fit_does_not_depend_on_the_order_of_rows(tiny: ChatModel, boundary: Boundary) -> None:
    other = fit(tiny, prompts()[::-1])
    assert other.direction.layer == boundary.direction.layer
    np.testing.assert_allclose(other.weights[0], boundary.weights[0], atol=1e-3)


def test_the_same_seed_gives_the_same_boundary(tiny: ChatModel, boundary: Boundary) -> None:
    np.testing.assert_array_equal(fit(tiny, prompts()).weights, boundary.weights)
    other = fit(tiny, prompts(), seed=8)
    np.testing.assert_array_equal(other.weights[0], boundary.weights[0])
    assert not np.array_equal(other.weights[1:], boundary.weights[1:])


def test_a_boundary_of_another_model_is_refused(tmp_path: Path, boundary: Boundary) -> None:
    other = load(tiny_model(tmp_path / "other", seed=1))
    with pytest.raises(ModelError, match="was made for model") as found:
        measure(other, boundary, prompts())
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(("answer", "word"), [(True, "refused every seed"), (False, "answered every seed")])
def test_a_target_without_a_boundary_is_refused(tiny: ChatModel, answer: bool, word: str) -> None:
    rows = prompts()
    with pytest.raises(ModelError, match=word):
        fit_boundary("tiny", tiny, rows, [answer] * len(rows), (40,), seed=7)


def test_no_harmful_seed_is_refused(tiny: ChatModel) -> None:
    rows = [row for row in prompts() if row.intent != "harmful"]
    with pytest.raises(ModelError, match="one class is empty"):
        fit(tiny, rows)


def test_writing_and_reading_is_exact(tmp_path: Path, boundary: Boundary) -> None:
    odd = dataclasses.replace(boundary, target="käse-目标", separation=1 / 3)
    for number, kept in enumerate((boundary, odd)):
        path = tmp_path / f"{number}.safetensors"
        write_boundary(path, kept)
        first = path.read_bytes()
        found = read_boundary(path)
        for field in ("target", "model_digest", "separation", "openings", "languages"):
            assert getattr(found, field) == getattr(kept, field)
        assert (found.direction.layer, found.refusal.layer) == (kept.direction.layer, kept.refusal.layer)
        assert found.refusal.bias == kept.refusal.bias
        assert [(probe.layer, probe.bias) for probe in found.harm.probes] == [
            (probe.layer, probe.bias) for probe in kept.harm.probes
        ]
        for ours, theirs in ((found.scale, kept.scale), (found.weights, kept.weights), (found.direction.vector, kept.direction.vector),
                             (found.direction.midpoint, kept.direction.midpoint), (found.harm.probes[-1].vector, kept.harm.probes[-1].vector),
                             (found.refusal.vector, kept.refusal.vector)):  # fmt: skip
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs)
        write_boundary(path, found)
        assert path.read_bytes() == first


def test_describe_names_every_weight(boundary: Boundary) -> None:
    assert set(describe(boundary)["weights"]) == {"intercept", *SIGNALS, "en", "es", "en slope", "es slope"}  # type: ignore[call-overload]
