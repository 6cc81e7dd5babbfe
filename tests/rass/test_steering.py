"""Steering: nothing at coefficient 0, old + change at its layer and tokens, nothing before; hooks that always go."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from curation.errors import ModelError
from rass.activations import AFTER_INSTRUCTION, collect
from rass.directions import Direction
from rass.models import ChatModel
from rass.steering import steered
from rass.strengths import Gate
from rass.testing import random_chat
from tests.rass.conftest import PROMPTS, fingerprint, hooks, one_line

ACTIONS: list[dict[str, Any]] = [
    {"action": "add"},
    {"action": "subtract"},
    {"action": "ablate"},
    {"action": "ablate", "reference": -1.0},
]
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module")
def direction() -> Direction:
    random = np.random.default_rng(0)
    return Direction(1, random.normal(size=32).astype("float32"), random.normal(size=32).astype("float32"))


@contextlib.contextmanager
def noted(chat: ChatModel, layer: int) -> Iterator[list[np.ndarray]]:
    """Every output of a block, as the hooks that hang on it now leave it."""
    seen: list[np.ndarray] = []

    def note(_module: Any, _inputs: Any, output: Any) -> None:
        seen.append((output[0] if isinstance(output, tuple) else output).numpy(force=True))

    handle = chat.layers[layer].register_forward_hook(note)
    try:
        yield seen
    finally:
        handle.remove()


@contextlib.contextmanager
def before_and_after(
    chat: ChatModel, direction: Direction, *arguments: Any, **named: Any
) -> Iterator[tuple[list[np.ndarray], list[np.ndarray]]]:
    """Steer, and note what each pass had at the direction's layer before and after."""
    with (
        noted(chat, direction.layer) as before,
        steered(chat, direction, *arguments, **named),
        noted(chat, direction.layer) as after,
    ):
        yield before, after


def write(chat: ChatModel, prompts: tuple[str, ...], new: int = 4) -> Any:
    """Generate `new` tokens with the cache; prompts are padded on the left."""
    import torch

    ids, mask = chat.pad(chat.encode(prompts))
    with torch.inference_mode():
        return chat.model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=new, min_new_tokens=new,
                                   do_sample=False, pad_token_id=0)  # fmt: skip


def real_tokens(chat: ChatModel, prompts: tuple[str, ...]) -> np.ndarray:
    return np.asarray(chat.pad(chat.encode(prompts))[1].bool().numpy())


@pytest.mark.parametrize("how", ACTIONS)
def test_coefficient_0_changes_nothing(any_tiny: ChatModel, direction: Direction, how: dict[str, Any]) -> None:
    before = collect(any_tiny, PROMPTS, [0, 1, 2], openings=[3])
    with steered(any_tiny, direction, 0.0, **how):
        after = collect(any_tiny, PROMPTS, [0, 1, 2], openings=[3])
    for layer in before.hidden:
        np.testing.assert_array_equal(before.hidden[layer], after.hidden[layer])
    np.testing.assert_array_equal(before.refusal_score, after.refusal_score)


@pytest.mark.parametrize("coefficient", [0.5, -2.0])
def test_at_its_layer_the_state_is_old_plus_vector(
    any_tiny: ChatModel, direction: Direction, coefficient: float
) -> None:
    before = collect(any_tiny, PROMPTS, [0, 1, 2])
    for how, sign in (({"action": "add"}, 1), ({"action": "subtract"}, -1)):
        with steered(any_tiny, direction, coefficient, **how):  # type: ignore[arg-type]
            after = collect(any_tiny, PROMPTS, [0, 1, 2])
        np.testing.assert_array_equal(after.hidden[0], before.hidden[0])
        np.testing.assert_allclose(after.hidden[1], before.hidden[1] + sign * coefficient * direction.vector, **CLOSE)
        assert np.abs(after.hidden[2] - before.hidden[2]).max() > 0.1


def test_the_side_of_the_padding_makes_no_difference(any_tiny: ChatModel, direction: Direction) -> None:
    with steered(any_tiny, direction, 1.5, tokens=(-1, -3)):
        left, right = (collect(any_tiny, PROMPTS, [1, 2], side=side).hidden for side in ("left", "right"))
    for layer in left:
        np.testing.assert_allclose(left[layer], right[layer], rtol=1e-4, atol=1e-4)


def test_after_ablation_nothing_lies_along_the_direction(any_tiny: ChatModel, direction: Direction) -> None:
    layers, positions = [0, 2], (-1, -4)
    before = collect(any_tiny, PROMPTS, layers, positions=positions).hidden
    with steered(any_tiny, direction, action="ablate", layers=layers):
        after = collect(any_tiny, PROMPTS, layers, positions=positions).hidden
    for layer in layers:
        along = after[layer].astype("float64") @ direction.unit
        assert np.abs(along).max() < 1e-5 * np.abs(before[layer]).max()
    across = before[0] - np.expand_dims(before[0] @ direction.unit, -1) * direction.unit
    np.testing.assert_allclose(after[0], across, **CLOSE)  # and nothing else was touched


