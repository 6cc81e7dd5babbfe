"""The root of the command line. Commands are named here as strings and imported when they are called."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from curation.errors import MorbenchError

# command -> (module whose `app` holds it, panel in the help, help line)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "init": ("releases.commands", "The main job", "Make a project folder with a complete morbench.toml."),
    "run": ("releases.commands", "The main job", "Run the whole recipe: seeds to draft release, scores and report."),
    "status": ("releases.commands", "The main job", "Show what each step has done so far."),
    "import": ("curation.imports.command", "Steps", "Import prompts of a public set or of your own file."),
    "generate": ("rass.cli", "Steps", "Write candidate prompts toward the boundary."),
    "identify": ("curation.cli", "Steps", "Check that prompts are in their language."),
    "dedup": ("curation.cli", "Steps", "Remove near-duplicates, naming the kept witness."),
    "respond": ("rass.cli", "Steps", "Ask the targets every prompt."),
    "label": ("curation.cli", "Steps", "Label replies: compliance, partial or full refusal."),
    "probe": ("rass.cli", "Steps", "Measure the signed margin of prompts to a target's boundary."),
    "select": ("rass.cli", "Steps", "Choose candidates near the boundary under a budget."),
    "triage": ("curation.cli", "Steps", "Decide which prompts people look at."),
    "annotate": ("annotation.cli", "Steps", "The Argilla server, queues, responses, simulated annotators."),
    "session": ("annotation.cli", "Steps", "Review sessions: named annotators, gold items, adjudication."),
    "audit": ("annotation.cli", "Steps", "Audit people's answers: agreement, annotators, doubtful items."),
    "verdicts": ("annotation.cli", "Steps", "Aggregate people's responses into verdicts."),
    "release": ("releases.commands", "Steps", "Build and verify a version of the benchmark."),
    "score": ("releases.commands", "Steps", "Score targets on a release, over-refusal and safety."),
    "report": ("releases.commands", "Steps", "Write the HTML report."),
    "language": ("curation.cli", "Tools", "Make, check and list language packs."),
    "triggers": ("rass.cli", "Tools", "Show the fragments of benign prompts that make a target refuse."),
    "reference": ("rass.cli", "Tools", "Fetch, show and remove the reference models' weights."),
}


class LazyGroup(TyperGroup):
    """A group that knows its commands' names and help lines, and imports a command only to run it."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands in the order in which they are used."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A placeholder with name and help line: enough to list it."""
        if cmd_name not in COMMANDS:
            return None
        _, panel, line = COMMANDS[cmd_name]
        return TyperCommand(cmd_name, help=line, rich_help_panel=panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that is to be run."""
        if args[0] not in COMMANDS:
            self.commands = {name: self.get_command(ctx, name) for name in COMMANDS}  # to say which was meant
            return super().resolve_command(ctx, args)
        return args[0], load_command(args[0]), args[1:]


def load_command(name: str) -> Any:
    """Import the module of a command and return it."""
    group: Any = typer.main.get_command(importlib.import_module(COMMANDS[name][0]).app)
    return group.commands[name]


app = typer.Typer(
    cls=LazyGroup, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
    help="Build, keep and use a multilingual over-refusal benchmark.\n\n"
         "Example:  morbench init demo --languages en,es,zh  &&  morbench run --project demo",
)  # fmt: skip


@app.callback()
def root(
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
    version: bool = typer.Option(False, "--version", help="Print the version and stop.", is_eager=True),
) -> None:
    """Options that come before every command."""
    if version:
        from importlib.metadata import version as installed

        typer.echo(installed("morbench"))
        raise typer.Exit


def main() -> None:
    """Run the command line: a user's mistake prints one line and exits with 2."""
    debug = "--debug" in sys.argv[1:]
    # Threads that spin while they wait make matrix work up to 15 times slower when another program shares the cores.
    # OpenMP reads this once, when torch is imported by a command; a setting of the user's own comes first.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except MorbenchError as exc:
        if debug:
            raise
        _fail(exc)
    except OSError as exc:
        from curation.storage import storage_error

        told = storage_error(exc, Path(os.fsdecode(exc.filename)) if isinstance(exc.filename, (str, bytes)) else None)
        if debug or told is None:
            raise
        _fail(told)


def _fail(exc: MorbenchError) -> None:
    from curation.console import visible

    print(f"error: {visible(str(exc))}", file=sys.stderr)
    sys.exit(exc.exit_code)


if __name__ == "__main__":
    main()
