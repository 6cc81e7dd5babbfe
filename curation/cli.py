"""Commands of curation: identify, dedup, label, triage, language."""

from __future__ import annotations

from pathlib import Path

import typer

from curation.console import show_json, show_table
from curation.options import Json, Project

app = typer.Typer(no_args_is_help=True)
language_app = typer.Typer(
    no_args_is_help=True,
    help="Language packs: seeds, refusal phrases, grammar and annotators' texts.\n\nExample:  morbench language status",
)
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
    """Check that prompts are in their language and script; seeds are recorded, never dropped.

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
        found = _counts([languages[row.prompt_id] for row in outcome.rows],
                        [(languages[row.prompt_id], row.reason) for row in outcome.rejects])  # fmt: skip
    _show("language check", ("language", "accepted", "no letters", "wrong script", "wrong language"),
          ("language", "accepted", "no_letters", "wrong_script", "wrong_language"), found, as_json)  # fmt: skip


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
    project: Project = Path(),
    as_json: Json = False,
) -> None:
    """Label replies: full_compliance, partial_refusal, full_refusal, non_answer, or unscored with the reason.

    Examples:

      morbench label --project demo

      morbench label replies.jsonl --language en --out labelled.jsonl
    """
    from curation.records import REFUSAL_LABELS

    if file is not None:
        from curation.plain import label_file

        found = label_file(file, out, language)
    else:
        from curation.refusals.labelling import run_label
        from curation.workspace import Workspace

        workspace = Workspace.open(project)
        with workspace.locked():
            outcome = run_label(workspace)
        found = _counts([], [(row.target, row.label) for row in outcome.rows])
    first = "language" if file is not None else "target"
    _show("refusal labels", (first, *REFUSAL_LABELS), ("language", *REFUSAL_LABELS), found, as_json)


@app.command()
def triage(project: Project = Path(), as_json: Json = False) -> None:
    """Decide which prompts people look at (confirm, decide, control, audit, skip) and fill one batch per language.

    Example:  morbench triage --project demo
    """
    from collections import Counter

    from curation.triage import run_triage
    from curation.workspace import Workspace

    workspace = Workspace.open(project)
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


@language_app.command("status")
def status(project: Project = Path(), as_json: Json = False) -> None:
    """Show the language packs with their counts: the built-in ones, and those in the project's languages folder.

    Example:  morbench language status
    """
    from curation.languages.checks import describe_pack
    from curation.languages.packs import available_languages, load_pack

    folder = project / "languages"
    packs = [load_pack(code, folder) for code in available_languages(folder)]
    found = [describe_pack(pack, own=(folder / f"{pack.code}.toml").exists()) for pack in packs]
    if as_json:
        show_json([row._asdict() for row in found])
    else:
        counts = ("benign", "categories", "harmful", "harmless", "phrases", "combinations")
        show_table("language packs", ("code", "language", "script", *counts, "from"), found)


@language_app.command("check")
def check(
    pack: str = typer.Argument(help="The code of a pack, or a pack file."),
    project: Project = Path(),
    as_json: Json = False,
) -> None:
    """Check a pack: its layout, its counts, that its seeds are in its language, and that its grammar fills.

    Ends with exit code 1 when something should be mended.

    Examples:

      morbench language check es

      morbench language check languages/fr.toml
    """
    from curation.languages.checks import check_pack
    from curation.languages.packs import load_pack, read_pack

    is_file = pack.endswith(".toml") or "/" in pack
    found = check_pack(read_pack(Path(pack)) if is_file else load_pack(pack, project / "languages"))
    if as_json:
        show_json([row._asdict() for row in found])
    else:
        show_table(f"language pack {pack}", ("finding", "kind", "what"), found)
    if any(row.kind == "mend" for row in found):
        raise typer.Exit(1)


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
