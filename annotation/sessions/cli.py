"""Commands of review sessions: open, status, advance, pause, resume, reassign, extend, adjudicate, close."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.console import say, show_json, show_table
from curation.options import Json, Project

if TYPE_CHECKING:
    from annotation.client import Client
    from annotation.sessions.plan import Plan
    from annotation.sessions.progress import Progress
    from annotation.sessions.running import Advanced
    from curation.workspace import Workspace

app = typer.Typer(no_args_is_help=True)
session = typer.Typer(
    no_args_is_help=True,
    help="Review sessions: small balanced batches for named people, with practice, gold items and adjudication.\n\n"
    "Example:  morbench session open review-1 --language en --annotators anna,bob,carl",
)
app.add_typer(session, name="session")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The session's name: small letters, digits, hyphens.")]
People = Annotated[str, typer.Option("--annotators", "-a", help="Their user names, separated by commas.")]


@session.command("open")
def open_command(
    name: Name,
    project: Project = Path(),
    language: Annotated[list[str] | None, typer.Option("--language", "-l", help="Default: all; repeatable.")] = None,
    annotators: People = "",
    simulated: Annotated[bool, typer.Option("--simulated", help="The simulated annotators, for demos.")] = False,
    items_per_person: Annotated[int, typer.Option(help="Items for each person, gold items included.")] = 60,
    overlap: Annotated[int, typer.Option(help="People who judge each item.")] = 3,
    gold: Annotated[float, typer.Option(help="Share of items whose answer is known, mixed in unseen.")] = 0.1,
    gold_file: Annotated[Path | None, typer.Option(help="JSON with the known answers, instead of seeds.")] = None,
    calibration: Annotated[int, typer.Option(help="Items of the practice round; 0: none.")] = 8,
    from_requeue: Annotated[bool, typer.Option("--from-requeue", help="What `audit requeue` found doubtful.")] = False,
    pre_annotated: Annotated[
        bool, typer.Option("--pre-annotated", help="For triage, never for gold labels: suggest half of the answers.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Plan a session and send the practice round, or the work where there is none.

    Each item goes to --overlap named people; everybody gets equally many, and any two meet on about equally many.
    Default for --annotators: the language's accounts. Everybody sees their own items and no others.

    Example:

        morbench session open review-1 --language en --annotators anna,bob,carl --items-per-person 40
    """
    from annotation.accounts import accounts_path
    from annotation.sessions.gold import read_gold_file, read_key
    from annotation.sessions.opening import open_session
    from annotation.sessions.running import advance

    with _at_work(project) as (workspace, client):
        plan = open_session(
            workspace, name, languages=language or (), annotators=_names(annotators), simulated=simulated,
            items_per_person=items_per_person, overlap=overlap, gold=gold, calibration=calibration,
            gold_answers=read_gold_file(gold_file) if gold_file else None, requeue=from_requeue,
            pre_annotated=pre_annotated)  # fmt: skip
        _show_advanced(plan, advance(workspace, client, plan), client.url, as_json)
        if gold and not read_key(workspace, plan.name):
            say("no gold items: the project has no seeds whose answer it knows; name a key with --gold-file")
    say(f"everybody signs in under their name; passwords of accounts that were made: {accounts_path(workspace)}")


@session.command()
def advance(name: Name, project: Project = Path(), as_json: Json = False) -> None:
    """Pull answers, give feedback to those who finished practice, send everybody what is due.

    Run it as often as you like: what was sent is not sent again.

    Example:

        morbench session advance review-1
    """
    from annotation.sessions.plan import load_plan
    from annotation.sessions.running import advance as do_advance

    with _at_work(project) as (workspace, client):
        plan = load_plan(workspace, name)
        _show_advanced(plan, do_advance(workspace, client, plan), client.url, as_json)


@session.command()
def status(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Default: every session.")] = "",
    project: Project = Path(),
    as_json: Json = False,
) -> None:
    """Show progress by language and person, and who is to be reminded.

    Example:

        morbench session status review-1 --json
    """
    from annotation.sessions.plan import all_plans, load_plan
    from annotation.sessions.progress import reminders, session_progress

    workspace = _open(project)
    plans = [load_plan(workspace, name)] if name else all_plans(workspace)
    if not plans:
        if as_json:
            show_json([])
        else:
            say("no session yet; open one with `morbench session open NAME`")
        return
    with _client(workspace) as client:
        found = [(plan, session_progress(client, plan)) for plan in plans]
    if as_json:
        show_json([{"session": plan.name, "state": plan.state, "progress": [_progress(row) for row in progress],
                    "reminders": reminders(plan, progress)} for plan, progress in found])  # fmt: skip
        return
    for plan, progress in found:
        rows = [list(_progress(row).values()) for row in progress]
        show_table(f"session {plan.name}: {plan.state}", list(_progress(progress[0])), rows)
        for line in reminders(plan, progress):
            say(line)


@session.command()
def pause(name: Name, project: Project = Path(), as_json: Json = False) -> None:
    """Take a session out of everybody's sight; their answers stay.

    Example:

        morbench session pause review-1
    """
    _turn(name, project, as_json, "pause")


@session.command()
def resume(name: Name, project: Project = Path(), as_json: Json = False) -> None:
    """Bring a paused session back.

    Example:

        morbench session resume review-1
    """
    _turn(name, project, as_json, "resume")


