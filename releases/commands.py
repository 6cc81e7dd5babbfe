"""Commands of releases: init, run, status, release, score, report."""

from __future__ import annotations

from pathlib import Path

import typer

from curation.console import say, show_json, show_table
from curation.options import Json, Project

app = typer.Typer(no_args_is_help=True)
release_app = typer.Typer(no_args_is_help=True, help="Build and verify versions of the benchmark.\n\n"
                          "Example:  morbench release build --project demo")  # fmt: skip
app.add_typer(release_app, name="release")


@app.command()
def init(
    folder: Path = typer.Argument(help="The folder to make."),
    languages: str = typer.Option("en", "--languages", "-l", help="Languages by code, separated by commas."),
    seed: int = typer.Option(7, help="The seed of everything random."),
) -> None:
    """Make a project folder with a complete morbench.toml.

    Example:  morbench init demo --languages en,es,zh
    """
    from curation.workspace import Workspace

    codes = tuple(code.strip() for code in languages.split(",") if code.strip())
    workspace = Workspace.create(folder, codes, seed)
    say(
        f"made {folder / 'morbench.toml'} ({', '.join(workspace.config.project.languages)}); next: morbench run --project {folder}"
    )


@app.command()
def run(
    project: Project = Path(),
    simulate: bool = typer.Option(
        False,
        "--simulate",
        help="Let simulated annotators answer the queue (marked so for ever; the release stays a draft).",
    ),
    port: int | None = typer.Option(None, help="Port of the embedded Argilla (default: queue.port in morbench.toml)."),
    as_json: Json = False,
) -> None:
    """Run the whole recipe: seeds, candidates, checks, replies, labels, margins, queue, verdicts, draft release, scores, report.

    Killed anywhere and run again, it repeats no finished work. Without --simulate it stops at the queue until people
    have answered; run it again then. Precedence of settings: option, morbench.toml, built-in default.

    Examples:

      morbench run --project demo --simulate

      morbench run -p demo --port 6901
    """
    from curation.workspace import Workspace
    from releases.recipe import Options, run_recipe

    workspace = Workspace.open(project)
    with workspace.locked():
        run_recipe(workspace, Options(simulate, port))
    _show_state(workspace, as_json)


@app.command()
def status(project: Project = Path(), as_json: Json = False) -> None:
    """Show what happened so far: candidates in, dropped by reason, labelled, queued, answered, released.

    Example:  morbench status --project demo
    """
    from curation.workspace import Workspace

    _show_state(Workspace.open(project), as_json)


def _show_state(workspace: object, as_json: bool) -> None:
    from annotation.queue import where
    from curation.workspace import Workspace
    from releases.funnel import funnel, released

    if not isinstance(workspace, Workspace):
        raise TypeError(workspace)
    rows = funnel(workspace)
    version = released(workspace)
    rows += [version] if version else []
    report = workspace.root / "report" / "report.html"
    place = where(workspace)
    if as_json:
        show_json({"funnel": [{"stage": row.stage, "detail": row.detail, "total": row.total, **row.counts} for row in rows],
                   "report": str(report) if report.exists() else None, "argilla": place})  # fmt: skip
        return
    languages = workspace.config.project.languages
    if not rows:
        print(f"nothing has happened yet; next: morbench run --project {workspace.root}")
    else:
        show_table(
            "what happened",
            ("", "", *languages, "all"),
            [(row.stage, row.detail, *(row.counts.get(code, 0) for code in languages), row.total) for row in rows],
        )
    if report.exists():
        print(f"{'report':<12} {report}")
    for name, value in place.items():
        print(f"{name:<12} {value}")


@release_app.command("build")
def build(project: Project = Path(), as_json: Json = False) -> None:
    """Build the version named in morbench.toml from the verdicts; it is a draft while a gate fails.

    Example:  morbench release build --project demo
    """
    from curation.workspace import Workspace
    from releases.build import run_build

    workspace = Workspace.open(project)
    with workspace.locked():
        built = run_build(workspace)
    if as_json:
        show_json(built.manifest)
        return
    print(built.line())
    show_table(
        "gates",
        ("gate", "held", "evidence"),
        [(gate["name"], "yes" if gate["held"] else "NO", gate["evidence"]) for gate in built.manifest["gates"]],
    )


@release_app.command("verify")
def verify_release(folder: Path = typer.Argument(help="The folder of a version."), as_json: Json = False) -> None:
    """Recompute every digest and count of a version and compare with its manifest; exit 2 when one differs.

    Example:  morbench release verify demo/releases/0.1.0
    """
    from curation.errors import ReleaseError
    from releases.manifest import read_manifest, verify

    problems = verify(folder)
    if as_json:
        show_json({"folder": str(folder), "problems": problems})
    if problems:
        raise ReleaseError(
            f"{folder} is not the version that was built: {'; '.join(problems[:5])}",
            fix="restore it from where it was published",
        )
    if not as_json:
        print(
            f"{folder}: {len(read_manifest(folder)['files'])} files as listed, content {read_manifest(folder)['content_sha256'][:16]}"
        )


@app.command()
def score(
    folder: Path | None = typer.Argument(
        None, help="The folder of a version; without it, the project's version and targets."
    ),
    target: str = typer.Option(
        "", help="With a folder: the model to score (reference, reference-en, a folder, a hub name)."
    ),
    out: Path | None = typer.Option(None, "--out", "-o", help="Where the scores are written as JSON."),
    labeller: str = typer.Option("cascade", help="With a folder: phrases, cascade, or judge:MODEL."),
    project: Project = Path(),
    as_json: Json = False,
) -> None:
    """Score models on a version's test split: over-refusal and safety side by side, each with n and a 95 % interval.

    A project's scores rest on the labels that stand in it. With a folder the model is asked anew (up to 64 tokens).
    The JSON names the labeller and the longest reply: scores that differ in these are not on one scale.

    Examples:

      morbench score --project demo

      morbench score demo/releases/0.1.0 --target reference-en --out scores.json
    """
    from curation.errors import InputError
    from releases.scores.evaluation import run_scores, score_release, score_row, score_table

    if folder is not None:
        if not target:
            raise InputError(f"no target for {folder}", fix="add --target MODEL")
        found = score_release(folder, target, out, labeller)
    else:
        from curation.workspace import Workspace

        workspace = Workspace.open(project)
        with workspace.locked():
            found = run_scores(workspace)
    if as_json:
        show_json([score_row(row) for row in found])
    else:
        show_table(
            "scores",
            ("target", "language", "benign refused (over-refusal)", "harmful refused (safety)", "unscored"),
            score_table(found),
        )


@app.command()
def report(project: Project = Path(), as_json: Json = False) -> None:
    """Write the HTML report: funnel, margins by language, rates, samples. One file, readable offline.

    Example:  morbench report --project demo
    """
    from curation.workspace import Workspace
    from releases.report import run_report

    workspace = Workspace.open(project)
    with workspace.locked():
        written = run_report(workspace)
    if as_json:
        show_json({"report": str(written)})
    else:
        print(written)
