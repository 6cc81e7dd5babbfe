"""Replies: the same for any batches, and equal to transformers' own generation one by one."""

from __future__ import annotations

import pytest

from rass.models import ChatModel
from rass.replies import Generation, generate_replies
from tests.rass.conftest import PROMPTS, fingerprint


def one_by_one(chat: ChatModel, prompt: str, tokens: int) -> str:
    import torch

    ids = torch.tensor(chat.encode([prompt]))
    with torch.inference_mode():
        out = chat.model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, do_sample=False
        )
    return chat.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True).strip()


def test_equal_to_one_by_one_generation(any_tiny: ChatModel) -> None:
    found = generate_replies(any_tiny, PROMPTS, max_new_tokens=10, batch_size=3)
    assert [reply.text for reply in found] == [one_by_one(any_tiny, prompt, 10) for prompt in PROMPTS]


@pytest.mark.parametrize("size", [1, 2, 32])
def test_independent_of_order_and_batches(any_tiny: ChatModel, size: int) -> None:
    whole = dict(zip(PROMPTS, generate_replies(any_tiny, PROMPTS, max_new_tokens=10, batch_size=5), strict=True))
    order = [PROMPTS[index] for index in (4, 2, 0, 1, 3)]
    assert generate_replies(any_tiny, order, max_new_tokens=10, batch_size=size) == [whole[prompt] for prompt in order]


def test_finished_says_whether_the_model_ended_its_turn(tiny: ChatModel, monkeypatch: pytest.MonkeyPatch) -> None:
    first = generate_replies(tiny, ["Hi"], max_new_tokens=1, batch_size=1)[0]
    assert not first.finished
    ids = tiny.encode(["Hi"])[0]
    import torch

    with torch.inference_mode():
        follows = int(tiny.model(input_ids=torch.tensor([ids])).logits[0, -1].argmax())
    monkeypatch.setattr(tiny.model.generation_config, "eos_token_id", [1, follows])
    found = generate_replies(tiny, ["Hi", PROMPTS[4]], max_new_tokens=6, batch_size=2)
    assert found[0].finished
    assert len(found[0].text) <= 1


def test_no_prompts_no_replies(tiny: ChatModel) -> None:
    assert generate_replies(tiny, [], max_new_tokens=3, batch_size=4) == []


def test_model_and_tokenizer_are_as_they_were(any_tiny: ChatModel) -> None:
    before = fingerprint(any_tiny)
    found = generate_replies(any_tiny, PROMPTS, max_new_tokens=3, batch_size=2)
    assert all(isinstance(reply, Generation) for reply in found)
    assert fingerprint(any_tiny) == before
