"""Bench rows judge bars as they are written, and the README shows what result files say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from curation.rates import wilson
from rass.reference.evaluation import Measured
from releases.bench.main_job import BARS, _reference_row
from releases.bench.rows import FEW, BenchRow, Part, cells, limit_row, markdown, rate_row, read_parts, write_parts

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("hits", "held"), [(24, False), (25, True), (75, True), (76, False)])
def test_a_rate_holds_between_its_bounds_inclusive(hits: int, held: bool) -> None:
    row = rate_row("over-refusal", wilson(hits, 100), at_least=25, at_most=75)
    assert row.held is held
    assert row.low is not None and row.high is not None
    assert row.low <= row.value <= row.high


def test_a_row_without_a_bar_is_neither_held_nor_failed() -> None:
    assert rate_row("x", wilson(1, 2)).held is None
    assert cells(limit_row("x", 3.0, "s"))[-2:] == ("", "")


def test_limits() -> None:
    assert limit_row("x", 0.5, "s", at_most=0.5).held
    assert limit_row("x", 99, "", at_least=100).held is False


def test_every_bar_of_a_reference_model_meets_a_measured_set() -> None:
    for name, bars in BARS.items():
        for kind, (low, high) in bars.items():
            row = _reference_row(name, Measured(f"some set, {kind}" if "," not in kind else kind, "en", 1, 2))
            assert row.bar, (kind, low, high)
    assert not _reference_row("reference", Measured("pack, near the boundary", "en", 1, 2)).bar


def test_the_markdown_table_has_a_line_for_each_row(tmp_path: Path) -> None:
    rows = [limit_row("a", 1, "s", at_most=2), BenchRow("b", 0.5)]
    parts = {"one": Part(rows[:1], []), "two": Part(rows[1:], ["a note"])}
    write_parts(tmp_path / "x.json", "x", parts)
    assert read_parts(tmp_path / "x.json") == parts
    lines = markdown(json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))).splitlines()
    assert lines[2].startswith("| a | 1 s |") and "yes" in lines[2]
    assert lines[3].startswith("| b | 0.5 |")
    assert lines[-1] == "a note"


def test_a_long_table_shows_what_has_a_bar_and_says_where_the_rest_is(tmp_path: Path) -> None:
    rows = [limit_row("a", 1, "s", at_most=2), *(BenchRow(f"b{number}", 0.5) for number in range(FEW))]
    write_parts(tmp_path / "x.json", "x", {"one": Part(rows, [])})
    document = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert markdown(document).count("\n| b") == FEW
    short = markdown(document, "results/x.md")
    assert "| a |" in short and "| b0" not in short and "(results/x.md)" in short


def test_the_readme_is_what_the_result_files_say() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/readme_tables", "--check"], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 0, "run scripts/readme_tables"
