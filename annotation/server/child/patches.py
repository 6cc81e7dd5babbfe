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


def guarded(patch: Callable[..., None]) -> Callable[..., None]:
    """A patch that refuses any other version than the one it was written for."""

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


@guarded
def queue_in_memory() -> None:
    """Jobs wait in this process instead of in a Redis server."""
    import fakeredis
    import redis

    server = fakeredis.FakeServer()

    def from_url(url: str, **_: Any) -> Any:
        return fakeredis.FakeStrictRedis(server=server)

    redis.from_url = from_url


@guarded
def database_for_many() -> None:
    """Connections that jobs on other event loops can share, and readers that don't wait for a writer."""
    from argilla_server.settings import Settings
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    from . import speed

    pool = speed.shared_pool()

    def arguments(self: Settings) -> dict[str, Any]:
        return {
            "connect_args": {"timeout": self.database_sqlite_timeout},
            "poolclass": pool,
            "json_serializer": speed.to_json,
            "json_deserializer": speed.from_json,
        }

    Settings.database_engine_args = property(arguments)  # type: ignore[assignment]

    @event.listens_for(Engine, "connect")
    def write_ahead(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")  # an answer that was accepted survives a power cut
        cursor.close()


@guarded
def pages_without_strangers(statics: Path) -> None:
    """In the running copy of the pages: no fonts from elsewhere, right-to-left text the right way in span fields."""
    for file in sorted(statics.glob("_nuxt/*.css")):
        text = file.read_text(encoding="utf-8")
        if "fonts.googleapis" not in text:
            continue
        file.write_text(_FONT_IMPORT.sub("", text) + _BIDI, encoding="utf-8")
        for packed in (f"{file}.br", f"{file}.gz"):
            Path(packed).unlink(missing_ok=True)


def before_import(plain: bool = False) -> None:
    """Everything that has to be in place before the app is imported; `plain`: only what it cannot run without."""
    open_package()
    queue_in_memory()
    if not plain:
        database_for_many()
