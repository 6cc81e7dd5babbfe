"""Lines of tables and keys in a TOML file, which its parser does not tell."""

from __future__ import annotations

import re

_HEADER = re.compile(r"\s*(\[\[?)\s*([\w.-]+)\s*\]\]?")
_KEY = re.compile(r"\s*([\w-]+)\s*=")


class Lines:
    """Where tables and keys stand in a TOML file; texts over several lines are skipped."""

    def __init__(self, text: str) -> None:
        self._places: dict[tuple[str, int, str], int] = {}
        counts: dict[str, int] = {}
        table, number, inside = "", 1, ""
        for line_number, line in enumerate(text.splitlines(), 1):
            if inside:
                inside = "" if inside in line else inside
                continue
            header, key = _HEADER.match(line), _KEY.match(line)
            if header:
                table = header[2]
                if header[1] == "[[":
                    counts[table] = counts.get(table, 0) + 1
                number = counts.get(table.split(".")[0], 1)
                self._places.setdefault((table, number, ""), line_number)
            elif key:
                self._places.setdefault((table, number, key[1]), line_number)
            for quotes in ('"""', "'''"):
                if line.count(quotes) % 2:
                    inside = quotes

    def of(self, table: str, key: str = "", number: int = 1) -> int:
        """The line of a key, else that of its table, else 0."""
        found = self._places.get((table, number, key)) or self._places.get((table, number, ""))
        return found or self._places.get(("", 1, table), 0)
