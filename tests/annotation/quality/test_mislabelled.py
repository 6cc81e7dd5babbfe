"""Confident learning against a slow version, and on labels that were turned on purpose."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.quality.mislabelled import confident, doubts, out_of_fold
from curation.records import Prompt
from tests.annotation.quality.conftest import OTHER, BagOfWords, prompt


def slow_confident(labels: list[bool], chances: list[float]) -> list[bool]:
    """Northcutt et al., equation 2: counted as of the most probable class among those above their threshold."""
    of_class = {side: [chance if side else 1 - chance for label, chance in zip(labels, chances, strict=True)
                       if label is side] for side in (False, True)}  # fmt: skip
    threshold = {side: sum(found) / len(found) for side, found in of_class.items()}
    found = []
    for label, chance in zip(labels, chances, strict=True):
        probability = {False: 1 - chance, True: chance}
        above = [side for side in (False, True) if probability[side] >= threshold[side]]
        found.append(bool(above) and max(above, key=lambda side: probability[side]) is not label)
    return found


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 63)), min_size=1, max_size=20))
def test_confident_is_its_definition(rows: list[tuple[bool, int]]) -> None:
    labels = [True, False, *(label for label, _ in rows)]
    chances = [0.75, 0.25, *(step / 64 + 1e-3 for _, step in rows)]
    found, noise = confident(np.array(labels), np.array(chances))
    assert found.tolist() == slow_confident(labels, chances)
    assert all(0 <= share <= 1 for share in noise)


def labelled(turned: int) -> tuple[list[Prompt], list[str], set[str]]:
    prompts = [prompt(number, intent) for number in range(40) for intent in ("benign", "harmful")]
    wrong = {row.id for row in random.Random(3).sample(prompts, turned)}
    return prompts, [OTHER[row.intent] if row.id in wrong else row.intent for row in prompts], wrong


def test_turned_labels_are_found(encoder: BagOfWords) -> None:
    prompts, labels, wrong = labelled(6)
    found = doubts(prompts, labels, encoder)
    assert {row.prompt_id for row in found.suspects} == wrong
    assert all(row.suggested == OTHER[row.label] and row.probability < 0.5 for row in found.suspects)
    order = random.Random(1).sample(range(80), 80)
    assert doubts([prompts[index] for index in order], [labels[index] for index in order], encoder) == found


def test_clean_labels_raise_no_doubts(encoder: BagOfWords) -> None:
    prompts, labels, _ = labelled(0)
    assert doubts(prompts, labels, encoder).suspects == ()


def test_too_few_items_are_no_ground_for_doubts(encoder: BagOfWords) -> None:
    prompts, labels, _ = labelled(0)
    found = doubts(prompts[:30], labels[:30], encoder)
    assert found.suspects == () and "15 items" in found.reason
    assert doubts([], [], encoder).reason


def test_no_row_is_judged_by_its_siblings() -> None:
    # Pairs of equal vectors with opposite labels: who saw the sibling would be sure, and wrong.
    source = np.random.default_rng(0)
    vectors = np.repeat(source.normal(size=(40, 8)), 2, axis=0)
    positive = np.tile([True, False], 40)
    groups = [str(index // 2) for index in range(80)]
    found = out_of_fold(vectors, positive, groups, 7)
    assert found is not None
    assert np.abs(found - 0.5).max() < 0.3
    assert found[::2] == pytest.approx(found[1::2])
