"""What only makes argilla-server 2.8.0 faster, each change by itself: `--plain` leaves all of it out."""

from __future__ import annotations

import gc
import importlib
import json
import sys
from collections import deque
from types import ModuleType
from typing import Any

from .patches import guarded

HUB = "argilla_server.contexts.hub"


def to_json(value: Any) -> str:
    """JSON text as the database keeps it; what the fast writer refuses (half a surrogate pair) the standard one takes."""
    import pydantic_core

    try:
        return pydantic_core.to_json(value, inf_nan_mode="constants").decode()
    except ValueError:
        return json.dumps(value)


def from_json(text: str | bytes) -> Any:
    """The value of a JSON text; what the fast reader refuses the standard one reads, or names the fault."""
    import pydantic_core

    try:
        return pydantic_core.from_json(text)
    except ValueError:
        return json.loads(text)


@guarded
def hub_on_demand() -> None:
    """The exchange with the Hub brings pandas along, a fifth of the start: it is loaded when somebody asks for it."""
    stand_in = ModuleType(HUB)

    def later(name: str) -> Any:
        def called(*args: Any, **kwargs: Any) -> Any:
            if sys.modules.get(HUB) is stand_in:
                del sys.modules[HUB]
            return getattr(importlib.import_module(HUB), name)(*args, **kwargs)

        return called

    for name in ("HubDataset", "HubDatasetExporter"):
        setattr(stand_in, name, later(name))
    sys.modules[HUB] = stand_in


@guarded
def clients_left_out() -> None:
    """Upstream's own two search engines are never made here; only the names of their clients are needed."""
    for package, client in (("elasticsearch8", "AsyncElasticsearch"), ("opensearchpy", "AsyncOpenSearch")):
        stand_in = ModuleType(package)
        setattr(stand_in, client, type(client, (), {}))
        stand_in.helpers = ModuleType(f"{package}.helpers")  # type: ignore[attr-defined]
        sys.modules[package] = stand_in


@guarded
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


@guarded
def events_only_when_heard() -> None:
    """Upstream dumps every record and answer for an event even when no webhook listens; asked once a session."""
    from argilla_server.contexts import datasets, records, webhooks
    from argilla_server.webhooks.v1 import records as record_events
    from argilla_server.webhooks.v1 import responses as response_events

    class Unheard:
        async def notify(self, db: Any) -> list[Any]:
            return []

    def when_heard(build: Any) -> Any:
        async def built(db: Any, event: Any, subject: Any) -> Any:
            if "heard" not in db.info:
                db.info["heard"] = bool(await webhooks.list_enabled_webhooks(db))
            return await build(db, event, subject) if db.info["heard"] else Unheard()

        return built

    record_events.build_record_event = when_heard(record_events.build_record_event)
    response_events.build_response_event = when_heard(response_events.build_response_event)
    for context in (datasets, records):
        context.build_record_event_v1 = record_events.build_record_event
    datasets.build_response_event_v1 = response_events.build_response_event


@guarded
def statements_in_one_step() -> None:
    """Each connection has a thread; upstream goes there and back four times for every statement, once is enough."""
    from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_cursor as Cursor

    stepwise = Cursor.execute

    def execute(self: Any, operation: Any, parameters: Any = ()) -> None:
        if self.server_side:
            return stepwise(self, operation, parameters)

        def at_once(connection: Any) -> tuple[Any, Any, Any, Any]:
            cursor = connection.execute(operation, parameters or ())
            try:
                rows = cursor.fetchall() if cursor.description else ()
                return cursor.description, rows, cursor.lastrowid, cursor.rowcount
            finally:
                cursor.close()

        try:
            self.description, rows, last, count = self.await_(
                self._connection._execute(at_once, self._connection._conn)
            )
        except Exception as error:  # upstream's own way: it is given the driver's error, whatever it is
            self._adapt_connection._handle_exception(error)
        self._rows = deque(rows)
        self.lastrowid, self.rowcount = (-1, -1) if self.description else (last, count)
        return None

    Cursor.execute = execute


def shared_pool() -> type[Any]:
    """Connections are kept for the next session; any event loop may take them, and nobody ever waits for one."""
    from sqlalchemy.pool import Pool, QueuePool

    class SharedPool(QueuePool):
        _is_asyncio = Pool.__dict__["_is_asyncio"]  # as its engine is: one setting serves the two that Argilla makes

        def __init__(self, creator: Any, **settings: Any) -> None:
            super().__init__(creator, **{**settings, "pool_size": 4, "max_overflow": -1, "use_lifo": True})

    return SharedPool


@guarded
def json_by_pydantic() -> None:
    """Requests are read and answers written by pydantic's parser: vectors are long lists of numbers."""
    from starlette.requests import Request
    from starlette.responses import JSONResponse

    async def read(self: Any) -> Any:
        if not hasattr(self, "_json"):
            self._json = from_json(await self.body())
        return self._json

    written = JSONResponse.render

    def render(self: Any, content: Any) -> bytes:
        import pydantic_core

        try:
            return pydantic_core.to_json(content, inf_nan_mode="null")  # upstream fails at a number that is none
        except ValueError:
            return written(self, content)

    Request.json = read
    JSONResponse.render = render


@guarded
def answers_as_they_are(app: Any) -> None:
    """Answers of the API go uncompressed: they don't leave this machine, and to pack vectors took a third of a push."""
    for middleware in app.user_middleware:
        if middleware.cls.__name__ == "BrotliMiddleware":
            middleware.kwargs["excluded_handlers"] = ["^/api/"]


def rest_from_collecting() -> None:
    """What was loaded at the start stays for good: the garbage collector need not look at it again and again."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 20, 20)


def before_import() -> None:
    """What has to be in place before the app is imported."""
    gc.disable()  # until all is loaded
    hub_on_demand()
    clients_left_out()


def after_import() -> None:
    """What is changed once the models are there."""
    settings_parsed_once()
    events_only_when_heard()
    statements_in_one_step()
    json_by_pydantic()


def before_serving(app: Any) -> None:
    """What is changed on the whole app."""
    answers_as_they_are(app)
    rest_from_collecting()
