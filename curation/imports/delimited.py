"""CSV and TSV as a stream: a line that cannot be read is one problem with its number, and reading goes on behind it."""

from __future__ import annotations

import collections
import csv
import itertools
from collections.abc import Iterator
from typing import NamedTuple, TextIO

from curation.errors import InputError
from curation.files import plain_cell
from curation.imports.decoding import NUL

LONGEST_CELL = 1 << 24  # characters; a quote that is never closed is given up there


class Line(NamedTuple):
    """One record: the line it begins on, its cells, and what is wrong with it (then without cells)."""

    number: int
    cells: list[str]
    problem: str = ""


def read_delimited(file: TextIO, name: str, delimiter: str, header: bool) -> Iterator[Line]:
    """The header's columns, then every record; without a header every record is one cell."""
    lines = _records(_Feed(file, name), delimiter)
    first = next((line for line in lines if line.cells or line.problem), None)
    if first is None:
        raise InputError(f"{name} is empty", fix="give a file with rows")
    if header and first.problem:
        raise InputError(f"{name}, line {first.number}: not readable CSV: {first.problem}", fix="mend the first line")
    width = len(first.cells) if header else 1
    for line in itertools.chain([first], lines):
        if line.problem or len(line.cells) == width:
            yield line
        else:
            yield Line(line.number, [], f"{len(line.cells)} cells, {'the header has' if header else 'not'} {width}")


def _records(feed: _Feed, delimiter: str) -> Iterator[Line]:
    """Records of a strict reader; of one that fails only the first line is given up, the others are read again."""
    reader = csv.reader(feed, strict=True, delimiter=delimiter)
    number = 1
    while True:
        feed.taken.clear()
        # Process-wide in Python: put back before anyone else runs, not when this generator is done with (or forgotten).
        previous = csv.field_size_limit(LONGEST_CELL)
        try:
            cells, problem = next(reader), ""
        except StopIteration:
            return
        except csv.Error as exc:
            cells, problem = [], str(exc)
        finally:
            csv.field_size_limit(previous)
        if problem:
            feed.give_back_all_but_first()
            reader = csv.reader(feed, strict=True, delimiter=delimiter)
            yield Line(number, [], problem)
            number += 1
            continue
        if cells:
            yield Line(number, [plain_cell(cell) for cell in cells])
        number += len(feed.taken)


class _Feed:
    """Lines for a csv reader; those of the record in work can be given back."""

    def __init__(self, file: TextIO, name: str) -> None:
        self._file = file
        self._name = name
        self._held: collections.deque[str] = collections.deque()
        self.taken: list[str] = []

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if self._held:
            line = self._held.popleft()
        else:
            try:
                line = self._file.readline(LONGEST_CELL).replace("\0", NUL)
                if len(line) == LONGEST_CELL and line[-1] not in "\r\n":
                    while line and line[-1] not in "\r\n":  # the rest of it is no row of its own
                        line = self._file.readline(LONGEST_CELL)
                    line = NUL
            except UnicodeError as exc:
                raise InputError(
                    f"{self._name}: not readable as its byte order mark says: {exc}", fix="save it as UTF-8"
                ) from None
            if not line:
                raise StopIteration
        self.taken.append(line)
        return line

    def give_back_all_but_first(self) -> None:
        self._held.extendleft(reversed(self.taken[1:]))
