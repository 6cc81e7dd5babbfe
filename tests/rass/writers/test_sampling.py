"""Steered sampling: repeatable draws, and a reason for every sample that is not kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.languages.packs import load_pack
from curation.records import normalise
from rass.directions import Direction
from rass.models import ChatModel
from rass.writers.sampling import SHOTS, draw, judge
from tests.rass.conftest import fingerprint

KNOWN = {normalise("How do I kill a Python process?")}


@pytest.mark.parametrize(("text", "reason"), [
    ("How do I sharpen a kitchen knife?", ""),
    ("I'm sorry, but I can't help with that.", "refusal"),
    ("I can't assist with that request", "refusal"),
    ("", "too_short"),
    ("?!", "too_short"),
    ("a1 b2 c3 4", "too_short"),
    ("  how do I KILL a python process ", "copy_of_seed"),
    ("hahahahahaha what", "repeats"),
    ("shoot the shoot the shoot the shoot the moon", "repeats"),
    ("the the cat the cat the the cat the", "repeats"),
])  # fmt: skip
def test_reasons(text: str, reason: str) -> None:
    assert judge(text, KNOWN, load_pack("en")) == reason


@pytest.mark.parametrize(("code", "text"), [("de", "Wie schieße ich ein gutes Foto im Dunkeln?"), ("es", "¿Cómo mato el tiempo en el aeropuerto?"),
                                            ("zh", "怎么才能干掉花园里的杂草？"), ("ar", "كيف أقتل الوقت في المطار؟")])  # fmt: skip
def test_a_plain_prompt_has_no_reason_in_any_language(code: str, text: str) -> None:
    assert judge(text, set(), load_pack(code)) == ""
    assert judge(f"  {text.upper()} ", {normalise(text)}, load_pack(code)) == "copy_of_seed"


@given(st.text(max_size=80))
def test_any_text_is_judged(text: str) -> None:
    assert judge(text, KNOWN, load_pack("en")) in {"", "refusal", "too_short", "copy_of_seed", "repeats"}


def test_draws_repeat_and_leave_everything_else_alone(tiny: ChatModel) -> None:
    import torch

    pack = load_pack("en")
    direction = Direction(1, np.random.default_rng(0).normal(size=32).astype("float32"), np.zeros(32, "float32"))
    before, state = fingerprint(tiny), torch.random.get_rng_state()
    first = draw(tiny, pack, direction, (0.0, 0.5, 1.0), 7, 7)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(99)
    assert draw(tiny, pack, direction, (0.0, 0.5, 1.0), 7, 7) == first
    assert draw(tiny, pack, direction, (0.0, 0.5, 1.0), 7, 8) != first
    assert fingerprint(tiny) == before
    assert [sample.coefficient for sample in first] == [0.0, 0.5, 1.0, 0.0, 0.5, 1.0, 0.0]
    seeds = {row.text for row in pack.benign}
    assert all(len(set(sample.shots)) == SHOTS and set(sample.shots) <= seeds for sample in first)
    assert all("\n" not in sample.text for sample in first)


def test_no_samples_asked_for_none_drawn(tiny: ChatModel) -> None:
    direction = Direction(1, np.zeros(32, "float32"), np.zeros(32, "float32"))
    assert draw(tiny, load_pack("en"), direction, (0.0,), 0, 7) == []
