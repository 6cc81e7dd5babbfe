"""How refusals begin: what is learned from replies, and the score against a sum over whole beginnings."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rass.activations import collect, opening_log_odds
from rass.models import ChatModel
from rass.openings import Openings, first_tokens, learn_openings
from tests.rass.conftest import PROMPTS

# 5 opens refusals, 6 answers, 7 either: what follows it decides
BEGUN = [(5, 1)] * 6 + [(6, 1)] * 6 + [(7, 8)] * 4 + [(7, 9)] * 5 + [(3, 1), (4, 1)]
REFUSED = [True] * 6 + [False] * 6 + [True] * 4 + [False] * 5 + [False, False]


def test_shares_lean_toward_those_of_rare_tokens() -> None:
    found = learn_openings(BEGUN, REFUSED, known=(2, 5))
    shares = dict(zip(found.tokens, found.shares, strict=True))
    assert found.other == pytest.approx(1 / 4)  # two tokens seen once, both of answers
    assert shares[5] == pytest.approx(6.5 / 7) and shares[6] == pytest.approx(0.25 / 7)
    assert shares[2] == 0.5  # known, never seen
    assert shares[7] == pytest.approx(4.25 / 10)
    ((token, then),) = found.then
    assert token == 7 and then.shares[0] > 0.8 > 0.2 > then.shares[1]
    assert then.then == ()


@given(rows=st.lists(st.tuples(st.lists(st.integers(0, 5), min_size=1, max_size=3), st.booleans()), max_size=30))
def test_the_order_of_replies_does_not_matter_and_json_keeps_all(rows: list[tuple[list[int], bool]]) -> None:
    found = learn_openings([tokens for tokens, _ in rows], [refuses for _, refuses in rows], (3,))
    again = learn_openings([tokens for tokens, _ in rows[::-1]], [refuses for _, refuses in rows[::-1]], (3,))
    assert found == again == Openings.from_json(json.loads(json.dumps(found.to_json())))
    assert all(0 < share < 1 for share in (*found.shares, found.other))


def test_first_tokens_are_those_of_the_greedy_reply(any_tiny: ChatModel) -> None:
    import torch

    for prompt, found in zip(PROMPTS, first_tokens(any_tiny, PROMPTS), strict=True):
        (ids,) = any_tiny.encode([prompt])
        for token in found:
            with torch.inference_mode():
                logits = any_tiny.model(input_ids=torch.tensor([ids])).logits[0, -1]
            assert float(logits[token]) == pytest.approx(float(logits.max()), abs=1e-3)
            ids = [*ids, token]
        assert len(found) == 3 or found[-1] in any_tiny.end_ids


@pytest.mark.parametrize("temperature", [1.0, 0.25])
def test_the_score_sums_over_what_may_follow(
    any_tiny: ChatModel, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr("rass.activations.forward.LEAST_LIKELY", 1e-300)
    then = Openings((8, 9), (0.9, 0.2), 0.4, temperature=temperature)
    openings = Openings((5, 7), (0.8, 0.5), 0.1, ((7, then),), temperature)
    found = collect(any_tiny, PROMPTS, [0], openings=openings, batch_size=2).refusal_score
    right = collect(any_tiny, PROMPTS, [0], openings=openings, batch_size=3, side="right").refusal_score
    np.testing.assert_allclose(found, right, atol=1e-3)

    def next_share(ids: list[int], tree: Openings) -> float:
        with torch.inference_mode():
            logits = any_tiny.model(input_ids=torch.tensor([ids])).logits[0, -1].double()
        shares = torch.softmax(logits / tree.temperature, -1).tolist()
        deep = dict(tree.then)
        told = {token: next_share([*ids, token], deep[token]) if token in deep else share
                for token, share in zip(tree.tokens, tree.shares, strict=True)}  # fmt: skip
        return math.fsum(share * told.get(token, tree.other) for token, share in enumerate(shares))

    for prompt, score in zip(PROMPTS, found, strict=True):
        share = next_share(any_tiny.encode([prompt])[0], openings)
        assert score == pytest.approx(math.log(share / (1 - share)), abs=1e-3)


def test_at_a_low_temperature_the_likeliest_beginning_decides() -> None:
    """A refusal of 40 % against a hundred answers of 0.6 % each: what is drawn is an answer, the greedy reply refuses."""
    import torch

    log_probability = torch.log(torch.tensor([[0.4, *[0.006] * 100]]))
    plain, cold = (float(opening_log_odds(log_probability, Openings((0,), (0.95,), 0.05, (), temperature)))
                   for temperature in (1.0, 0.25))  # fmt: skip
    assert plain < 0 < cold


def test_a_token_that_is_hardly_likely_is_not_followed(tiny: ChatModel, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []
    plain = tiny.model.forward
    monkeypatch.setattr(tiny.model, "forward", lambda *args, **named: (runs.append(1), plain(*args, **named))[1])
    openings = Openings((7,), (0.5,), 0.1, ((7, Openings((8,), (0.9,), 0.2)),))
    counts = []
    for least in (0.0, 1.0):
        monkeypatch.setattr("rass.activations.forward.LEAST_LIKELY", max(least, 1e-300))
        runs.clear()
        collect(tiny, PROMPTS[:2], [0], openings=openings, batch_size=2)
        counts.append(len(runs))
    assert counts == [2, 1]


def test_the_places_of_tokens_make_no_difference(tiny: ChatModel) -> None:
    pairs = [(5, 0.8), (9, 0.3), (30, 0.6)]
    scores = []
    for order in itertools.permutations(pairs):
        openings = Openings(tuple(token for token, _ in order), tuple(share for _, share in order), 0.1)
        scores.append(collect(tiny, PROMPTS, [0], openings=openings).refusal_score)
    np.testing.assert_allclose(scores, [scores[0]] * len(scores), atol=1e-9)
