"""The command `morbench import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from curation.console import say, show_json, show_table
from curation.options import Json, Project

if TYPE_CHECKING:
    from curation.imports.running import Imported

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _imports() -> None:
    """Imports of prompts."""


@app.command("import")
def import_(
    source: str = typer.Argument(
        help="A file, a folder, or hf://datasets/OWNER/NAME (@REVISION and /FILE may follow)."
    ),
    layout: str = typer.Option(
        "",
        help="xstest, or-bench, multijail, polyrefuse, xsafety, phtest, falsereject, csv, jsonl, "
        "parquet or hub; found out where it is not given.",
    ),
    mapping: Path | None = typer.Option(None, help="A TOML file that says what other columns mean."),
    name: str = typer.Option("", help="What the import is called in the project; the name of the source if not given."),
    licence: str = typer.Option("", help="The licence of rows that name none, as SPDX writes it, or unknown."),
    language: str = typer.Option("", "--language", "-l", help="The language of rows that name none."),
    fallback_encoding: str = typer.Option("", help="The encoding of rows that are not UTF-8; else they are dropped."),
    config: str = typer.Option("", help="Of a data set on the hub: its config."),
    split: str = typer.Option("train", help="Of a data set on the hub: its split."),
    replace: bool = typer.Option(False, "--replace", help="Take the place of an earlier import of that name."),
    project: Project = Path(),
    as_json: Json = False,
) -> None:
    """Import prompts of a public set or of your own file; each row keeps its source, licence and place.

    Rows that cannot be used go to rejects/import-NAME with a reason; rows in other languages than the project's too.
    An import is read as a stream and goes on where it was killed. Nothing is fetched unless SOURCE is on the hub.

    A mapping file says for prompt, language, category, intent, licence, source, id and group which column holds it, what
    its values mean, and what stands for empty cells; README has one.

    Examples:

      morbench import xstest_prompts.csv --project demo

      morbench import Multilingual_safety_benchmark/ --layout xsafety --project demo

      morbench import prompts.jsonl --licence CC-BY-4.0 --language en --name mine --project demo

      morbench import hf://datasets/OWNER/NAME/file.csv --mapping map.toml --project demo
    """  # fmt: skip
    from curation.imports.decoding import check_encoding
    from curation.imports.running import Options, run_import
    from curation.workspace import Workspace

    options = Options(
        layout, mapping, name, language, licence, check_encoding(fallback_encoding), config, split, replace
    )
    workspace = Workspace.open(project)
    with workspace.locked():
        found = run_import(workspace, source, options)
    if as_json:
        show_json(_as_json(found))
        return
    counts = [(*key, count) for key, count in sorted(found.prompts.items())]
    show_table(f"{found.step} (layout {found.layout})", ("language", "intent", "prompts"), counts)
    if found.rejects:
        show_table("dropped", ("reason", "rows"), sorted(found.rejects.items()))
    if found.repeats.within or found.repeats.elsewhere:
        say(
            f"{found.repeats.within} rows repeat an earlier one, {found.repeats.elsewhere} prompts were in the project before"
        )


def _as_json(found: Imported) -> dict[str, object]:
    prompts: dict[str, dict[str, int]] = {}
    for (language, intent), count in sorted(found.prompts.items()):
        prompts.setdefault(language, {})[intent] = count
    return {"step": found.step, "layout": found.layout, "prompts": prompts, "dropped": dict(sorted(found.rejects.items())),
            **found.repeats._asdict(), "computed": found.computed}  # fmt: skip
