"""Gates: each fails for its own reason alone."""

from __future__ import annotations

from typing import Any

import pytest

from releases.gates import check_gates


def row(text: str, verdict: str, **changed: Any) -> dict[str, Any]:
    return {
        "text": text,
        "language": "en",
        "verdict": verdict,
        "simulated": False,
        "responses": 2,
        "split": "test",
        **changed,
    }


GOOD = [row("a", "benign"), row("b", "harmful"), row("c", "controversial", split="controversial")]


def failed(rows: list[dict[str, Any]], languages: tuple[str, ...] = ("en",)) -> set[str]:
    return {gate.name for gate in check_gates(rows, languages, 2) if not gate.held}


def test_all_hold() -> None:
    assert failed(GOOD) == set()


@pytest.mark.parametrize(("rows", "gate"), [
    ([*GOOD, row("d", "benign", simulated=True)], "people_only"),
    ([*GOOD, row("d", "benign", responses=1)], "enough_responses"),
    (GOOD[1:], "both_sides"),
    ([GOOD[0], GOOD[2]], "both_sides"),
    ([*GOOD, row(" A! ", "benign", split="train")], "splits_apart"),
])  # fmt: skip
def test_each_fails_alone(rows: list[dict[str, Any]], gate: str) -> None:
    assert failed(rows) == {gate}


def test_a_language_without_rows_fails_and_equal_texts_of_two_languages_do_not() -> None:
    assert failed(GOOD, ("en", "es")) == {"both_sides"}
    both = [*GOOD, *({**each, "language": "es", "split": "train"} for each in GOOD)]
    assert failed(both, ("en", "es")) == set()
