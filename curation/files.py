"""Plain files of prompts and replies: JSONL, CSV and Parquet by their ending, as lists of dicts."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from curation.errors import InputError
from curation.records import digest, prompt_id
from curation.storage import write_atomically

Row = dict[str, Any]
_TEXTS = ("prompt", "response", "language", "id")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_FORMULA = re.compile(
    r"'*[=+\-@\t\r]"
)  # what a spreadsheet would run; quotes before it are counted, so that reading undoes writing
_QUOTED_FORMULA = re.compile(r"'+[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
_SURROGATE = re.compile("[\ud800-\udfff]")
ENDINGS = (".jsonl", ".csv", ".parquet")


def read_rows(path: Path, *, required: Sequence[str] = ("prompt",), language: str | None = None) -> list[Row]:
    """Read a file; each row has the required columns, a `language` (its own or the given one) and an `id`."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist", fix="check the path") from None
    except OSError as exc:
        raise InputError(f"cannot read {path}: {exc.strerror}", fix="give a readable file") from None
    reader = _by_ending(path, {".jsonl": _read_jsonl, ".csv": _read_csv, ".parquet": _read_parquet})
    return [_complete(row, where, required, language) for where, row in reader(path, data, required)]


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows, whole or not at all; columns in the order in which they first appear."""
    writer = _by_ending(path, {".jsonl": _write_jsonl, ".csv": _write_csv, ".parquet": _write_parquet})
    write_atomically(path, lambda file: writer(file, path, rows))


def check_output(path: Path | None, source: Path) -> Path:
    """The file to write: it must be named, have a known ending, and not be the file that is read."""
    if path is None:
        raise InputError(f"no output for {source}", fix="add --out FILE")
    _by_ending(path, dict.fromkeys(ENDINGS))
    if path.resolve() == source.resolve():
        raise InputError(f"{path} would overwrite the file that is read", fix="give another --out FILE")
    return path


def _by_ending(path: Path, choices: Mapping[str, Any]) -> Any:
    if path.suffix.lower() not in choices:
        raise InputError(
            f"{path}: unknown kind of file {path.suffix!r}", fix=f"use a name that ends in {', '.join(choices)}"
        )
    return choices[path.suffix.lower()]


def _complete(row: Row, where: str, required: Sequence[str], language: str | None) -> Row:
    for column in required:
        if row.get(column) is None:
            raise InputError(
                f"{where}: no {column!r}",
                fix=f"every row needs {', '.join(required)}; found {', '.join(map(str, row))}",
            )
    for column in _TEXTS:
        if row.get(column) is not None and not isinstance(row[column], str):
            if column == "id" and isinstance(row[column], int) and not isinstance(row[column], bool):
                row[column] = str(row[column])
            else:
                raise InputError(
                    f"{where}: {column!r} must be text, found {type(row[column]).__name__}", fix="write it as a string"
                )
    code = row.get("language") or language
    if not code:
        raise InputError(f"{where}: no 'language'", fix="add that column, or give --language CODE")
    if not _LANGUAGE.fullmatch(code):
        raise InputError(f"{where}: {code[:40]!r} is no language code", fix="use BCP 47 codes such as en, zh or pt-BR")
    row["language"] = code
    if not row.get("id"):
        row["id"] = (
            prompt_id(code, row["prompt"]) if row.get("prompt") else digest("row", code, row.get("response") or "")[:16]
        )
    return row


def _decoded(path: Path, data: bytes, line: int) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as exc:
        line += data[: exc.start].count(b"\n")
        column = exc.start - data.rfind(b"\n", 0, exc.start)
        raise InputError(f"{path}, line {line}: not UTF-8 at byte {column}", fix="save the file as UTF-8") from None


def _read_jsonl(path: Path, data: bytes, required: Sequence[str]) -> Iterator[tuple[str, Row]]:
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        text = _decoded(path, line, number)
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except json.JSONDecodeError as exc:
            raise InputError(
                f"{path}, line {number}, column {exc.colno}: not JSON: {exc.msg}", fix="write one JSON object a line"
            ) from None
        except (ValueError, RecursionError) as exc:
            raise InputError(
                f"{path}, line {number}: not readable JSON: {exc}", fix="write one flat JSON object a line"
            ) from None
        if not isinstance(row, dict):
            raise InputError(
                f"{path}, line {number}: a {type(row).__name__}, not an object", fix="write one JSON object a line"
            )
        yield f"{path}, line {number}", row


def _read_csv(path: Path, data: bytes, required: Sequence[str]) -> Iterator[tuple[str, Row]]:
    text = _decoded(path, data.removeprefix(b"\xef\xbb\xbf"), 1)
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(lines, [])
        for column in required:
            if column not in header:
                raise InputError(
                    f"{path}, line 1: no column {column!r} (found {', '.join(header) or 'nothing'})",
                    fix="name the columns in the first line",
                )
        twice = next((name for name in header if header.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"{path}, line 1: column {twice!r} stands there twice", fix="rename or remove one")
        start = lines.line_num + 1
        for cells in lines:
            if cells:
                if len(cells) != len(header):
                    raise InputError(
                        f"{path}, line {start}: {len(cells)} cells, the header has {len(header)}",
                        fix="quote cells that hold commas",
                    )
                yield f"{path}, line {start}", dict(zip(header, map(plain_cell, cells), strict=True))
            start = lines.line_num + 1
    except csv.Error as exc:
        raise InputError(
            f"{path}, line {lines.line_num}: not readable CSV: {exc}", fix="quote that cell, or use JSONL"
        ) from None


def plain_cell(cell: str) -> str:
    """A cell without the quote that kept a spreadsheet from running it."""
    return cell[1:] if _QUOTED_FORMULA.match(cell) else cell


def _read_parquet(path: Path, data: bytes, required: Sequence[str]) -> Iterator[tuple[str, Row]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as exc:
        raise InputError(f"{path}: not a readable Parquet file: {str(exc)[:200]}", fix="write it again") from None
    for column in required:
        if column not in table.column_names:
            raise InputError(
                f"{path}: no column {column!r} (found {', '.join(table.column_names) or 'nothing'})",
                fix="add that column",
            )
    for number, row in enumerate(table.to_pylist(), 1):
        yield f"{path}, row {number}", row


def _write_jsonl(file: BinaryIO, path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        clean = {
            key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()
        }
        # backslashreplace writes a lone surrogate as the JSON escape that reads back as itself
        file.write(json.dumps(clean, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace") + b"\n")


def _write_csv(file: BinaryIO, path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = _columns(rows)
    text = io.StringIO(newline="")
    writer = csv.writer(text)  # ends lines with CR LF, and so quotes either of them in a cell
    writer.writerow([_cell(name) for name in columns])
    for number, row in enumerate(rows, 1):
        cells = [_cell(row.get(name)) for name in columns]
        _refuse_surrogates(path, number, columns, cells)
        writer.writerow(cells)
    file.write(text.getvalue().encode("utf-8"))


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, default=str)
    return f"'{value}" if _FORMULA.match(value) and not _NUMBER.fullmatch(value) else value


def _refuse_surrogates(path: Path, number: int, columns: Sequence[str], cells: Sequence[Any]) -> None:
    for name, cell in zip(columns, cells, strict=True):
        if isinstance(cell, str) and _SURROGATE.search(cell):
            raise InputError(
                f"{path}, row {number}, column {name!r}: half a surrogate pair cannot be written as {path.suffix}",
                fix="write JSONL, which can hold it",
            )


def _write_parquet(file: BinaryIO, path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = _columns(rows)
    for number, row in enumerate(rows, 1):
        _refuse_surrogates(path, number, columns, [row.get(name) for name in columns])
    arrays: dict[str, Any] = {}
    for name in columns:
        values = [row.get(name) for row in rows]
        try:
            arrays[name] = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):  # values of mixed kinds: as text
            arrays[name] = pa.array(
                [
                    value if value is None or isinstance(value, str) else json.dumps(value, default=str)
                    for value in values
                ]
            )
    pq.write_table(pa.table(arrays), file, compression="zstd")


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))
