"""Gates: only rows within the limits are steered, decided at the prompt and kept while writing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from curation.errors import ModelError
from rass.activations import collect
from rass.directions import Direction
from rass.models import ChatModel
from rass.steering import steered
from rass.strengths import Gate
from tests.rass.conftest import PROMPTS, one_line
from tests.rass.test_steering import before_and_after, real_tokens, write


@pytest.fixture(scope="module")
def direction() -> Direction:
    random = np.random.default_rng(3)
    return Direction(1, random.normal(size=32).astype("float32"), random.normal(size=32).astype("float32"))


def limits(values: np.ndarray) -> tuple[float, float]:
    """Limits between which some of the values lie, never on one of them."""
    ordered = np.sort(values)
    return float(ordered[0] + ordered[1]) / 2, float(ordered[-2] + ordered[-1]) / 2


@pytest.mark.parametrize("position", [-1, -3])
def test_rows_within_the_limits_are_steered_in_prompt_and_reply(
    any_tiny: ChatModel, direction: Direction, position: int
) -> None:
    direction = dataclasses.replace(direction, position=position)
    values = direction.project(collect(any_tiny, PROMPTS, [1], positions=position).hidden[1])
    low, high = limits(values)
    inside = (low <= values) & (values <= high)
    assert 0 < inside.sum() < len(PROMPTS)
    with before_and_after(any_tiny, direction, 2.0, gate=Gate(low, high)) as (before, after):
        write(any_tiny, PROMPTS)
    change = 2 * inside[:, None, None] * direction.vector
    np.testing.assert_allclose(
        after[0], before[0] + change * real_tokens(any_tiny, PROMPTS)[..., None], rtol=1e-5, atol=1e-5
    )
    for old, new in zip(before[1:], after[1:], strict=True):
        np.testing.assert_allclose(new, old + change, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(new[~inside], old[~inside])


def test_each_batch_is_decided_anew(tiny: ChatModel, direction: Direction) -> None:
    gate = Gate(*limits(direction.project(collect(tiny, PROMPTS, [1]).hidden[1])))
    with steered(tiny, direction, 2.0, action="ablate", reference=-1.0, gate=gate):
        together = collect(tiny, PROMPTS, [1, 2])
        one_by_one = collect(tiny, PROMPTS, [1, 2], batch_size=1)
    for layer in together.hidden:
        np.testing.assert_allclose(together.hidden[layer], one_by_one.hidden[layer], rtol=1e-4, atol=1e-4)


def test_a_prompt_of_one_token_is_a_prompt(tiny: ChatModel, direction: Direction) -> None:
    import torch

    ids = torch.tensor([[40], [90]])
    with torch.inference_mode(), before_and_after(tiny, direction, 0.0) as (before, _):
        tiny.model(input_ids=ids)
    values = direction.project(before[0][:, 0])
    cut = float(values.mean())
    with torch.inference_mode(), before_and_after(tiny, direction, 1.0, gate=Gate(low=cut)) as (before, after):
        tiny.model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=3, min_new_tokens=3,
                            do_sample=False, pad_token_id=0)  # fmt: skip
    assert len(before) == 3
    for old, new in zip(before, after, strict=True):
        assert (np.abs(new - old).max((1, 2)) > 0).tolist() == (values >= cut).tolist()


def test_a_gate_may_look_at_a_lower_layer(tiny: ChatModel, direction: Direction) -> None:
    lower = dataclasses.replace(direction, layer=0)
    values = lower.project(collect(tiny, PROMPTS, [0]).hidden[0])
    low, high = limits(values)
    before = collect(tiny, PROMPTS, [2]).hidden[2]
    with steered(tiny, direction, 2.0, layers=[2], gate=Gate(low, high, lower)):
        after = collect(tiny, PROMPTS, [2]).hidden[2]
    assert (np.abs(after - before).max(1) > 0).tolist() == ((low <= values) & (values <= high)).tolist()


def test_values_measured_before_decide_as_well(tiny: ChatModel, direction: Direction) -> None:
    prompts, margins = ["aaaa", "bbbb", "cccc"], [-3.0, 0.5, 2.0]
    before = collect(tiny, prompts, [0]).hidden[0]
    with steered(tiny, direction, [1.0, 2.0, 3.0], layers=[0], gate=Gate(0.0, 2.0, values=margins)):
        after = collect(tiny, prompts, [0]).hidden[0]  # both limits belong to the inside
    np.testing.assert_allclose(after - before, np.outer([0, 2, 3], direction.vector), rtol=1e-4, atol=1e-4)


def test_a_gate_above_the_steered_layer_is_refused(tiny: ChatModel, direction: Direction) -> None:
    with pytest.raises(ModelError, match="a gate in layer 1 comes too late to steer layer 0") as found, \
            steered(tiny, direction, layers=[0, 2], gate=Gate(0.0)):  # fmt: skip
        pass
    one_line(found)


def test_a_gate_that_saw_no_prompt_is_refused(tiny: ChatModel, direction: Direction) -> None:
    import torch

    with torch.inference_mode():
        cache = tiny.model(input_ids=torch.tensor([[40, 41]]), use_cache=True).past_key_values
        with steered(tiny, direction, gate=Gate(0.0)), pytest.raises(ModelError, match="has seen no prompt") as found:
            tiny.model(input_ids=torch.tensor([[42]]), past_key_values=cache)
    one_line(found)


def test_too_few_values_are_refused(tiny: ChatModel, direction: Direction) -> None:
    with steered(tiny, direction, gate=Gate(values=[0.0, 1.0])), \
            pytest.raises(ModelError, match="2 gate values for a batch of 5 rows") as found:  # fmt: skip
        collect(tiny, PROMPTS, [1])
    one_line(found)
