"""What the bench makes of what it measured on the two servers."""

from __future__ import annotations

from releases.bench.server import Searched, Turn, search_rows, turn_rows

PLAIN = [Turn(7.0, 100.0, 2000.0, [80.0] * 100), Turn(8.0, 50.0, 2000.0, [90.0] * 100)]
OURS = [Turn(5.0, 400.0, 2000.0, [20.0] * 98 + [90.0] * 2), Turn(6.5, 100.0, 2000.0, [30.0] * 100)]


def test_turns_are_paired_and_only_ours_has_bars() -> None:
    rows = {row.what: row for row in turn_rows(PLAIN, OURS)}
    faster = rows["push: faster than unpatched by [2 to 4]"]
    assert (faster.value, faster.n, faster.held) == (3.0, 2, True)
    assert rows["boot on a new home: ours [5 to 6.5]"].held
    p95 = rows["submit of one response, p95: ours"]
    assert (p95.value, p95.n, p95.bar, p95.held) == (30.0, 200, "<= 70 ms", True)
    assert not [row for row in rows.values() if "unpatched" in row.what and row.bar and row is not faster]


def test_a_slow_search_fails_its_bar() -> None:
    text, vector, first = search_rows(Searched([0.1, 0.6], 2.0, [0.1, 0.5]))
    assert (text.held, vector.held, first.held) == (False, True, None)
    assert (text.n, vector.n) == (2, 2)
