"""Selection of a direction: scores that mean what they say, and a table of what failed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from curation.errors import ModelError
from rass.activations import collect
from rass.direction_selection import Candidate, Limits, next_token_log_probability, score_candidates, select_direction
from rass.directions import Direction
from rass.models import ChatModel

HARMFUL = ["ZZZZ BOMB ZZZZ", "ZZZZ KNIFE ZZZZ", "ZZZZ ROB ZZZZ"]
HARMLESS = ["a walk", "some tea", "the garden"]


def directions(chat: ChatModel) -> list[Direction]:
    seen = collect(chat, [*HARMFUL, *HARMLESS], [0, 1, 2])
    return [Direction.from_activations(layer, seen.hidden[layer][:3], seen.hidden[layer][3:]) for layer in (0, 1, 2)]


def test_a_direction_of_no_length_changes_nothing(tiny: ChatModel) -> None:
    direction = directions(tiny)[1]
    faint = dataclasses.replace(direction, vector=direction.vector * np.float32(1e-30))
    plain = next_token_log_probability(tiny, HARMLESS)
    (found,) = score_candidates(tiny, [faint], HARMFUL, HARMLESS, [40, 41])
    inside = plain[:, [40, 41]].double().logsumexp(-1)
    expected = (inside - (1 - inside.exp()).log()).mean()
    assert found.induce == pytest.approx(float(expected), abs=1e-4)


def test_scores_do_not_depend_on_batches(tiny: ChatModel) -> None:
    one = score_candidates(tiny, directions(tiny), HARMFUL, HARMLESS, [40, 41], batch_size=1)
    all_at_once = score_candidates(tiny, directions(tiny), HARMFUL, HARMLESS, [40, 41], batch_size=8)
    for first, second in zip(one, all_at_once, strict=True):
        assert (first.bypass, first.induce, first.kl) == pytest.approx(
            (second.bypass, second.induce, second.kl), abs=1e-3
        )
    assert all(found.kl >= -1e-6 for found in one)
    assert [bool(found.lacks_depth) for found in one] == [False, False, False]
    strict = score_candidates(tiny, directions(tiny), HARMFUL, HARMLESS, [40], limits=Limits(depth=0.5))
    assert [found.lacks_depth for found in strict] == [0, 0, 1]
    assert strict[2].lacks.endswith("depth by 1")


def candidate(layer: int, bypass: float, lacks_kl: float = 0.0) -> Candidate:
    direction = Direction(layer, np.ones(2, "float32"), np.zeros(2, "float32"))
    return Candidate(direction, bypass, 1.0, 0.05 + lacks_kl, 0.0, lacks_kl, 0.0)


def test_the_lowest_bypass_among_those_that_pass_is_taken() -> None:
    chosen = select_direction([candidate(1, -3.0), candidate(2, -5.0), candidate(3, -9.0, lacks_kl=0.2)])
    assert chosen.direction.layer == 2


def test_where_none_passes_the_error_says_how_near_the_nearest_came() -> None:
    failed = [candidate(1, -3.0, lacks_kl=0.7), candidate(2, -3.0, lacks_kl=0.2)]
    assert [each.lacks for each in failed] == ["KL by 0.7", "KL by 0.2"]
    with pytest.raises(ModelError, match=r"none of 2 directions passed; the nearest, layer 2, .* 0\.2 nats"):
        select_direction(failed)


def test_an_empty_class_is_one_line(tiny: ChatModel) -> None:
    with pytest.raises(ModelError, match="one class is empty"):
        score_candidates(tiny, [], HARMFUL, [], [40])