@session.command()
def reassign(
    name: Name,
    person: Annotated[str, typer.Option("--from", help="Whose unfinished items go to others.")],
    to: Annotated[str, typer.Option("--to", help="To whom; default: the others of the session.")] = "",
    project: Project = Path(),
    as_json: Json = False,
) -> None:
    """Give what a person has not begun to others, equally. What they answered stays theirs.

    Example:

        morbench session reassign review-1 --from anna --to dora
    """
    from annotation.sessions.changing import reassign as do_reassign
    from annotation.sessions.plan import load_plan
    from annotation.sessions.pushing import push_session

    with _at_work(project) as (workspace, client):
        plan, went, stayed = do_reassign(workspace, client, load_plan(workspace, name), person, to=_names(to))
        push_session(workspace, client, plan)
    if as_json:
        show_json({"session": name, "reassigned": went, "stayed": stayed})
        return
    say(f"{went} items of {person} went to others" + (f", {stayed} stayed: all have them already" if stayed else ""))


@session.command()
def extend(
    name: Name,
    language: Annotated[str, typer.Option("--language", "-l", help="Which language to extend.")],
    annotators: People = "",
    items: Annotated[int, typer.Option("--items", help="New items for each person.")] = 0,
    project: Project = Path(),
    as_json: Json = False,
) -> None:
    """Add people, who get items that others have, or new items for everybody, or both.

    Example:

        morbench session extend review-1 --language en --annotators dora --items 20
    """
    from annotation.sessions.changing import extend as do_extend
    from annotation.sessions.plan import load_plan
    from annotation.sessions.running import advance as do_advance

    with _at_work(project) as (workspace, client):
        plan = do_extend(workspace, load_plan(workspace, name), language, annotators=_names(annotators), items=items)
        _show_advanced(plan, do_advance(workspace, client, plan), client.url, as_json)


@session.command()
def adjudicate(
    name: Name,
    by: Annotated[str, typer.Option("--by", help="User names, or `third`: whoever has not answered it.")] = "lead",
    project: Project = Path(),
    as_json: Json = False,
) -> None:
    """Send the disagreements, blind and with the reasons that were given, to a third person or the lead.

    Their answer decides the verdict. Run it again when more answers have come.

    Example:

        morbench session adjudicate review-1 --by lead
    """
    from annotation.responses import pull_responses
    from annotation.sessions.adjudication import adjudicate as do_adjudicate
    from annotation.sessions.plan import load_plan
    from annotation.sessions.pushing import push_session

    with _at_work(project) as (workspace, client):
        plan = load_plan(workspace, name)
        pull_responses(workspace, client)
        plan, added, stuck = do_adjudicate(workspace, plan, _names(by))
        push_session(workspace, client, plan)
    if as_json:
        show_json({"session": name, "added": added, "nobody_left": stuck})
        return
    say(f"{added} disagreements went to {by}" + (f"; for {stuck} nobody is left, use --by" if stuck else ""))


@session.command()
def close(name: Name, project: Project = Path(), as_json: Json = False) -> None:
    """Shut the queues, gather every answer, mark the session closed. Argilla keeps its datasets.

    Example:

        morbench session close review-1
    """
    from annotation.sessions.plan import load_plan
    from annotation.sessions.running import close as do_close

    with _at_work(project) as (workspace, client):
        closed = do_close(workspace, client, load_plan(workspace, name))
    left = sum(row.left for row in closed.left)
    if as_json:
        show_json({"session": name, "state": closed.plan.state, "answers": closed.answers, "left": left})
        return
    say(f"session {name} is closed with {closed.answers} answers, {left} items were left open")


def _turn(name: str, project: Path, as_json: bool, kind: str) -> None:
    from annotation.sessions import running
    from annotation.sessions.plan import load_plan

    turn = running.pause if kind == "pause" else running.resume
    with _at_work(project) as (workspace, client):
        plan = turn(workspace, client, load_plan(workspace, name))
    if as_json:
        show_json({"session": name, "state": plan.state})
    else:
        say(f"session {name}: {plan.state}")


def _show_advanced(plan: Plan, done: Advanced, url: str, as_json: bool) -> None:
    if as_json:
        show_json({"url": url, "session": plan.name, "state": plan.state,
                   "feedback": [{**row.place._asdict(), "agreed": row.agreed, "of": row.answered}
                                for row in done.feedback],
                   "queues": [{**row.place._asdict(), "items": row.records, "sent": row.sent, "removed": row.removed}
                              for row in done.pushed]})  # fmt: skip
        return
    show_table(f"session {plan.name} on {url}", ["annotator", "language", "round", "items", "sent now"],
               [[*row.place, row.records, row.sent] for row in done.pushed])  # fmt: skip
    if done.feedback:
        show_table("practice", ["annotator", "language", "agreed", "of"],
                   [[row.place.annotator, row.place.language, row.agreed, row.answered] for row in done.feedback])  # fmt: skip


def _progress(row: Progress) -> dict[str, object]:
    return {**row.place._asdict(), "items": row.planned, "submitted": row.submitted, "discarded": row.discarded,
            "left": row.left, "sent": "yes" if row.sent else "waits"}  # fmt: skip


def _names(text: str) -> Sequence[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _open(project: Path) -> Workspace:
    from curation.workspace import Workspace

    return Workspace.open(project)


@contextlib.contextmanager
def _client(workspace: Workspace) -> Iterator[Client]:
    from annotation.queue import connect

    with connect(workspace) as client:
        yield client


@contextlib.contextmanager
def _at_work(project: Path) -> Iterator[tuple[Workspace, Client]]:
    """The project, locked, and its Argilla."""
    workspace = _open(project)
    with workspace.locked(), _client(workspace) as client:
        yield workspace, client
