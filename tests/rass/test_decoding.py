"""Decoding: seeded for each row, cut at the nucleus, and greedy like any other."""

from __future__ import annotations

import pytest

from curation.endpoint import Decoding
from rass.decoding import _chooser, decode
from rass.models import ChatModel
from tests.rass.conftest import PROMPTS, fingerprint

SAMPLED = Decoding(12, 0.9, 0.95, 7)


def test_greedy_texts_are_those_of_transformers(any_tiny: ChatModel) -> None:
    import torch

    encoded = any_tiny.encode(PROMPTS)
    expected = []
    for ids in encoded:
        with torch.inference_mode():
            out = any_tiny.model.generate(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long),
                                          max_new_tokens=6, do_sample=False, pad_token_id=any_tiny.end_ids[0])  # fmt: skip
        expected.append(any_tiny.tokenizer.decode(out[0, len(ids) :], skip_special_tokens=True))
    assert [text for text, _ in decode(any_tiny, encoded, Decoding(6), batch_size=2)] == expected


def test_the_same_seed_writes_the_same_and_leaves_everything_else_alone(tiny: ChatModel) -> None:
    import torch

    encoded = tiny.encode(PROMPTS)
    before, state = fingerprint(tiny), torch.random.get_rng_state()
    first = decode(tiny, encoded, SAMPLED)
    torch.manual_seed(99)
    assert decode(tiny, encoded, SAMPLED) == first
    assert decode(tiny, encoded, SAMPLED._replace(seed=8)) != first
    torch.random.set_rng_state(state)
    decode(tiny, encoded, SAMPLED)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert fingerprint(tiny) == before


def test_rows_with_one_prompt_write_different_texts(tiny: ChatModel) -> None:
    texts = [text for text, _ in decode(tiny, tiny.encode(["Hello"] * 8), SAMPLED)]
    assert len(set(texts)) == 8


def test_a_line_ends_a_text(tiny: ChatModel) -> None:
    hot = Decoding(200, 5.0, 1.0, 3)
    found = decode(tiny, tiny.encode(PROMPTS), hot, one_line=True)
    whole = decode(tiny, tiny.encode(PROMPTS), hot)
    assert all("\n" not in text for text, _ in found)
    assert any(finished for _, finished in found)
    assert [text for text, _ in found] == [text.partition("\n")[0] for text, _ in whole]


def test_no_rows_no_texts(tiny: ChatModel) -> None:
    assert decode(tiny, [], SAMPLED) == []


def test_tokens_are_drawn_by_their_probabilities() -> None:
    import torch

    scores = torch.tensor([0.0, 1.0, 2.0, 3.0, -1.0])
    rows = 4000
    for temperature, top_p in ((1.0, 1.0), (0.5, 1.0), (1.0, 0.8)):
        choose = _chooser(range(rows), Decoding(1, temperature, top_p, 1))
        drawn = choose(None, scores.repeat(rows, 1)).argmax(1)
        share = torch.bincount(drawn, minlength=5) / rows
        wanted = torch.softmax(scores / temperature, 0)
        ranked, order = wanted.sort(descending=True)
        nucleus = order[(ranked.cumsum(0) - ranked) < top_p]
        expected = torch.zeros(5).index_copy(0, nucleus, wanted[nucleus])
        assert torch.allclose(share, expected / expected.sum(), atol=0.03)
        assert set(drawn.tolist()) <= set(nucleus.tolist())


@pytest.mark.parametrize("vocabulary", [1, 3, 64, 200])
def test_one_token_is_left_in_each_row(vocabulary: int) -> None:
    import torch

    scores = torch.arange(3.0 * vocabulary).reshape(3, vocabulary) % 7
    left = _chooser(range(3), SAMPLED)(None, scores)
    assert torch.isfinite(left).sum(1).tolist() == [1, 1, 1]
