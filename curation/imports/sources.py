"""What is imported: a file, a folder of files, or a data set on the hub, as one stream of raw rows."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from curation.console import visible
from curation.errors import InputError
from curation.imports import hub
from curation.imports.columnar import column_names, read_batches
from curation.imports.decoding import open_text
from curation.imports.delimited import read_delimited
from curation.imports.mapping import COLUMN, PATH, Mapping, folded
from curation.imports.objects import read_lines, read_list
from curation.imports.rows import Raw

ENDINGS = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".parquet": "parquet"}


@dataclasses.dataclass(frozen=True)
class Part:
    """One file of a source."""

    name: str  # as it is shown and kept with the rows: never a path of this machine, nothing invisible in it
    path: Path
    match: str  # what patterns of file names look at
    format: str

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size


@dataclasses.dataclass
class Position:
    """How far reading has come, in bytes."""

    done: int = 0
    file: BinaryIO | None = None

    @property
    def bytes(self) -> int:
        """Bytes of the files that are read, and of the one in work up to where it stands."""
        return self.done + (self.file.tell() if self.file is not None and not self.file.closed else 0)


@dataclasses.dataclass(frozen=True)
class Source:
    """The files of a set, or rows of a data set on the hub."""

    name: str
    parts: tuple[Part, ...] = ()
    dataset: hub.Dataset | None = None
    position: Position = dataclasses.field(default_factory=Position, compare=False)

    @classmethod
    def open(cls, given: str, format_: str = "", dataset: hub.Dataset | None = None) -> Source:
        """Find what was asked for; a file on the hub is fetched, anything else there is read as it comes."""
        if dataset is not None:
            if not dataset.file:
                return cls(visible(dataset.address), dataset=dataset)
            path = hub.fetch(dataset)
            return cls(visible(dataset.address), (_part(path, dataset.file, dataset.file, format_),))
        path = Path(given)
        if path.is_dir():
            return cls(visible(path.resolve().name), _files_in(path.resolve(), format_))
        if not path.exists():
            raise InputError(
                f"{given} does not exist", fix="check the path; data sets on the hub are hf://datasets/OWNER/NAME"
            )
        if not path.is_file():
            raise InputError(f"{given} is no regular file", fix="give a file or a folder")
        return cls(visible(path.name), (_part(path, path.name, path.resolve().as_posix(), format_),))

    def columns(self, mapping: Mapping | None = None) -> list[str] | None:
        """The columns of the first row that can be read; None where the source does not say."""
        if self.dataset is not None:
            return hub.columns(self.dataset)
        return next(_columns(self.parts[0], mapping), None) if self.parts else None

    def rows(self, mapping: Mapping, fallback: str) -> Iterator[Raw]:
        """Every row, in the order of the files' names."""
        if self.dataset is not None:
            groups = mapping.groups(self.dataset.match) or {}
            yield from _from_dicts(self.name, enumerate(hub.rows(self.dataset), 1), mapping, groups)
        for part in self.chosen(mapping):
            with part.path.open("rb") as self.position.file:
                yield from _READERS[part.format](part, self.position.file, mapping, fallback)
            self.position.done += part.size

    @property
    def matches(self) -> list[str]:
        """What patterns of file names look at."""
        return [self.dataset.match] if self.dataset is not None else [part.match for part in self.parts]

    def chosen(self, mapping: Mapping) -> tuple[Part, ...]:
        """The files that the mapping's patterns name: of a folder only those, a single file always."""
        if not mapping.files or len(self.parts) < 2:
            return self.parts
        return tuple(part for part in self.parts if mapping.groups(part.match) is not None)


def _part(path: Path, name: str, match: str, format_: str) -> Part:
    kind = format_ or ENDINGS.get(Path(name).suffix.lower(), "")
    if not kind:
        raise InputError(f"{visible(name)}: unknown kind of file {Path(name).suffix!r}",
                         fix=f"use a name that ends in {', '.join(ENDINGS)}, or give --layout csv, jsonl or parquet")  # fmt: skip
    return Part(visible(name), path, match, kind)


