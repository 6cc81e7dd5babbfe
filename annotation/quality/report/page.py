"""The audit's page: Jinja2 with autoescape, so that no name, note or prompt can become markup."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from annotation.quality.evidence import Evidence
from annotation.quality.report.pictures import pictures
from annotation.quality.tables import Row, Table, cell_text
from curation.console import visible

if TYPE_CHECKING:
    from annotation.quality.audit import Audit

LONGEST_TEXT = 600
LONGEST_NOTE = 200
MOST_ROWS = 60
MOST_NOTES = 5


class Told(NamedTuple):
    """A prompt as the page shows it: its text, how often each answer was given, and what people noted."""

    text: str
    answers: str
    notes: list[str]


class Cell(NamedTuple):
    """A cell as the page shows it."""

    text: str
    number: bool
    told: Told | None


def render(audit: Audit, evidence: Evidence) -> str:
    """The whole report as one HTML document without scripts or anything from elsewhere."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True,
                              undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # fmt: skip
    told = _told(evidence)
    sections = []
    for table in audit.tables.values():
        rows = _shown(table)
        cells = [[_cell(row[name], told) for name in table.columns] for row in rows]
        sections.append({"table": table, "rows": cells, "left": len(table.rows) - len(rows)})
    drawn = {name: Markup(text) for name, text in pictures(audit.tables).items()}  # noqa: S704 - SVG that matplotlib made and escaped
    return environment.get_template("audit.html").render(head=audit.head, sections=sections, pictures=drawn)


def _shown(table: Table) -> Sequence[Row]:
    """The rows that the page has room for; of items, those that are open."""
    rows = table.rows
    if table.name == "items":
        rows = tuple(row for row in rows if row["outcome"] == "controversial" and not row["settled"])
    return rows[:MOST_ROWS]


def _cell(value: Any, told: dict[str, Told]) -> Cell:
    if isinstance(value, dict) and "prompt" in value:
        return Cell(value["prompt"], False, told.get(value["prompt"]))
    if isinstance(value, dict):  # an interval stays on one line
        return Cell(cell_text(value).replace(", ", ",\u00a0"), True, None)
    return Cell(cell_text(value), not isinstance(value, (str, bool)), None)


def _told(evidence: Evidence) -> dict[str, Told]:
    found: dict[str, Told] = {}
    answers: dict[str, Counter[str]] = {}
    for row in evidence.answers:
        told = found.setdefault(row.prompt.id, Told(visible(row.prompt.text[:LONGEST_TEXT]), "", []))
        answers.setdefault(row.prompt.id, Counter())[row.answer] += 1
        note = visible(row.note.strip()[:LONGEST_NOTE])
        if note and note not in told.notes and len(told.notes) < MOST_NOTES:
            told.notes.append(note)
    for key, counts in answers.items():
        line = ", ".join(f"{count} {answer}" for answer, count in sorted(counts.items()))
        found[key] = found[key]._replace(answers=line)
    return found