@pytest.mark.parametrize("reference", [-1.0, 0.0, 0.7])
def test_with_a_reference_the_projection_is_moved_there(
    any_tiny: ChatModel, direction: Direction, reference: float
) -> None:
    before = direction.project(collect(any_tiny, PROMPTS, [1]).hidden[1])
    for strength in (1.0, 0.25):
        with steered(any_tiny, direction, strength, action="ablate", reference=reference):
            after = direction.project(collect(any_tiny, PROMPTS, [1]).hidden[1])
        np.testing.assert_allclose(after, before + strength * (reference - before), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("how", ACTIONS)
def test_each_row_may_have_its_own_coefficient(tiny: ChatModel, direction: Direction, how: dict[str, Any]) -> None:
    import torch

    prompts = ["aaaa", "bbbb", "cccc"]  # one length: the batch keeps their order
    coefficients = [0.0, 1.5, -1.0]
    for given in (torch.tensor(coefficients), coefficients, np.array(coefficients)):
        with steered(tiny, direction, given, **how):
            together = collect(tiny, prompts, [1]).hidden[1]
        for row, coefficient in enumerate(coefficients):
            with steered(tiny, direction, coefficient, **how):
                alone = collect(tiny, prompts, [1]).hidden[1][row]
            np.testing.assert_allclose(together[row], alone, **CLOSE)


def test_many_layers(tiny: ChatModel, direction: Direction) -> None:
    before = collect(tiny, PROMPTS, [0, 1, 2]).hidden
    with steered(tiny, direction, 2.0, layers=[0, 2]):
        after = collect(tiny, PROMPTS, [0, 1, 2]).hidden
    with steered(tiny, direction, 2.0, layers=[0]):
        first = collect(tiny, PROMPTS, [0, 1, 2]).hidden
    np.testing.assert_allclose(after[0], before[0] + 2 * direction.vector, **CLOSE)
    np.testing.assert_array_equal(after[1], first[1])
    np.testing.assert_allclose(after[2], first[2] + 2 * direction.vector, **CLOSE)


@pytest.mark.parametrize("tokens", ["all", "prompt", "generated", -1, (-1, -3), AFTER_INSTRUCTION])
def test_only_the_chosen_tokens_are_steered_and_padding_never(
    any_tiny: ChatModel, direction: Direction, tokens: Any
) -> None:
    prompts = PROMPTS[:4]
    real = real_tokens(any_tiny, prompts)
    width = real.shape[1]
    with before_and_after(any_tiny, direction, 3.0, tokens=tokens) as (before, after):
        write(any_tiny, prompts)
    assert len(before) == 4  # the prompt, and three of the four tokens; the last is not read
    chosen = {"all": range(width), "prompt": range(width), "generated": (), -1: (width - 1,), (-1, -3): (width - 1, width - 3),
              AFTER_INSTRUCTION: (width - 1, width - 2)}[tokens]  # fmt: skip
    steered_there = real & np.isin(np.arange(width), list(chosen))
    np.testing.assert_allclose(after[0], before[0] + 3 * steered_there[..., None] * direction.vector, **CLOSE)
    np.testing.assert_array_equal(after[0][~steered_there], before[0][~steered_there])
    for old, new in zip(before[1:], after[1:], strict=True):
        np.testing.assert_allclose(new, old + (3 * direction.vector if tokens in ("all", "generated") else 0), **CLOSE)


def test_right_padded_prompts_end_where_they_end(tiny: ChatModel, direction: Direction) -> None:
    with before_and_after(tiny, direction, 3.0, tokens=-1) as (before, after):
        collect(tiny, PROMPTS[:4], [2], side="right")
    changed = np.abs(after[0] - before[0]).max(-1) > 0
    lengths = sorted((len(ids) for ids in tiny.encode(PROMPTS[:4])), reverse=True)
    assert changed.sum() == 4
    assert changed.argmax(1).tolist() == [length - 1 for length in lengths]


def test_padding_is_known_to_a_model_that_makes_its_masks_outside_the_decoder(direction: Direction) -> None:
    """Gemma 3 from 4B on reads pictures too: its decoder is given finished masks."""
    import torch
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration, SiglipVisionConfig

    text = random_chat("gemma3")
    eyes = SiglipVisionConfig(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
                              image_size=28, patch_size=14)  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = Gemma3Config(text_config=text.model.config, vision_config=eyes, eos_token_id=1)
        chat = dataclasses.replace(text, model=Gemma3ForConditionalGeneration(config).eval())
    real = real_tokens(chat, PROMPTS)
    with before_and_after(chat, direction, 3.0, tokens=(-1, -2)) as (before, after):
        write(chat, PROMPTS)
    there = real & (np.arange(real.shape[1]) >= real.shape[1] - 2)
    np.testing.assert_allclose(after[0], before[0] + 3 * there[..., None] * direction.vector, **CLOSE)
    with before_and_after(chat, direction, 3.0) as (before, after):
        write(chat, PROMPTS)
    np.testing.assert_array_equal(after[0][~real], before[0][~real])


def test_every_position_is_steered_while_writing(any_tiny: ChatModel, direction: Direction) -> None:
    """With its cache, generation equals a forward pass over the whole text under the same steering."""
    import torch

    for how in ACTIONS:
        with steered(any_tiny, direction, 2.0, **how), noted(any_tiny, 2) as seen:
            out = write(any_tiny, ("Hi",), 6)
            written = np.concatenate(seen, axis=1)
            with torch.inference_mode():
                any_tiny.model(input_ids=out[:, :-1])
        np.testing.assert_allclose(written, seen[-1], rtol=1e-4, atol=1e-4)


def test_nested_steering_adds_up(any_tiny: ChatModel, direction: Direction) -> None:
    with steered(any_tiny, direction, 1.0), steered(any_tiny, direction, 0.5):
        twice = collect(any_tiny, PROMPTS, [1])
    with steered(any_tiny, direction, 1.5):
        once = collect(any_tiny, PROMPTS, [1])
    np.testing.assert_allclose(twice.hidden[1], once.hidden[1], **CLOSE)
    with steered(any_tiny, direction, 1.3), steered(any_tiny, direction, 1.3, action="subtract"):
        back = collect(any_tiny, PROMPTS, [1])
    np.testing.assert_allclose(back.hidden[1], collect(any_tiny, PROMPTS, [1]).hidden[1], **CLOSE)
    with steered(any_tiny, direction, 5.0), steered(any_tiny, direction, action="ablate"):
        inner_last = collect(any_tiny, PROMPTS, [1])
    with steered(any_tiny, direction, action="ablate"):
        ablated = collect(any_tiny, PROMPTS, [1])
    np.testing.assert_allclose(inner_last.hidden[1], ablated.hidden[1], **CLOSE)


def test_hooks_are_gone_after_an_exception_and_the_model_is_as_it_was(
    any_tiny: ChatModel, direction: Direction
) -> None:
    before, hanging = fingerprint(any_tiny), hooks(any_tiny.model)  # transformers hangs some of its own and leaves them
    with pytest.raises(KeyboardInterrupt), steered(any_tiny, direction, 1.0, layers=[1, 2], gate=Gate(0.0)):
        assert hooks(any_tiny.model) == hanging + 5  # two layers, the gate, and two that follow the passes
        raise KeyboardInterrupt
    assert fingerprint(any_tiny) == before


def test_an_inner_exception_leaves_the_outer_context(tiny: ChatModel, direction: Direction) -> None:
    with steered(tiny, direction, 1.0):
        outer = collect(tiny, PROMPTS, [1]).hidden[1]
        with pytest.raises(ModelError), steered(tiny, direction, [1.0, 2.0, 3.0]):
            collect(tiny, PROMPTS, [1])
        np.testing.assert_array_equal(collect(tiny, PROMPTS, [1]).hidden[1], outer)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"action": "rotate"}, "unknown action 'rotate'"),
        ({"reference": 0.0}, "'add' takes no reference"),
        ({"layers": [0, 3]}, "layer 3 is out of range"),
        ({"tokens": "last"}, "unknown token positions 'last'"),
        ({"tokens": (0,)}, "not counted from the end"),
    ],
)
def test_what_cannot_be_done_is_refused(
    tiny: ChatModel, direction: Direction, named: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=message) as found, steered(tiny, direction, 1.0, **named):
        pass
    one_line(found)


