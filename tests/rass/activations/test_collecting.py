"""Activations: independent of padding, batches and early stopping; equal to a plain forward pass."""

from __future__ import annotations

import math

import numpy as np
import pytest

from curation.errors import ModelError
from rass.activations import AFTER_INSTRUCTION, collect, opening_log_odds
from rass.models import ChatModel
from tests.rass.conftest import PROMPTS, fingerprint, hooks, one_line

LAYERS = (0, 1, 2)
OPENINGS = (7, 30, 41)
POSITIONS = (-1, -5, -2)
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


def assert_same_but_for_rounding(found: np.ndarray, other: np.ndarray) -> None:
    """No value differs by more than two millionths of the largest in its state: sixteen roundings of float32."""
    largest = np.abs(other).max(-1, keepdims=True)
    assert (np.abs(found - other) <= 2e-6 * largest).all()


def plain(chat: ChatModel, prompt: str) -> tuple[list[np.ndarray], np.ndarray]:
    """States after each layer (but the normed last one) at each token, and the next token's logits; one prompt, no padding."""
    import torch

    with torch.inference_mode():
        out = chat.model(input_ids=torch.tensor(chat.encode([prompt])), output_hidden_states=True)
    return [state[0].numpy() for state in out.hidden_states[1:]], out.logits[0, -1].double().numpy()


@pytest.mark.parametrize("side", ["left", "right"])
def test_equal_to_a_plain_forward(any_tiny: ChatModel, side: str) -> None:
    found = collect(any_tiny, PROMPTS, LAYERS, positions=POSITIONS, openings=OPENINGS, side=side, batch_size=4)
    for row, prompt in enumerate(PROMPTS):
        states, logits = plain(any_tiny, prompt)
        for layer in LAYERS[:-1]:  # transformers norms the last one
            assert_same_but_for_rounding(found.hidden[layer][row], states[layer][list(POSITIONS)])
        probability = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        inside = probability[list(OPENINGS)].sum()
        assert found.refusal_score[row] == pytest.approx(math.log(inside / (1 - inside)), abs=1e-3)


def test_the_side_of_the_padding_makes_no_difference(any_tiny: ChatModel) -> None:
    left, right = (collect(any_tiny, PROMPTS, LAYERS, positions=POSITIONS, side=side) for side in ("left", "right"))
    for layer in LAYERS:
        assert_same_but_for_rounding(left.hidden[layer], right.hidden[layer])


@pytest.mark.parametrize("size", [1, 2, 3, 32])
def test_independent_of_padding_batches_and_order(any_tiny: ChatModel, size: int) -> None:
    whole = collect(any_tiny, PROMPTS, LAYERS, openings=OPENINGS)
    order = [3, 0, 4, 2, 1]
    for side in ("left", "right"):
        other = collect(
            any_tiny, [PROMPTS[index] for index in order], LAYERS, openings=OPENINGS, batch_size=size, side=side
        )
        for layer in LAYERS:
            np.testing.assert_allclose(other.hidden[layer], whole.hidden[layer][order], **CLOSE)
        np.testing.assert_allclose(other.refusal_score, whole.refusal_score[order], atol=1e-3)


def test_one_position_is_a_row_of_several(tiny: ChatModel) -> None:
    several = collect(tiny, PROMPTS, [1], positions=POSITIONS).hidden[1]
    assert several.shape == (len(PROMPTS), len(POSITIONS), 32)
    for place, position in enumerate(POSITIONS):
        one = collect(tiny, PROMPTS, [1], positions=position).hidden[1]
        np.testing.assert_array_equal(one, several[:, place])
    after = collect(tiny, PROMPTS, [1], positions=AFTER_INSTRUCTION).hidden[1]
    np.testing.assert_array_equal(after, several[:, [2, 0]])