def _files_in(folder: Path, format_: str) -> tuple[Part, ...]:
    """The readable files below a folder; links that lead out of it are not followed."""
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(root) / name
            inside = path.resolve().is_relative_to(folder) and path.is_file()
            if inside and path.suffix.lower() in ENDINGS and not name.startswith("."):
                relative = path.relative_to(folder).as_posix()
                found.append(_part(path, relative, f"{folder.name}/{relative}", format_))
    if not found:
        raise InputError(f"{folder.name}/ holds no file that ends in {', '.join(ENDINGS)}", fix="check the folder")
    return tuple(sorted(found, key=lambda part: part.name))


def _columns(part: Part, mapping: Mapping | None = None) -> Iterator[list[str]]:
    if part.format == "parquet":
        yield column_names(part.path, part.name)
        return
    with part.path.open("rb") as file:
        if part.format == "csv":
            with open_text(file, part.name) as text:
                first = next(read_delimited(text, part.name, _delimiter(part, mapping), True))
            yield [cell.strip() for cell in first.cells]
            return
        items = read_lines(file, "latin-1") if part.format == "jsonl" else read_list(file, part.name, "latin-1")
        yield from (list(item.fields) for item in itertools.islice(items, 1000) if not item.problem)


def _delimiter(part: Part, mapping: Mapping | None) -> str:
    return (mapping.delimiter if mapping else "") or ("\t" if part.path.suffix.lower() == ".tsv" else ",")


def _csv(part: Part, file: BinaryIO, mapping: Mapping, fallback: str) -> Iterator[Raw]:
    groups = mapping.groups(part.match) or {}
    with open_text(file, part.name) as text:
        lines = read_delimited(text, part.name, _delimiter(part, mapping), mapping.header)
        names = [folded(cell) for cell in next(lines).cells] if mapping.header else list(mapping.prompt.column)
        check_columns(part.name, names, mapping)
        twice = next((name for kind, name in mapping.inputs if kind == COLUMN and names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"{part.name}, line 1: column {twice!r} stands there twice", fix="rename or remove one")
        places = [groups.get(name) if kind == PATH else names.index(name) if name in names else None
                  for kind, name in mapping.inputs]  # fmt: skip
        for line in lines:
            if line.problem:
                yield Raw(part.name, line.number, (), "not_csv", line.problem)
            else:
                cells = tuple(line.cells[place] if isinstance(place, int) else place for place in places)
                yield Raw(part.name, line.number, cells)


def _json(part: Part, file: BinaryIO, mapping: Mapping, fallback: str) -> Iterator[Raw]:
    groups = mapping.groups(part.match) or {}
    check_columns(part.name, next(_columns(part, mapping), []), mapping)
    for item in read_lines(file, fallback) if part.format == "jsonl" else read_list(file, part.name, fallback):
        if item.problem:
            yield Raw(part.name, item.number, (), item.problem, item.evidence)
        else:
            yield from _from_dicts(part.name, [(item.number, item.fields)], mapping, groups)


def _parquet(part: Part, file: BinaryIO, mapping: Mapping, fallback: str) -> Iterator[Raw]:
    groups = mapping.groups(part.match) or {}
    there = column_names(part.path, part.name)
    check_columns(part.name, there, mapping)
    wanted = {name for kind, name in mapping.inputs if kind == COLUMN}
    text = {folded(name) for name in (*mapping.prompt.column, *mapping.texts.values())}
    columns = [name for name in there if folded(name) in wanted]
    number = 0
    for batch in read_batches(part.path, part.name, columns, [name for name in columns if folded(name) in text]):
        yield from _from_dicts(part.name, enumerate(batch, number + 1), mapping, groups)
        number += len(batch)


_READERS = {"csv": _csv, "jsonl": _json, "json": _json, "parquet": _parquet}


def _from_dicts(name: str, rows: Any, mapping: Mapping, groups: dict[str, str]) -> Iterator[Raw]:
    for number, fields in rows:
        cells = {folded(key): cell for key, cell in fields.items()}
        values = (groups.get(key) if kind == PATH else cells.get(key) for kind, key in mapping.inputs)
        yield Raw(name, number, tuple(values))


def check_columns(name: str, found: list[str], mapping: Mapping) -> None:
    """Refuse a file that lacks a column which the mapping needs, naming what is there and what is expected."""
    lacking = mapping.lacking(found)
    if lacking:
        seen = ", ".join(visible(column[:40]) for column in found[:20]) or "nothing"
        raise InputError(f"{name}: no column {', '.join(map(repr, lacking))} (found {seen})",
                         fix="choose another --layout, or name the columns in a --mapping file")  # fmt: skip
