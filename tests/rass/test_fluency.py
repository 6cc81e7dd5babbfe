"""Surprise: equal to computing it text by text."""

from __future__ import annotations

import math

import pytest

from rass.fluency import surprise
from rass.models import ChatModel
from tests.rass.conftest import PROMPTS, fingerprint

HEADER = "- What is the capital of Peru?\n-"


def one(chat: ChatModel, text: str) -> float:
    import torch

    start = chat.tokenizer(HEADER, add_special_tokens=False)["input_ids"]
    body = chat.tokenizer(text + "\n", add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        log = torch.log_softmax(chat.model(input_ids=torch.tensor([start + body])).logits[0].double(), -1)
    return -math.fsum(float(log[len(start) + index - 1, token]) for index, token in enumerate(body)) / len(body)


@pytest.mark.parametrize("size", [1, 2, 32])
def test_equal_to_one_by_one(any_tiny: ChatModel, size: int) -> None:
    texts = [*PROMPTS, "", "x"]
    before = fingerprint(any_tiny)
    found = surprise(any_tiny, texts, HEADER, batch_size=size)
    assert found == pytest.approx([one(any_tiny, text) for text in texts], abs=1e-4)
    assert fingerprint(any_tiny) == before
