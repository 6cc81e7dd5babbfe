"""Delta debugging against oracles: what it leaves is 1-minimal, and many searches in step find what each finds alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rass.triggers import Kept, ddmin, joined, reduce_all, units


def run(count: int, margin: Callable[[Kept], float]) -> tuple[Kept, list[Kept]]:
    """The subset that is left, and all that were asked."""
    search, asked = ddmin(count), []
    try:
        subsets = next(search)
        while True:
            asked += subsets
            subsets = search.send([margin(subset) for subset in subsets])
    except StopIteration as end:
        return end.value, asked


@given(st.integers(1, 24), st.data())
def test_what_is_left_is_minimal_for_needed_units(count: int, data: st.DataObject) -> None:
    needed = data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=5))
    left, asked = run(count, lambda kept: 1.0 if needed <= set(kept) else -1.0)
    assert set(left) == needed
    assert all(asked), "nothing at all is never asked"


@given(st.integers(1, 10), st.data())
def test_what_is_left_is_1_minimal_for_any_predicate(count: int, data: st.DataObject) -> None:
    everything = tuple(range(count))
    passing = data.draw(st.sets(st.frozensets(st.integers(0, count - 1), min_size=1), max_size=12))
    passing |= {frozenset(everything)}
    left, _ = run(count, lambda kept: 1.0 if frozenset(kept) in passing else -1.0)
    assert frozenset(left) in passing
    if len(left) > 1:
        assert not any(frozenset(left) - {unit} in passing for unit in left)


def test_of_several_parts_that_pass_the_strongest_is_followed() -> None:
    left, _ = run(8, lambda kept: max(0.5 if 1 in kept else -1.0, 3.0 if 6 in kept else -1.0))
    assert left == (6,)


@given(st.lists(st.lists(st.sampled_from("abcxyz"), min_size=1, max_size=9), max_size=5))
def test_searches_in_step_find_what_each_finds_alone(texts: list[list[str]]) -> None:
    def measure(batch: list[str]) -> list[float]:
        return [text.count("x") * 2.0 + text.count("y") - 1.5 for text in batch]

    together = reduce_all(texts, "Latn", measure)
    assert [one.kept for one in together] == [reduce_all([text], "Latn", measure)[0].kept for text in texts]
    for text, one in zip(texts, together, strict=True):
        for kept, margin in one.tested.items():
            assert margin == measure([joined(text, kept, "Latn")])[0]


def test_words_of_harmless_prompts_explain_nothing() -> None:
    asked: list[str] = []

    def measure(batch: list[str]) -> list[float]:
        asked.extend(batch)
        return [1.0] * len(batch)

    (found,) = reduce_all([["How", "do", "I", "Kill,", "it?"]], "Latn", measure, {"how", "do", "i", "it"})
    assert found.kept == (3,)
    assert not {"How do", "How", "it?"} & set(asked)


@pytest.mark.parametrize(("text", "script", "expected"), [
    ("How do I  kill it?", "Latn", ["How", "do", "I", "kill", "it?"]),
    ("怎么杀死Python进程？", "Hans", ["怎", "么", "杀", "死", "Python", "进", "程", "？"]),
    ("ฆ่าเวลา ได้", "Thai", ["ฆ่", "า", "เ", "ว", "ล", "า ", "ไ", "ด้"]),
    ("가방을 죽여", "Kore", ["가방을", "죽여"]),
    ("", "Jpan", []),
    ("  ", "Latn", []),
])  # fmt: skip
def test_units(text: str, script: str, expected: list[str]) -> None:
    assert units(text, script) == expected


@given(st.text(max_size=60), st.sampled_from(["Latn", "Hans", "Thai"]))
def test_all_units_together_are_the_text(text: str, script: str) -> None:
    parts = units(text, script)
    assert joined(parts, tuple(range(len(parts))), script).split() == text.split()
