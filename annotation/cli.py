"""Commands for people's part: the Argilla server, accounts, queues, answers, verdicts."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from annotation.quality.cli import audit
from annotation.sessions.cli import session
from curation.console import say, show_json, show_table
from curation.options import Json, Project

if TYPE_CHECKING:
    from annotation.client import Client
    from annotation.server.launch import ServerInfo
    from curation.records import Response
    from curation.workspace import Workspace

app = typer.Typer(no_args_is_help=True)
annotate = typer.Typer(
    no_args_is_help=True,
    help="Let people judge prompts in Argilla: server, accounts, queues, answers.\n\n"
    "Example:  morbench annotate up --project demo",
)
app.add_typer(annotate, name="annotate")
app.add_typer(session, name="session")
app.add_typer(audit, name="audit")

Port = Annotated[
    int | None, typer.Option(help="Port on 127.0.0.1; default: queue.port of morbench.toml; 0: any free one.")
]
Simulate = Annotated[bool, typer.Option("--simulate", help="First let simulated annotators answer what they have not.")]


@annotate.command()
def up(project: Project = Path(), port: Port = None, as_json: Json = False) -> None:
    """Start the project's own Argilla, or find it running, and say where it is.

    The first start makes the server's environment in the user's cache (about 600 MB). It listens on 127.0.0.1 only.

    Example:

        morbench annotate up --port 6900
    """
    from annotation.queue import start_server

    workspace = _open(project)
    if workspace.config.queue.url:
        say(f"queue.url in morbench.toml names {workspace.config.queue.url}: the queues go there, not to this server")
    _show_server(workspace, start_server(workspace, port), as_json)


@annotate.command()
def down(project: Project = Path(), as_json: Json = False) -> None:
    """Stop the project's own Argilla; everything in it stays.

    Example:

        morbench annotate down
    """
    from annotation.queue import server_home
    from annotation.server import launch

    stopped = launch.down(server_home(_open(project)))
    if as_json:
        show_json({"stopped": stopped})
    else:
        say("stopped" if stopped else "no server was running")


@annotate.command()
def status(project: Project = Path(), as_json: Json = False) -> None:
    """Say whether the project's own Argilla runs, and how far its queues are.

    Example:

        morbench annotate status --json
    """
    from annotation.client import EMBEDDED, Client
    from annotation.queue import connect, server_home
    from annotation.server import launch

    workspace = _open(project)
    if workspace.config.queue.url:
        with connect(workspace) as client:
            _show_progress(workspace, client, as_json)
        return
    info = launch.status(server_home(workspace))
    if info is None:
        if as_json:
            show_json({"running": False})
        else:
            say("not running; start it with `morbench annotate up`")
        return
    with Client(info.url, info.api_key, key_source=str(info.credentials_path), server=EMBEDDED) as client:
        _show_progress(workspace, client, as_json)


@annotate.command()
def users(
    project: Project = Path(),
    show_passwords: Annotated[bool, typer.Option("--show-passwords", help="Print the passwords too.")] = False,
    reset_passwords: Annotated[
        bool, typer.Option("--reset-passwords", help="Give every annotator a new password.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make the annotators' accounts that are missing, and list them: names, and the file with their passwords.

    Example:

        morbench annotate users --show-passwords
    """
    from annotation.accounts import accounts_path, ensure_accounts
    from annotation.queue import connect

    workspace = _open(project)
    with workspace.locked(), connect(workspace) as client:
        accounts = ensure_accounts(workspace, client, reset=reset_passwords)
        url = client.url
    columns = ["language", "user", *(["password"] if show_passwords else [])]
    rows = [
        [account.language, account.username, *([account.password] if show_passwords else [])] for account in accounts
    ]
    if as_json:
        show_json({"url": url, "passwords": str(accounts_path(workspace)),
                   "users": [dict(zip(columns, row, strict=True)) for row in rows]})  # fmt: skip
        return
    show_table(f"annotators on {url}", columns, rows)
    say(f"their passwords: {accounts_path(workspace)}")


@annotate.command()
def push(project: Project = Path(), as_json: Json = False) -> None:
    """Send what triage chose to Argilla, a dataset a language and batch; what is there already is not sent again.

    Example:

        morbench annotate push
    """
    from annotation.accounts import ensure_accounts
    from annotation.batches import push_batches
    from annotation.queue import connect

    workspace = _open(project)
    with workspace.locked(), connect(workspace) as client:
        ensure_accounts(workspace, client)
        pushed = push_batches(workspace, client)
        url = client.url
    if as_json:
        show_json({"url": url, "batches": [dataclasses.asdict(row) for row in pushed]})
        return
    if not pushed:
        say("triage has chosen nothing yet; run `morbench triage`")
        return
    show_table(f"queues on {url}", ["language", "batch", "records", "sent now"],
               [[row.language, row.batch, row.records, row.sent] for row in pushed])  # fmt: skip


