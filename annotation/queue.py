"""The way to Argilla: the project's own server, started if need be, or the one that the settings name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from annotation.accounts import accounts_path, ensure_accounts, private_folder
from annotation.batches import keep_queued, push_batches
from annotation.client import EMBEDDED, Client
from curation.errors import AnnotationError

if TYPE_CHECKING:
    from pathlib import Path

    from annotation.server.launch import ServerInfo
    from curation.workspace import Workspace

KEY_VARIABLE = "ARGILLA_API_KEY"


def server_home(workspace: Workspace) -> Path:
    """The folder of the project's own Argilla server: `<project>/annotation/server`, mode 0700."""
    home = private_folder(workspace) / "server"
    home.mkdir(mode=0o700, exist_ok=True)
    home.chmod(0o700)
    return home


def start_server(workspace: Workspace, port: int | None = None) -> ServerInfo:
    """Start the project's own Argilla server, or find it running."""
    from annotation.server import launch
    from curation.cache import cache_folder

    return launch.up(server_home(workspace), workspace.config.queue.port if port is None else port, cache_folder())


def connect(workspace: Workspace, port: int | None = None) -> Client:
    """A checked client of the project's Argilla, started on `port` if need be; use it in a `with` statement."""
    url = workspace.config.queue.url
    if url:
        key = os.environ.get(KEY_VARIABLE, "").strip()
        if not key:
            raise AnnotationError(
                f"queue.url in morbench.toml names {url}, but {KEY_VARIABLE} is not set",
                fix=f"export {KEY_VARIABLE} with the API key that Argilla shows an owner under My settings",
            )
        client = Client(url, key, key_source=f"the environment variable {KEY_VARIABLE}")
    else:
        info = start_server(workspace, port)
        client = Client(info.url, info.api_key, key_source=str(info.credentials_path), server=EMBEDDED)
    try:
        return client.check()
    except BaseException:
        client.close()
        raise


def run_queue(workspace: Workspace, port: int | None = None, *, client: Client | None = None) -> str:
    """Start or reach the server, make the accounts, push what triage chose; one line says where and how much."""
    if client is None:
        with connect(workspace, port) as own:
            return run_queue(workspace, client=own)
    ensure_accounts(workspace, client)
    keep_queued(workspace)
    pushed = push_batches(workspace, client)
    records, sent = sum(row.records for row in pushed), sum(row.sent for row in pushed)
    return f"{records} records in {len(pushed)} batches on {client.url}, {sent} sent now"


def where(workspace: Workspace) -> dict[str, str]:
    """Where people answer and where their passwords lie; starts nothing."""
    from annotation.server import launch

    accounts = accounts_path(workspace)
    found = {"annotators": f"sign in as <language>-annotator-N, passwords in {accounts}"} if accounts.exists() else {}
    if workspace.config.queue.url:
        return {"argilla": workspace.config.queue.url, **found}
    home = workspace.root / "annotation" / "server"
    info = launch.status(home) if home.exists() else None
    if info is None:
        return {"argilla": "not running (morbench annotate up)", **found}
    return {"argilla": info.url, "owner": f"sign in as {info.username}, password in {info.credentials_path}", **found}
