"""Bench rows of a model's inside: what is compared must be the same work, and every bar must be said."""

from __future__ import annotations

import numpy as np
import pytest

from rass.activations import collect
from rass.models import ChatModel
from rass.testing import random_chat
from releases.bench.inside import activation_rows, full_forward, interleaved, prompt_loop, seed_texts, steering_rows


@pytest.fixture(scope="module")
def chat() -> ChatModel:
    return random_chat(layers=4)


@pytest.mark.parametrize("layer", [0, 2])
def test_the_ways_compared_give_the_same_states(chat: ChatModel, layer: int) -> None:
    prompts = seed_texts(7)
    ours = collect(chat, prompts, [layer]).hidden[layer]
    for theirs in (
        full_forward(chat, prompts, layer, 3),
        full_forward(chat, prompts, layer, 3, head=False),
        prompt_loop(chat, prompts, layer),
    ):
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-4)


def test_activation_rows_say_their_bars(chat: ChatModel) -> None:
    speed, full, headless, loop = activation_rows(chat, seed_texts(6), repeats=1, alone=3)
    assert (speed.unit, speed.n, speed.held) == ("prompts/s", 6, None)
    assert (full.bar, full.n) == (">= 1.5 times", 6)
    assert headless.held is None
    assert (loop.bar, loop.n) == (">= 5 times", 3)


def test_steering_rows_say_their_bars(chat: ChatModel) -> None:
    plain, *shares = steering_rows(chat, seed_texts(3), repeats=1, new_tokens=2)
    assert plain.unit == "tokens/s"
    assert [row.bar for row in shares] == [">= 0.95", ">= 0.95", ""]


def test_every_round_takes_each_way_once_and_turns_the_order_round() -> None:
    calls: list[str] = []
    seconds = interleaved({name: lambda name=name: calls.append(name) for name in "abc"}, 2)  # type: ignore[misc]
    assert "".join(calls) == "cbaabccba"
    assert {name: len(found) for name, found in seconds.items()} == {"a": 2, "b": 2, "c": 2}


def test_seeds_start_again_where_there_are_not_enough() -> None:
    assert len(seed_texts(100_000)) == 100_000
    assert seed_texts(5) == seed_texts(9)[:5]
