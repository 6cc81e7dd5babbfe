import dataclasses
import itertools
from pathlib import Path

import pytest

from curation.records import Identification, Reject
from curation.steps import Outcome, Output, Step, run_step
from curation.tables import Table
from curation.testing import tree

ROWS = [Identification(f"p{number}", "en", number / 7, 1.0) for number in range(11)]


class Killed(Exception):
    pass


def work(rows: list[Identification]) -> Output:
    """Halve the confidence; a row with an even number goes with a reason."""
    kept = [dataclasses.replace(row, confidence=row.confidence / 2) for row in rows if int(row.prompt_id[1:]) % 2]
    return Output(kept, [Reject(row.prompt_id, "halve", "even", "") for row in rows if not int(row.prompt_id[1:]) % 2])


def run(
    root: Path, doing=work, rows=ROWS, *, version: int = 1, settings: dict | None = None, shard_rows: int = 3
) -> Outcome:
    step = Step("halve", version, settings or {}, lambda: doing, shard_rows)
    return run_step(step, rows, Table(root / "out", Identification), Table(root / "lost", Reject))


@pytest.mark.parametrize("fatal", [0, 1, 3])
def test_killed_at_any_shard_and_resumed_gives_the_bytes_of_an_uninterrupted_run(tmp_path: Path, fatal: int) -> None:
    whole = run(tmp_path / "whole")
    calls = itertools.count()

    def dies(rows):
        if next(calls) == fatal:
            raise Killed
        return work(rows)

    with pytest.raises(Killed):
        run(tmp_path / "cut", dies)
    assert Table(tmp_path / "cut" / "out", Identification).rows() == []  # no manifest: nothing counts as done
    resumed = run(tmp_path / "cut")
    assert tree(tmp_path / "cut") == tree(tmp_path / "whole")
    assert resumed[:2] == whole[:2]
    assert resumed.computed == 4 - fatal


def test_a_finished_step_prepares_nothing_and_computes_nothing(tmp_path: Path) -> None:
    first = run(tmp_path)
    before = tree(tmp_path)

    def never():
        raise AssertionError("a model would have been loaded")

    again = run_step(
        Step("halve", 1, {}, never, 3), ROWS, Table(tmp_path / "out", Identification), Table(tmp_path / "lost", Reject)
    )
    assert again == Outcome(first.rows, first.rejects, 0)
    assert tree(tmp_path) == before


def test_every_row_goes_on_or_is_rejected(tmp_path: Path) -> None:
    outcome = run(tmp_path)
    assert sorted([*(row.prompt_id for row in outcome.rows), *(row.prompt_id for row in outcome.rejects)]) == sorted(
        row.prompt_id for row in ROWS
    )
    assert Table(tmp_path / "lost", Reject).rows() == outcome.rejects


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"settings": {"x": 1}}, {"rows": ROWS[::-1]}], ids=["version", "settings", "input"]
)
def test_a_changed_step_is_computed_anew(tmp_path: Path, change: dict) -> None:
    run(tmp_path)
    assert run(tmp_path, **change).computed == 4


def test_new_input_computes_only_its_own_shards(tmp_path: Path) -> None:
    run(tmp_path, rows=ROWS[:9])
    assert run(tmp_path).computed == 1


def test_no_input_gives_empty_tables(tmp_path: Path) -> None:
    assert run(tmp_path, rows=[]) == Outcome([], [], 0)
    assert Table(tmp_path / "out", Identification).rows() == []
