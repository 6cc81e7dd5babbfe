"""The order in which the server comes up, and how it goes down."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import tempfile
from pathlib import Path
from typing import Any

from . import patches, speed
from .home import Busy, Home, environment
from .shield import Shield, content_policy, script_hashes

LOGGER = logging.getLogger("morbench.server")
ENGINE = "morbench-sqlite"
GRACE = 10.0


def run(path: Path, port: int, plain: bool = False) -> int:
    """Serve from one home folder until SIGTERM or SIGINT; `plain` leaves out what only makes it faster."""
    home = Home(path)
    try:
        held = home.lock()
    except Busy as exc:
        LOGGER.error("%s", exc)
        return 3
    home.prepare()
    home.state.unlink(missing_ok=True)
    _settle(home, port)
    patches.before_import(plain)
    if not plain:
        speed.before_import()
    from argilla_server import _version

    from .search import engine

    clean = home.take_clean()
    _migrate()
    store = engine.open_store("search.db")
    if not plain:
        speed.after_import()
    asyncio.run(_ready(home, rebuild=not clean))
    app = _shielded(port, plain)
    from argilla_server.jobs.queues import DEFAULT_QUEUE, HIGH_QUEUE, REDIS_CONNECTION

    from .worker import Worker

    worker = Worker([HIGH_QUEUE, DEFAULT_QUEUE], REDIS_CONNECTION)
    worker.start()
    _serve(app, home, port, _version.__version__)
    drained = worker.stop(GRACE)
    asyncio.run(_disconnect())
    store.close()
    if drained:
        home.stopped()
    os.close(held)
    return 0


def _settle(home: Home, port: int) -> None:
    """Everything about the process itself, before anything of Argilla is imported."""
    os.chdir(home.path)
    for name in [name for name in os.environ if name.startswith("ARGILLA_")]:
        del os.environ[name]  # settings of a client, or of another server
    os.environ.update(environment(home.secret("auth_secret"), port, ENGINE))
    tempfile.tempdir = str(home.run / "tmp")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("morbench").setLevel(logging.INFO)


def _migrate() -> None:
    """Bring the database to this version's form; alembic sets up logging anew, which is undone."""
    from argilla_server.cli.database.migrate import migrate_db

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    migrate_db("head")
    root.handlers[:], root.level = handlers, level
    for name in list(logging.root.manager.loggerDict):
        logging.getLogger(name).disabled = False


async def _ready(home: Home, rebuild: bool) -> None:
    """The owner's account, the index, and the jobs that an unclean stop may have lost."""
    from argilla_server.database import AsyncSessionLocal
    from argilla_server.jobs.dataset_jobs import update_dataset_records_status_job

    from .search.reindex import reindex
    from .statuses import datasets_to_mend

    await _owner(home.owner())
    if rebuild:
        async with AsyncSessionLocal() as db:
            for dataset in await datasets_to_mend(db):
                update_dataset_records_status_job.delay(dataset)
    await reindex(force=rebuild)


async def _disconnect() -> None:
    """Close the connections: the last one folds the database's log in."""
    from argilla_server.database import async_engine

    await async_engine.dispose()


async def _owner(wanted: dict[str, str]) -> None:
    """The credentials file is the truth: the account is made, or brought in line with it."""
    from argilla_server.contexts import accounts
    from argilla_server.database import AsyncSessionLocal
    from argilla_server.enums import UserRole
    from argilla_server.models import User

    async with AsyncSessionLocal() as db:
        user = await User.get_by(db, username=wanted["username"])
        if user is not None and user.api_key == wanted["api_key"]:
            return
        secrets: dict[str, Any] = {
            "api_key": wanted["api_key"],
            "password_hash": accounts.hash_password(wanted["password"]),
        }
        if user is None:
            name = wanted["username"]
            await User.create(db, first_name=name, username=name, role=UserRole.owner, **secrets)
        else:
            await user.update(db, role=UserRole.owner, **secrets)


def _shielded(port: int, plain: bool) -> Any:
    from argilla_server._app import app

    statics = next(Path(route.app.directory) for route in app.routes if getattr(route, "name", "") == "static")
    patches.pages_without_strangers(statics)
    if not plain:
        speed.before_serving(app)
    return Shield(app, port, content_policy(script_hashes(statics.glob("**/*.html"))))


def _serve(app: Any, home: Home, port: int, version: str) -> None:
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets=sockets)
            if self.started:
                home.started(port, version)

    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        log_level="warning",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    server = Server(config)

    def end(*_: Any) -> None:
        server.should_exit = True

    # uvicorn raises the signal once more when it has stopped: with these it doesn't end the process half-way.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    server.run()
