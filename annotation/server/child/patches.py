"""What is changed in argilla-server 2.8.0, each change by itself; with any other version nothing is touched."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

VERSION = "2.8.0"

_FONT_IMPORT = re.compile(r"@import\s+url\([^)]*\)\s*;?")
_BIDI = ".span-annotation__field,.span-annotation__field *{unicode-bidi:plaintext;text-align:start}"


class WrongVersion(RuntimeError):
    """The environment holds another argilla-server than the patches were written for."""


def _guarded(patch: Callable[..., None]) -> Callable[..., None]:
    @wraps(patch)
    def checked(*args: Any) -> None:
        from argilla_server import _version

        if _version.__version__ != VERSION:
            raise WrongVersion(f"argilla-server {_version.__version__} found, {VERSION} needed")
        patch(*args)

    return checked


def open_package() -> None:
    """Make argilla_server importable piece by piece: its own start-up file would build the whole app at once."""
    spec = importlib.util.find_spec("argilla_server")
    if spec is None:
        raise WrongVersion("argilla-server is not in this environment")
    sys.modules[spec.name] = importlib.util.module_from_spec(spec)


@_guarded
def queue_in_memory() -> None:
    """Jobs wait in this process instead of in a Redis server."""
    import fakeredis
    import redis

    server = fakeredis.FakeServer()

    def from_url(url: str, **_: Any) -> Any:
        return fakeredis.FakeStrictRedis(server=server)

    redis.from_url = from_url


@_guarded
def database_for_many() -> None:
    """A connection a session (jobs run on other event loops) and readers that don't wait for a writer."""
    from argilla_server.settings import Settings
    from sqlalchemy import NullPool, event
    from sqlalchemy.engine import Engine

    def arguments(self: Settings) -> dict[str, Any]:
        return {"connect_args": {"timeout": self.database_sqlite_timeout}, "poolclass": NullPool}

    Settings.database_engine_args = property(arguments)  # type: ignore[assignment]

    @event.listens_for(Engine, "connect")
    def write_ahead(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")  # an answer that was accepted survives a power cut
        cursor.close()


@_guarded
def settings_parsed_once() -> None:
    """Upstream builds a validator for every value that it checks; one a kind of settings is enough."""
    from argilla_server.models import database
    from pydantic import TypeAdapter

    for model, settings in (
        (database.Question, database.QuestionSettings),
        (database.MetadataProperty, database.MetadataPropertySettings),
    ):
        adapter: TypeAdapter[Any] = TypeAdapter(settings)
        model.parsed_settings = property(lambda self, adapter=adapter: adapter.validate_python(self.settings))


@_guarded
def events_only_when_heard() -> None:
    """Upstream dumps every record for an event even when no webhook listens."""
    from argilla_server.contexts import records as record_context
    from argilla_server.contexts import webhooks
    from argilla_server.webhooks.v1 import records as record_events

    build = record_events.build_record_event

    class Unheard:
        async def notify(self, db: Any) -> list[Any]:
            return []

    async def build_when_heard(db: Any, event: Any, record: Any) -> Any:
        if not await webhooks.list_enabled_webhooks(db):
            return Unheard()
        return await build(db, event, record)

    record_events.build_record_event = build_when_heard
    record_context.build_record_event_v1 = build_when_heard


@_guarded
def pages_without_strangers(statics: Path) -> None:
    """In the running copy of the pages: no fonts from elsewhere, right-to-left text the right way in span fields."""
    for file in sorted(statics.glob("_nuxt/*.css")):
        text = file.read_text(encoding="utf-8")
        if "fonts.googleapis" not in text:
            continue
        file.write_text(_FONT_IMPORT.sub("", text) + _BIDI, encoding="utf-8")
        for packed in (f"{file}.br", f"{file}.gz"):
            Path(packed).unlink(missing_ok=True)


def before_import() -> None:
    """Everything that has to be in place before the app is imported."""
    open_package()
    queue_in_memory()
    database_for_many()


def after_import() -> None:
    """What is changed once the models are there."""
    settings_parsed_once()
    events_only_when_heard()
