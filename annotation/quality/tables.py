"""Tables of an audit: plain JSON, from which console, CSV, page and pictures are all made.

A cell is a text, a number, None where something is not defined, a prompt `{"prompt": id}`, an estimate `{"value", "low",
"high"}`, or a rate, which has `n` and `hits` too.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from annotation.quality.bootstrap import Estimate
from curation.console import visible
from curation.rates import Rate

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Prompted:
    """A cell that names a prompt: its id in files, its text on the page."""

    id: str


@dataclasses.dataclass(frozen=True)
class Table:
    """A named table; `note` says how to read it."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    note: str = ""

    @classmethod
    def of(
        cls, name: str, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], note: str = ""
    ) -> Table:
        """From rows of Python values."""
        names = tuple(columns)
        found = tuple({key: cell(value) for key, value in zip(names, row, strict=True)} for row in rows)
        return cls(name, title, names, found, note)

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Table:
        """From its JSON form."""
        return cls(raw["name"], raw["title"], tuple(raw["columns"]), tuple(raw["rows"]), raw["note"])

    def raw(self) -> dict[str, Any]:
        """Its JSON form."""
        return {"name": self.name, "title": self.title, "note": self.note, "columns": list(self.columns),
                "rows": list(self.rows)}  # fmt: skip

    def texts(self) -> list[list[str]]:
        """The rows as people read them."""
        return [[cell_text(row[name]) for name in self.columns] for row in self.rows]

    def csv(self) -> str:
        """The rows as CSV: an estimate takes three columns, a rate four."""
        wide = {name: next((_parts(row[name]) for row in self.rows if _parts(row[name])), ()) for name in self.columns}
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow([part for name in self.columns
                         for part in ((name, *(f"{name} {end}" for end in wide[name][1:])) if wide[name] else (name,))])  # fmt: skip
        for row in self.rows:
            writer.writerow([value for name in self.columns for value in _csv_cells(row[name], wide[name])])
        return buffer.getvalue()


def cell(value: object) -> Any:
    """The JSON form of a value; what is not a number is None."""
    if isinstance(value, Rate):
        return {"value": _number(value.value), "low": _number(value.low), "high": _number(value.high), "n": value.n,
                "hits": value.hits}  # fmt: skip
    if isinstance(value, Estimate):
        return {"value": _number(value.value), "low": _number(value.low), "high": _number(value.high)}
    if isinstance(value, Prompted):
        return {"prompt": value.id}
    if isinstance(value, float):
        return _number(value)
    if value is None or isinstance(value, (str, bool, int)):
        return value
    raise TypeError(f"no cell: {value!r}")


def cell_text(value: Any) -> str:
    """A cell as people read it, on one line, with nothing in it that moves a cursor."""
    if value is None:
        return "n/a"
    if isinstance(value, dict):
        if "prompt" in value:
            return str(value["prompt"])
        if value["value"] is None:
            return "n/a"
        if "n" in value:
            return Rate(value["value"], value["low"], value["high"], value["hits"], value["n"]).text()
        interval = "" if value["low"] is None else f" [{value['low']:.2f}, {value['high']:.2f}]"
        return f"{value['value']:.3f}{interval}"
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:.3g}"
    return " ".join(visible(str(value)).split())


def _number(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None


def _parts(value: Any) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, dict) and "value" in value else ()


def _csv_cells(value: Any, parts: Sequence[str]) -> list[Any]:
    if parts:
        return ["" if value is None or value[part] is None else value[part] for part in parts]
    if isinstance(value, dict):
        return [value["prompt"]]
    if isinstance(value, str):
        # A spreadsheet would run a name that begins like a formula.
        return [f"'{visible(value)}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") else visible(value)]
    return ["" if value is None else value]