def test_a_direction_of_another_model_is_refused(tiny: ChatModel, direction: Direction) -> None:
    with steered(tiny, dataclasses.replace(direction, model_digest=tiny.digest)):
        pass
    wrong = [
        (dataclasses.replace(direction, model_digest="feed"), f"made for model feed, this is {tiny.digest}"),
        (Direction(1, np.ones(48, "float32"), np.zeros(48, "float32")), "has 48 values, the residual stream of"),
        (dataclasses.replace(direction, layer=7), "layer 7 is out of range"),
    ]
    for other, message in wrong:
        for named in ({}, {"layers": [0]}):
            with pytest.raises(ModelError, match=message) as found, steered(tiny, other, **named):  # type: ignore[arg-type]
                pass
            one_line(found)
        with pytest.raises(ModelError, match=message), steered(tiny, direction, gate=Gate(direction=other)):
            pass


def test_a_direction_of_length_0_cannot_be_ablated(tiny: ChatModel) -> None:
    nothing = Direction(1, np.zeros(32, "float32"), np.zeros(32, "float32"))
    with pytest.raises(ModelError, match="the direction is zero") as found, steered(tiny, nothing, action="ablate"):
        pass
    one_line(found)


def test_too_few_coefficients_are_refused(tiny: ChatModel, direction: Direction) -> None:
    with (
        steered(tiny, direction, [1.0, 2.0]),
        pytest.raises(ModelError, match="2 coefficients for a batch of 5") as found,
    ):
        collect(tiny, PROMPTS, [1])
    one_line(found)
