"""The HTML report: one file, readable offline; every picture is drawn from a table that is saved beside it."""

from __future__ import annotations

from pathlib import Path

from curation.storage import write_text
from curation.workspace import Workspace


def run_report(workspace: Workspace) -> Path:
    """Write report/report.html and its tables; the same project gives the same bytes."""
    from releases.report.page import render
    from releases.report.tables import ReportData

    folder = workspace.root / "report"
    data = ReportData.read(workspace)
    data.write_tables(folder / "tables")
    path = folder / "report.html"
    html = render(data)
    if not path.exists() or path.read_text(encoding="utf-8") != html:
        write_text(path, html)
    return path
