"""JSON Lines as a stream, and files that are one JSON list."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from curation.errors import InputError
from curation.imports.decoding import decoded

LONGEST_LINE = 1 << 26  # bytes
LARGEST_LIST = 1 << 28  # bytes; one JSON value cannot be read in parts


class Item(NamedTuple):
    """One object: its line (or its place in the list), its fields, and what is wrong with it (then a reason word)."""

    number: int
    fields: dict[str, Any]
    problem: str = ""
    evidence: str = ""


def read_lines(file: BinaryIO, fallback: str) -> Iterator[Item]:
    """Every object of a JSONL file, blank lines left out."""
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = file.readline(LONGEST_LINE)
            yield Item(number, {}, "too_long", f"a line of more than {LONGEST_LINE} bytes")
            continue
        text, problem = decoded(line.removeprefix(codecs.BOM_UTF8) if number == 1 else line, fallback)
        if problem:
            yield Item(number, {}, problem)
        elif text.strip():
            yield _parsed(number, text)


def read_list(file: BinaryIO, name: str, fallback: str) -> Iterator[Item]:
    """Every object of a file that is one JSON list."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size > LARGEST_LIST:
        raise InputError(f"{name} is one JSON value of {size >> 20} MB", fix="write it as JSONL, an object a line")
    text, problem = decoded(file.read().removeprefix(codecs.BOM_UTF8), fallback)
    if problem:
        raise InputError(f"{name} is not UTF-8", fix="save it as UTF-8, or give --fallback-encoding")
    try:
        found = json.loads(text)
    except json.JSONDecodeError as exc:
        raise InputError(f"{name}, line {exc.lineno}: not JSON: {exc.msg}", fix="mend it, or write JSONL") from None
    except (ValueError, RecursionError) as exc:
        raise InputError(f"{name}: not readable JSON: {exc}", fix="write one flat JSON object a line") from None
    if not isinstance(found, list):
        raise InputError(f"{name}: a {type(found).__name__}, not a list of objects", fix="write a list, or JSONL")
    for number, fields in enumerate(found, 1):
        yield _item(number, fields)


def _parsed(number: int, text: str) -> Item:
    try:
        return _item(number, json.loads(text))
    except json.JSONDecodeError as exc:
        return Item(number, {}, "not_json", f"column {exc.colno}: {exc.msg}")
    except (ValueError, RecursionError) as exc:
        return Item(number, {}, "not_json", str(exc)[:100])


def _item(number: int, fields: Any) -> Item:
    if isinstance(fields, dict):
        return Item(number, fields)
    return Item(number, {}, "not_an_object", f"a {type(fields).__name__}")
