"""The funnel: every prompt is counted where it went."""

from __future__ import annotations

from collections import Counter

from curation.workspace import Workspace
from releases.build import run_build
from releases.funnel import funnel, released
from tests.releases.conftest import Bench


def by_language(rows: list) -> dict[str, int]:
    return dict(Counter(row.language for row in rows))


def test_counts(bench: Bench) -> None:
    found = {(row.stage, row.detail): row.counts for row in funnel(bench.workspace)}
    decided = [row for row in bench.kept if row.intent != "harmful"]
    assert found == {
        ("candidates in", "seed, benign"): by_language(bench.benign),
        ("candidates in", "seed, harmful"): by_language(bench.harmful),
        ("candidates in", "mutation, benign"): by_language(bench.mutations),
        ("candidates in", "sampling, unknown"): by_language(bench.hostile),
        ("not kept", "mutation: farther_from_boundary"): {"en": 1},
        ("dropped", "identify: wrong_language"): by_language(bench.lost["identify"]),
        ("dropped", "dedup: same_language"): by_language(bench.lost["dedup"]),
        ("labelled", "alive, answered by every target"): by_language(bench.kept),
        ("queued", "decide"): by_language(decided),
        ("queued", "control"): by_language(bench.harmful),
        ("answered", "responses by simulated annotators"): by_language(bench.kept * 2),
        ("verdicts", "benign"): by_language([row for row in bench.kept if bench.verdict(row) == "benign"]),
        ("verdicts", "harmful"): by_language(bench.harmful),
        ("verdicts", "controversial"): by_language(bench.hostile),
    }


def test_what_was_not_labelled_for_every_target_is_not_counted_as_such(bench: Bench) -> None:
    path = bench.workspace.root / "morbench.toml"
    path.write_text(
        path.read_text(encoding="utf-8") + '[[targets]]\nname = "second"\nmodel = "m"\nlanguages = ["es"]\n'
    )
    counts = next(row.counts for row in funnel(Workspace.open(bench.workspace.root)) if row.stage == "labelled")
    assert counts == {"en": by_language(bench.kept)["en"]}


def test_what_goes_in_comes_out_or_is_dropped(bench: Bench) -> None:
    totals: Counter[str] = Counter()
    for row in funnel(bench.workspace):
        totals[row.stage] += row.total
    assert totals["candidates in"] == totals["dropped"] + totals["labelled"]
    assert totals["queued"] == totals["verdicts"]


def test_released_only_once_built(bench: Bench) -> None:
    assert released(bench.workspace) is None
    run_build(bench.workspace)
    row = released(bench.workspace)
    assert row is not None
    assert (row.detail, row.total) == ("version 0.1.0 (draft)", len(bench.kept))


def test_an_empty_project_has_an_empty_funnel(tmp_path) -> None:
    workspace = Workspace.create(tmp_path / "new", ("en",))
    assert funnel(workspace) == []
    assert released(workspace) is None
