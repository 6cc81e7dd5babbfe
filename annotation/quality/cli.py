"""`morbench audit`: whether people's labels can be trusted, and which items to ask about again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import say, show_json, show_table
from curation.options import Json, Project

if TYPE_CHECKING:
    from annotation.quality.audit import Audit

app = typer.Typer(no_args_is_help=True)
audit = typer.Typer(
    help="Audit people's answers: agreement, annotators, doubtful items; one HTML report, readable offline.\n\n"
    "Example:  morbench audit --project demo",
)
app.add_typer(audit, name="audit")

TextModel = Annotated[
    bool,
    typer.Option("--text-model/--no-text-model", help="Look for mislabelled items with sentence vectors (slower)."),
]
SHOWN = ("agreement", "methods", "annotators", "anchoring", "cost")
MOST_LINES = 40


@audit.callback(invoke_without_command=True)
def report(
    context: typer.Context, project: Project = Path(), text_model: TextModel = True, as_json: Json = False
) -> None:
    """Audit people's answers: agreement, annotators, doubtful items; one HTML report, readable offline.

    Writes reports/audit-NNN/ with report.html, audit.json and the tables behind every picture as CSV. The same answers
    give the same audit. Simulated answers are audited only where there are no others, and the report says so.

    Examples:

      morbench audit --project demo

      morbench audit requeue --project demo --at-most 40
    """
    if context.invoked_subcommand is not None:
        return
    found = _audit(project, text_model)
    if as_json:
        show_json({**found.raw(), "report": str(found.page)})
        return
    for name in SHOWN:
        table = found.tables[name]
        if table.rows:
            show_table(table.title, table.columns, table.texts()[:MOST_LINES])
    if found.head["simulated"]:
        say("these answers are simulated: they say nothing about people")
    if found.head["text model"]["reason"]:
        say(f"no search for mislabelled items: {found.head['text model']['reason']}")
    say(f"{found.head['controversial']} controversial, {found.head['suspects']} likely mislabelled")
    print(found.page)


@audit.command()
def requeue(
    project: Project = Path(),
    at_most: Annotated[int, typer.Option(min=1, help="How many items.")] = 60,
    language: Annotated[str, typer.Option("--language", "-l", help="Languages by code, separated by commas.")] = "",
    text_model: TextModel = True,
    as_json: Json = False,
) -> None:
    """Choose the items that one more answer would help most, for the next review session.

    Controversial items by expected gain and likely mislabelled ones by doubt take turns; what was adjudicated, is gold,
    or is agreed to depend is left out. Writes annotation/requeue.json, which `morbench session open --from-requeue` reads.

    Example:  morbench audit requeue --project demo --at-most 40 --language en,ar
    """
    from annotation.quality.requeue import doubtful, write_requeue
    from curation.errors import InputError
    from curation.workspace import Workspace

    workspace = Workspace.open(project)
    codes = {code.strip() for code in language.split(",") if code.strip()}
    if unknown := codes - set(workspace.packs):
        raise InputError(f"no language {', '.join(sorted(unknown))} in {workspace.root}",
                         fix=f"known: {', '.join(workspace.packs)}")  # fmt: skip
    found = _audit(project, text_model)
    chosen = doubtful(found, at_most, codes)
    with workspace.locked():
        path = write_requeue(workspace, chosen, found)
    if as_json:
        show_json({"audit": found.head["name"], "file": str(path), "items": chosen})
        return
    show_table("to be asked again", ("prompt", "language", "reason"),
               [(row["prompt_id"], row["language"], row["reason"]) for row in chosen])  # fmt: skip
    say(f"{len(chosen)} items in {path}; next: morbench session open NAME --from-requeue")


def _audit(project: Path, text_model: bool) -> Audit:
    from annotation.quality.audit import run_audit
    from curation.workspace import Workspace

    workspace = Workspace.open(project)
    with workspace.locked():
        return run_audit(workspace, text_model=text_model)