@annotate.command()
def pull(project: Project = Path(), simulate: Simulate = False, as_json: Json = False) -> None:
    """Bring the answers back. New and changed answers are appended; no earlier answer is ever changed.

    Example:

        morbench annotate pull
    """
    from annotation.responses import run_responses

    workspace = _open(project)
    with workspace.locked():
        outcome = run_responses(workspace, simulate)
    _show_responses(outcome.rows, len(outcome.rejects), outcome.computed > 0, as_json)


@annotate.command(name="simulate")
def simulate_command(project: Project = Path(), as_json: Json = False) -> None:
    """Let simulated annotators answer, for demos and tests: a release with such answers can only be a draft.

    They answer as the prompts' authors meant, with 8 % errors. People's queues stay as they are: simulated answers take
    no work away from people, and no longer count where people gave enough answers.

    Example:

        morbench annotate simulate
    """
    from annotation.queue import connect
    from annotation.simulation import simulate

    workspace = _open(project)
    with workspace.locked(), connect(workspace) as client:
        given = simulate(workspace, client)
    if as_json:
        show_json({"answers": given})
    else:
        say(f"{given} simulated answers; bring them back with `morbench annotate pull`")


@app.command()
def verdicts(project: Project = Path(), as_json: Json = False) -> None:
    """Aggregate the answers: benign, harmful, or controversial; prompts with too few answers wait.

    Example:

        morbench verdicts --json
    """
    from annotation.verdicts import run_verdicts
    from curation.records import Prompt

    workspace = _open(project)
    with workspace.locked():
        outcome = run_verdicts(workspace)
        languages = {row.id: row.language for row in workspace.table(Prompt).rows()}
    counts = Counter((languages.get(row.prompt_id, "?"), row.verdict) for row in outcome.rows)
    waiting = Counter(languages.get(row.prompt_id, "?") for row in outcome.rejects)
    simulated = Counter(languages.get(row.prompt_id, "?") for row in outcome.rows if row.simulated)
    kinds = ("benign", "harmful", "controversial")
    columns = ["language", *kinds, "too few answers", "of them simulated"]
    rows = [[language, *(counts[language, kind] for kind in kinds), waiting[language], simulated[language]]
            for language in sorted({language for language, _ in counts} | set(waiting))]  # fmt: skip
    if as_json:
        show_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        show_table("verdicts", columns, rows)


def _open(project: Path) -> Workspace:
    from curation.workspace import Workspace

    return Workspace.open(project)


def _show_server(workspace: Workspace, info: ServerInfo, as_json: bool) -> None:
    from annotation.accounts import accounts_path

    found = {"url": info.url, "owner": info.username, "credentials": str(info.credentials_path),
             "accounts": str(accounts_path(workspace)), "pid": info.pid}  # fmt: skip
    if as_json:
        show_json(found)
    else:
        show_table("Argilla", ["", ""], [[key, value] for key, value in found.items()])


def _show_progress(workspace: Workspace, client: Client, as_json: bool) -> None:
    from annotation.accounts import is_simulated
    from annotation.responses import project_datasets

    simulated = {user["id"] for name, user in client.users().items() if is_simulated(name)}
    rows = []
    for dataset, language in project_datasets(workspace, client):
        records = list(client.records(dataset["id"], responses=True))
        authors = [[answer["user_id"] for answer in record.get("responses") or () if answer["status"] == "submitted"]
                   for record in records]  # fmt: skip
        people = [sum(author not in simulated for author in found) for found in authors]
        done = sum(count >= workspace.config.queue.min_responses for count in people)
        rows.append([language, dataset["name"], len(records), done, sum(people), sum(map(len, authors)) - sum(people)])
    columns = ["language", "batch", "records", "done by people", "people's answers", "simulated answers"]
    if as_json:
        batches = [dict(zip(columns, row, strict=True)) for row in rows]
        show_json({"running": True, "url": client.url, "batches": batches})
    else:
        show_table(f"queues on {client.url}", columns, rows)


def _show_responses(rows: Sequence[Response], rejects: int, news: bool, as_json: bool) -> None:
    counts = Counter((row.batch, row.annotator) for row in rows)
    simulated = {row.annotator for row in rows if row.simulated}
    table = [[batch, annotator, count, "simulated" if annotator in simulated else ""]
             for (batch, annotator), count in sorted(counts.items())]  # fmt: skip
    if as_json:
        show_json({"answers": len(rows), "rejects": rejects, "news": news,
                   "annotators": [{"batch": row[0], "annotator": row[1], "answers": row[2], "simulated": bool(row[3])}
                                  for row in table]})  # fmt: skip
        return
    show_table(f"{len(rows)} answers", ["batch", "annotator", "answers", ""], table)
    if rejects:
        say(f"{rejects} taken back or not understood: see rejects/responses")
    if not news:
        say("nothing new")
