import os
from pathlib import Path

import pytest

from releases.bench.languages import TATOEBA, bench_languages, prompt_rows, tatoeba_rows, variety_rows


def test_every_close_variety_has_its_row_with_n() -> None:
    rows = variety_rows()
    assert any("Malay" in row.what and "passed off as id" in row.what for row in rows)
    assert all(row.n == 7 and row.low is not None for row in rows)


def test_without_public_data_the_bench_says_so() -> None:
    rows, notes = bench_languages(None)
    assert rows and "not at hand" in notes[0]


def test_codes_of_the_public_sentences_are_all_there_once() -> None:
    assert len(TATOEBA) == len(set(TATOEBA.values())) == 38


def test_the_bars_hold_on_public_sets() -> None:
    folder = os.environ.get("MORBENCH_DATA")
    if not folder or not Path(folder).exists():
        pytest.skip("set MORBENCH_DATA to the folder of public data")
    # speed is the bench's to measure: tests run beside others
    bars = [
        row for row in (*prompt_rows(Path(folder)), *tatoeba_rows(Path(folder))) if row.bar and "second" not in row.what
    ]
    assert len(bars) == 3 and [row.what for row in bars if not row.held] == []
