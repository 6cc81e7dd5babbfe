"""Commands of curation: identify, dedup, label, triage, language."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from curation.checking.commands import app as language_app
from curation.console import say, show_json, show_table
from curation.options import Json, Project

if TYPE_CHECKING:
    from curation.workspace import Workspace

app = typer.Typer(no_args_is_help=True)
app.add_typer(language_app, name="language")

OUT = typer.Option(None, "--out", "-o", help="For FILE: where the result goes (JSONL, CSV or Parquet by its ending).")
LANGUAGE = typer.Option(None, "--language", "-l", help="For FILE: the language of rows without that column.")


@app.command()
def identify(
    file: Path | None = typer.Argument(None, help="A file with a column prompt; without it, the project's prompts."),
    out: Path | None = OUT,
    language: str | None = LANGUAGE,
    identifier: str = typer.Option("py3langid", help="py3langid, or langdetect for comparison with older work."),
    project: Project = Path(),
    as_json: Json = False,
) -> None:
    """Check that prompts are in their language: accepted, dropped with a reason, or kept for people to decide (ask).

    Seeds are recorded, never dropped. Close relatives (Indonesian and Malay), mixed scripts and code-switching go to people.

    Examples:

      morbench identify --project demo

      morbench identify prompts.csv --language es --out checked.csv
    """
    if file is not None:
        from curation.plain import identify_file

        found = identify_file(file, out, language, identifier)
    else:
        from curation.languages.identification import run_identify
        from curation.workspace import Workspace

        workspace = Workspace.open(project)
        with workspace.locked():
            outcome = run_identify(workspace, identifier)
        languages = {row.id: row.language for row in workspace.alive(())}
        found = _counts([], [(languages[row.prompt_id], row.decision) for row in outcome.rows]
                        + [(languages[row.prompt_id], row.reason) for row in outcome.rejects])  # fmt: skip
    kinds = ("accepted", "ask", "no_letters", "code", "wrong_script", "wrong_language")
    _show(
        "language check",
        ("language", *(kind.replace("_", " ") for kind in kinds)),
        ("language", *kinds),
        found,
        as_json,
    )


@app.command()
def dedup(
    file: Path | None = typer.Argument(None, help="A file with a column prompt; without it, the project's prompts."),
    out: Path | None = OUT,
    language: str | None = LANGUAGE,
    threshold: float | None = typer.Option(None, min=0.01, max=1.0, help="For FILE: another cosine than the default."),
    project: Project = Path(),
    as_json: Json = False,
) -> None:
    """Remove near-duplicates inside each language; each removed row names the kept row that says the same.

    With FILE, kept rows go to --out, removed ones beside it: kept.jsonl, kept.removed.jsonl.

    Examples:

      morbench dedup --project demo

      morbench dedup prompts.jsonl --language en --out kept.jsonl
    """
    if file is not None:
        from curation.plain import dedup_file

        found = dedup_file(file, out, language, threshold)
    else:
        from curation.duplicates.removal import run_dedup
        from curation.workspace import Workspace

        workspace = Workspace.open(project)
        with workspace.locked():
            outcome = run_dedup(workspace)
        languages = {row.id: row.language for row in workspace.alive(("identify",)) if row.category != "harmless"}
        gone = {row.prompt_id for row in outcome.rows}
        found = _counts([code for each, code in languages.items() if each not in gone],
                        [(languages[row.prompt_id], row.relation) for row in outcome.rows])  # fmt: skip
    _show("near-duplicates", ("language", "kept", "same text", "near"),
          ("language", "accepted", "same_text", "same_language"), found, as_json)  # fmt: skip


@app.command()
def label(
    file: Path | None = typer.Argument(None, help="A file with a column response; without it, the project's replies."),
    out: Path | None = OUT,
    language: str | None = LANGUAGE,
    labeller: str = typer.Option(
        "", help="phrases, cascade, or judge:MODEL; without it, the one in morbench.toml, for FILE the cascade."
    ),
    project: Project = Path(),
    as_json: Json = False,
) -> None:
    """Label replies: full_compliance, partial_refusal, full_refusal, non_answer, or unscored with the reason.

    Examples:

      morbench label --project demo

      morbench label replies.jsonl --language en --out labelled.jsonl

      morbench label replies.jsonl --out judged.jsonl --labeller judge:http://127.0.0.1:8000/v1#my-model
    """
    from curation.records import REFUSAL_LABELS

    if file is not None:
        from curation.plain import label_file

        found = label_file(file, out, language, labeller or "cascade")
    else:
        from curation.refusals.labelling import run_label
        from curation.workspace import Workspace

        workspace = Workspace.open(project)
        with workspace.locked():
            outcome = run_label(workspace, labeller)
        found = _counts([], [(row.target, row.label) for row in outcome.rows])
    first = "language" if file is not None else "target"
    _show("refusal labels", (first, *REFUSAL_LABELS), ("language", *REFUSAL_LABELS), found, as_json)


@app.command()
def triage(
    errors: bool = typer.Option(False, "--errors", help="Show how often it was wrong, by people's verdicts so far."),
    project: Project = Path(),
    as_json: Json = False,
) -> None:
    """Decide which prompts people look at (confirm, decide, control, audit, reject) and fill one batch per language.

    Examples:

      morbench triage --project demo

      morbench triage --errors --project demo
    """
    from collections import Counter

    from curation.triage.running import run_triage
    from curation.workspace import Workspace

    workspace = Workspace.open(project)
    if errors:
        _show_errors(workspace, as_json)
        return
    with workspace.locked():
        outcome = run_triage(workspace)
    languages = {row.id: row.language for row in workspace.alive(())}
    counts = Counter((languages[row.prompt_id], row.lane) for row in outcome.rows)
    queued = Counter((languages[row.prompt_id], row.lane) for row in outcome.rows if row.batch)
    names = ("language", "lane", "prompts", "in the batch")
    rows = [(*key, count, queued[key]) for key, count in sorted(counts.items())]
    if as_json:
        show_json([dict(zip(("language", "lane", "prompts", "queued"), row, strict=True)) for row in rows])
    else:
        show_table("triage", names, rows)


def _show_errors(workspace: Workspace, as_json: bool) -> None:
    from curation.triage.audits import lane_errors

    found = lane_errors(workspace)
    if as_json:
        show_json([{**row._asdict(), "wrong": row.wrong._asdict(), "unseen_wrong": row.unseen()} for row in found])
        return
    if not found:
        say("no prompt of the lanes audit, confirm and control has a verdict yet")
        return
    rows = [(row.language, row.lane, row.said, row.wrong.text(), row.controversial, row.simulated,
             "{:.0f} [{:.0f}, {:.0f}] of {}".format(*row.unseen(), row.stands_for) if row.stands_for else "")
            for row in found]  # fmt: skip
    names = ("language", "lane", "taken for", "wrong", "controversial", "simulated", "wrong among the unseen")
    show_table("errors of triage by people's verdicts", names, rows)


def _counts(accepted: list[str], others: list[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """Counts by group: how many were accepted, and how many of each other kind."""
    found: dict[str, dict[str, int]] = {}
    for group, kind in [*((group, "accepted") for group in accepted), *others]:
        row = found.setdefault(group, {})
        row[kind] = row.get(kind, 0) + 1
    return found


def _show(
    title: str, names: tuple[str, ...], keys: tuple[str, ...], found: dict[str, dict[str, int]], as_json: bool
) -> None:
    if as_json:
        show_json({group: {key: counts.get(key, 0) for key in keys[1:]} for group, counts in sorted(found.items())})
        return
    show_table(
        title, names, [(group, *(counts.get(key, 0) for key in keys[1:])) for group, counts in sorted(found.items())]
    )
