"""Parquet as a stream of record batches; only the columns that a mapping looks at are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from curation.errors import InputError

BATCH_ROWS = 2_000


def column_names(path: Path, name: str) -> list[str]:
    """The columns of a Parquet file."""
    return list(_open(path, name).schema_arrow.names)


def read_batches(path: Path, name: str, columns: Sequence[str], text: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
    """Rows as dicts, a batch at a time; text stays bytes, so that one row that is not UTF-8 spoils no other.

    `text` are the columns that must hold text.
    """
    import pyarrow as pa

    file = _open(path, name)
    for field in file.schema_arrow:
        if field.name in text and not _is_text(field.type):
            raise InputError(
                f"{name}: column {field.name!r} is {field.type}, not text", fix="name another column with --mapping"
            )
    try:
        for batch in file.iter_batches(BATCH_ROWS, columns=list(columns)):
            arrays = {field.name: _as_bytes(batch.column(index), field.type).to_pylist()
                      for index, field in enumerate(batch.schema)}  # fmt: skip
            yield [dict(zip(arrays, cells, strict=True)) for cells in zip(*arrays.values(), strict=True)]
    except (pa.ArrowException, OSError) as exc:
        raise InputError(f"{name}: damaged Parquet: {str(exc)[:200]}", fix="fetch or write it again") from None


def _open(path: Path, name: str) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as exc:
        raise InputError(
            f"{name}: not a readable Parquet file: {str(exc)[:200]}", fix="fetch or write it again"
        ) from None


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _as_bytes(column: Any, kind: Any) -> Any:
    import pyarrow as pa

    if not _is_text(kind):
        return column
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    return column.cast(pa.large_binary() if pa.types.is_large_string(column.type) else pa.binary())
