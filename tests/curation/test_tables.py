from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.errors import WorkspaceError
from curation.records import Duplicate, Reject, Response, Verdict
from curation.tables import Manifest, Table, read_shard, write_shard

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@given(st.lists(st.builds(Reject, TEXT, TEXT, TEXT, TEXT), max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
def test_a_shard_gives_back_its_rows_and_the_same_rows_give_the_same_bytes(tmp_path: Path, rows: list[Reject]) -> None:
    write_shard(tmp_path / "a.parquet", Reject, rows)
    write_shard(tmp_path / "b.parquet", Reject, rows)
    assert read_shard(tmp_path / "a.parquet", Reject) == rows
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_numbers_and_booleans_survive(tmp_path: Path) -> None:
    rows = [Verdict("p", "benign", 0.1 + 0.2, 3, 2 / 3, True)]
    write_shard(tmp_path / "a.parquet", Verdict, rows)
    assert read_shard(tmp_path / "a.parquet", Verdict) == rows


def test_a_shard_from_before_a_column_was_added_has_its_default(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    rows = [Response("p", "b001", "anna", "benign", False, "2026-01-01", session="first", note="sure")]
    write_shard(tmp_path / "new.parquet", Response, rows)
    table = pq.read_table(tmp_path / "new.parquet")
    pq.write_table(table.drop(["session", "reason", "category", "naturalness", "note"]), tmp_path / "old.parquet")
    assert read_shard(tmp_path / "new.parquet", Response) == rows
    assert read_shard(tmp_path / "old.parquet", Response) == [
        Response("p", "b001", "anna", "benign", False, "2026-01-01")
    ]
    pq.write_table(table.drop(["answer"]), tmp_path / "broken.parquet")
    with pytest.raises(WorkspaceError, match=r"broken\.parquet.*'answer'"):
        read_shard(tmp_path / "broken.parquet", Response)


def _table(folder: Path) -> Table:
    table = Table(folder, Duplicate)
    listed = []
    for key in ("one", "two"):
        write_shard(table.shard_path(key), Duplicate, [Duplicate(key, "w", 1.0, "same_text")])
        from curation.storage import file_digest

        listed.append((f"{key}.parquet", file_digest(table.shard_path(key)), 1))
    Manifest("dedup", 1, {}, tuple(listed)).write(folder)
    return table


def test_only_listed_shards_are_part_of_a_table(tmp_path: Path) -> None:
    table = _table(tmp_path)
    write_shard(table.shard_path("stray"), Duplicate, [Duplicate("stray", "w", 1.0, "same_text")])
    assert [row.prompt_id for row in table.rows()] == ["one", "two"]
    assert [row.prompt_id for row in table.rows(["dedup"])] == ["one", "two"]
    assert table.rows(["label"]) == []


@pytest.mark.parametrize("damage", [b"", b"half a file"], ids=["empty", "changed"])
def test_a_damaged_shard_is_named(tmp_path: Path, damage: bytes) -> None:
    table = _table(tmp_path)
    table.shard_path("two").write_bytes(damage)
    with pytest.raises(WorkspaceError, match=r"two\.parquet"):
        table.rows()


def test_a_missing_shard_and_a_broken_manifest_are_named(tmp_path: Path) -> None:
    table = _table(tmp_path)
    table.shard_path("one").unlink()
    with pytest.raises(WorkspaceError, match=r"one\.parquet"):
        table.rows()
    (tmp_path / "dedup.json").write_text("{")
    with pytest.raises(WorkspaceError, match=r"dedup\.json"):
        table.rows()


def test_writing_the_same_manifest_again_does_not_touch_the_file(tmp_path: Path) -> None:
    _table(tmp_path)
    before = (tmp_path / "dedup.json").stat().st_mtime_ns
    Manifest.read(tmp_path / "dedup.json").write(tmp_path)
    assert (tmp_path / "dedup.json").stat().st_mtime_ns == before
