"""Steering: nothing at coefficient 0, old + c * vector at its layer, and hooks that always go."""

from __future__ import annotations

import numpy as np
import pytest

from rass.activations import collect
from rass.directions import Direction
from rass.models import ChatModel
from rass.steering import steered
from tests.rass.conftest import PROMPTS, fingerprint, hooks


@pytest.fixture(scope="module")
def direction() -> Direction:
    return Direction(1, np.random.default_rng(0).normal(size=32).astype("float32"), np.zeros(32, "float32"))


def test_coefficient_0_changes_nothing(any_tiny: ChatModel, direction: Direction) -> None:
    before = collect(any_tiny, PROMPTS, [0, 1, 2], openings=[3])
    with steered(any_tiny, direction, 0.0):
        after = collect(any_tiny, PROMPTS, [0, 1, 2], openings=[3])
    for layer in before.hidden:
        np.testing.assert_array_equal(before.hidden[layer], after.hidden[layer])
    np.testing.assert_array_equal(before.refusal_score, after.refusal_score)


@pytest.mark.parametrize("coefficient", [0.5, -2.0])
def test_at_its_layer_the_state_is_old_plus_vector(
    any_tiny: ChatModel, direction: Direction, coefficient: float
) -> None:
    before = collect(any_tiny, PROMPTS, [0, 1, 2])
    with steered(any_tiny, direction, coefficient):
        after = collect(any_tiny, PROMPTS, [0, 1, 2])
    np.testing.assert_array_equal(after.hidden[0], before.hidden[0])
    np.testing.assert_allclose(after.hidden[1], before.hidden[1] + coefficient * direction.vector, rtol=1e-5, atol=1e-5)
    assert np.abs(after.hidden[2] - before.hidden[2]).max() > 0.1


def test_each_row_may_have_its_own_coefficient(tiny: ChatModel, direction: Direction) -> None:
    import torch

    prompts = ["aaaa", "bbbb", "cccc"]  # one length: the batch keeps their order
    coefficients = np.array([0.0, 1.5, -1.0], "float32")
    before = collect(tiny, prompts, [1])
    with steered(tiny, direction, torch.tensor(coefficients)):
        after = collect(tiny, prompts, [1])
    np.testing.assert_allclose(
        after.hidden[1], before.hidden[1] + coefficients[:, None] * direction.vector, rtol=1e-5, atol=1e-5
    )


def test_every_position_is_steered_while_writing(tiny: ChatModel, direction: Direction) -> None:
    """With its cache, generation equals a forward pass over the whole text under the same steering."""
    import torch

    ids, mask = tiny.pad(tiny.encode(["Hi"]))
    with torch.inference_mode(), steered(tiny, direction, 3.0):
        out = tiny.model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=6, do_sample=False, pad_token_id=0)
        whole = tiny.model(input_ids=out).logits.argmax(-1)
    assert torch.equal(whole[0, ids.shape[1] - 1 : -1], out[0, ids.shape[1] :])


def test_nested_steering_adds_up(tiny: ChatModel, direction: Direction) -> None:
    with steered(tiny, direction, 1.0), steered(tiny, direction, 0.5):
        twice = collect(tiny, PROMPTS, [1])
    with steered(tiny, direction, 1.5):
        once = collect(tiny, PROMPTS, [1])
    np.testing.assert_allclose(twice.hidden[1], once.hidden[1], rtol=1e-5, atol=1e-5)


def test_hooks_are_gone_after_an_exception_and_the_model_is_as_it_was(
    any_tiny: ChatModel, direction: Direction
) -> None:
    before, hanging = fingerprint(any_tiny), hooks(any_tiny.model)  # transformers hangs some of its own and leaves them
    with pytest.raises(KeyboardInterrupt), steered(any_tiny, direction, 1.0):
        assert hooks(any_tiny.model) == hanging + 1
        raise KeyboardInterrupt
    assert fingerprint(any_tiny) == before