@pytest.mark.parametrize("layers", [(0,), (1,), (2, 0), (1, 1)])
def test_stopping_early_gives_the_same_states(any_tiny: ChatModel, layers: tuple[int, ...]) -> None:
    whole = collect(any_tiny, PROMPTS, LAYERS, openings=OPENINGS)
    early = collect(any_tiny, PROMPTS, layers)
    assert set(early.hidden) == set(layers)
    assert np.isnan(early.refusal_score).all()
    for layer in layers:
        np.testing.assert_array_equal(early.hidden[layer], whole.hidden[layer])


def test_stopping_early_spares_the_layers_above(tiny: ChatModel) -> None:
    called = []
    handle = tiny.layers[1].register_forward_pre_hook(lambda *_: called.append(1))
    try:
        collect(tiny, PROMPTS, [0])
        assert not called
        collect(tiny, PROMPTS, [1])
        assert called
    finally:
        handle.remove()


def test_no_prompts_give_empty_arrays(tiny: ChatModel) -> None:
    found = collect(tiny, [], [1], openings=OPENINGS)
    assert (found.hidden[1].shape, found.refusal_score.shape) == ((0, 32), (0,))


@pytest.mark.parametrize("layer", [-1, 3, 99])
def test_a_layer_out_of_range_is_refused(tiny: ChatModel, layer: int) -> None:
    with pytest.raises(ModelError, match="out of range") as found:
        collect(tiny, PROMPTS, [0, layer])
    assert "use 0 to 2" in one_line(found)


def test_a_side_that_is_none_is_refused(tiny: ChatModel) -> None:
    with pytest.raises(ModelError, match="cannot pad on side 'top'") as found:
        collect(tiny, PROMPTS, [0], side="top")
    one_line(found)


def test_a_prompt_longer_than_the_context_is_refused(tiny: ChatModel) -> None:
    with pytest.raises(ModelError, match="takes 1024") as found:
        collect(tiny, ["x" * 1100], [0])
    one_line(found)


def test_model_and_tokenizer_are_as_they_were(any_tiny: ChatModel) -> None:
    before = fingerprint(any_tiny)
    collect(any_tiny, PROMPTS, [1])
    collect(any_tiny, PROMPTS, LAYERS, openings=OPENINGS, side="right")
    assert fingerprint(any_tiny) == before


@pytest.mark.parametrize("openings", [(), OPENINGS])
def test_hooks_are_gone_after_an_exception(tiny: ChatModel, openings: tuple[int, ...]) -> None:
    def fail(*_: object) -> None:
        raise ValueError("in the middle of a layer")

    hanging = hooks(tiny.model)  # transformers hangs some of its own and leaves them
    handle = tiny.layers[1].mlp.register_forward_hook(fail)
    try:
        with pytest.raises(ValueError, match="in the middle"):
            collect(tiny, PROMPTS, [0, 1, 2], openings=openings)
    finally:
        handle.remove()
    assert hooks(tiny.model) == hanging
    collect(tiny, PROMPTS, [2])  # and it works again


def test_opening_log_odds_equal_a_reference_in_float64() -> None:
    import torch

    random = np.random.default_rng(5)
    logits = random.normal(0, 6, (40, 50))
    logits[0, 3], logits[1, 3] = 25, -25
    found = opening_log_odds(torch.tensor(logits, dtype=torch.float64), (3, 9)).numpy()
    for row, value in zip(logits, found, strict=True):
        weights = [math.exp(float(logit)) for logit in row]
        inside = weights[3] + weights[9]
        outside = math.fsum(weight for index, weight in enumerate(weights) if index not in (3, 9))
        assert value == pytest.approx(math.log(inside) - math.log(outside), abs=1e-6 if value < 15 else 1e-2)
    sure = torch.full((1, 5), -200.0)
    sure[0, 2] = 200.0
    assert torch.isfinite(opening_log_odds(sure, (2,))).all()
    assert torch.isfinite(opening_log_odds(sure, (1,))).all()
