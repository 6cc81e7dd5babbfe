"""Source and licence of imported rows reach the release; what the project wrote has the project's."""

from __future__ import annotations

from pathlib import Path

from curation.imports.running import Options, run_import
from curation.records import Prompt, Verdict
from releases.build import run_build
from releases.card import cell
from releases.manifest import read_manifest
from tests.releases.conftest import Bench


def test_every_row_of_a_release_names_its_source_and_licence(bench: Bench, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    source = tmp_path / "set.csv"
    source.write_text(
        "prompt,language,source,licence\nOne?,en,A | <b>set</b>,CC-BY-NC-4.0\nDos?,es,,\n", encoding="utf-8"
    )
    step = run_import(bench.workspace, str(source), Options(licence="MIT")).step
    imported = bench.workspace.table(Prompt).rows([step])
    bench.put(
        "verdicts",
        [Verdict(row.id, "benign", 0.1, 2, 1.0, bench.simulated) for row in [*bench.kept, *imported]],
        Verdict,
    )
    folder = run_build(bench.workspace).folder
    rows = [row for path in (folder / "data").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    origins = {row["text"]: (row["source"], row["licence"]) for row in rows}
    assert origins["One?"] == ("A | <b>set</b>", "CC-BY-NC-4.0")
    assert origins["Dos?"] == ("set.csv", "MIT")
    assert {origins[row.text] for row in bench.kept} == {("bench", "cc-by-4.0")}
    assert [(row["source"], row["rows"]) for row in read_manifest(folder)["sources"]] == [
        ("A | <b>set</b>", 1), ("bench", len(bench.kept)), ("set.csv", 1)]  # fmt: skip
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert r"| A \| \<b\>set\</b\> | CC-BY-NC-4.0 | 1 |" in card and "<b>set" not in card


def test_a_cell_of_the_card_stays_one_cell() -> None:
    assert cell("a\nb | c\x1b[2J\u202e") == r"a b \| c\\u001b\[2J\\u202e"
