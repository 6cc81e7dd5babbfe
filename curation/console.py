"""What commands print: tables for people, JSON for programs, one line for a user's mistake."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; cells are shown as they are, never read as markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    lines = [[_cell(value) for value in row] for row in rows]
    numeric = [bool(lines) and all(_looks_numeric(line[index]) for line in lines) for index in range(len(columns))]
    table = Table()
    for column, right in zip(columns, numeric, strict=True):
        table.add_column(Text(column), justify="right" if right else "left")
    for line in lines:
        table.add_row(*(Text(visible(value)) for value in line))
    console = Console(width=None if sys.stdout.isatty() else 120)
    # the title stands above the table, not in it, where a narrow table would break it
    console.print(Text(visible(title)), soft_wrap=True)
    console.print(table)


def show_json(value: Any) -> None:
    """Print one JSON document on standard output."""
    print(json.dumps(value, ensure_ascii=False, indent=1, default=str))


def say(line: str) -> None:
    """Tell a person what is going on, on standard error."""
    print(visible(line), file=sys.stderr, flush=True)


def visible(text: str) -> str:
    """Text with control characters and bidi overrides made visible, so that hostile text cannot move the cursor."""
    return "".join(char if char.isprintable() or char in "\n\t\u200c\u200d" else f"\\u{ord(char):04x}" for char in text)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _looks_numeric(text: str) -> bool:
    return not text or text.replace(".", "").replace("-", "").replace("%", "").strip().isdigit()
