"""Argilla's search engine interface on the SQLite store.

The base class turns Argilla's requests into Elasticsearch's query language; this class answers the language's requests.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from argilla_server.models import Dataset, Response, Suggestion, User, VectorSettings
from argilla_server.search_engine.base import SearchEngine
from argilla_server.search_engine.commons import (
    BaseElasticAndOpenSearchEngine,
    es_field_for_vector_settings,
    es_index_name_for_dataset,
    es_path_for_vector_settings,
)

from . import ranking
from .compiler import RESPONSE_COLUMNS
from .store import Store

NAME = "morbench-sqlite"

_STORE: Store | None = None


def open_store(path: Path | str) -> Store:
    """Open the one store of this process; a file that is damaged or of another format is begun anew."""
    global _STORE
    if _STORE is not None:
        _STORE.close()
    try:
        _STORE = Store(path)
    except sqlite3.DatabaseError:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        _STORE = Store(path)
    return _STORE


def store() -> Store:
    """The one store of this process."""
    if _STORE is None:
        raise RuntimeError("the search store was not opened")
    return _STORE


@SearchEngine.register(engine_name=NAME)
class SQLiteSearchEngine(BaseElasticAndOpenSearchEngine):
    """One is made for each request; all of them share the store."""

    def __init__(self, number_of_shards: int = 1, number_of_replicas: int = 0, **_: Any) -> None:
        super().__init__(number_of_shards=number_of_shards, number_of_replicas=number_of_replicas)

    @classmethod
    async def new_instance(cls) -> SQLiteSearchEngine:
        """An engine on the open store."""
        return cls()

    async def close(self) -> None:
        """Nothing to do: the store stays open."""

    async def ping(self) -> bool:
        """True when the store answers."""
        await asyncio.to_thread(store().names)
        return True

    async def info(self) -> dict[str, Any]:
        """What GET /status shows."""
        return {"version": {"number": sqlite3.sqlite_version, "distribution": NAME}}

    async def update_record_response(self, response: Response) -> None:
        """Write a response that was made or changed."""
        name = es_index_name_for_dataset(response.record.dataset)
        document = self._map_record_response_to_es(response)
        await asyncio.to_thread(store().put_response, name, str(response.record.id), document)

    async def delete_record_response(self, response: Response) -> None:
        """Remove a response."""
        name = es_index_name_for_dataset(response.record.dataset)
        await asyncio.to_thread(store().remove_response, name, str(response.record.id), str(response.id))

    async def delete_record_suggestion(self, suggestion: Suggestion) -> None:
        """Remove a suggestion."""
        name = es_index_name_for_dataset(suggestion.record.dataset)
        question = suggestion.question.name
        await asyncio.to_thread(store().remove_suggestion, name, str(suggestion.record_id), question)

    async def get_dataset_user_progress(self, dataset: Dataset, user: User) -> dict[str, Any]:
        """Count this user's responses by status (upstream counts other people's on the same records too)."""
        if dataset.is_draft:
            return {}
        counts = await asyncio.to_thread(
            ranking.user_progress, store(), es_index_name_for_dataset(dataset), str(user.id)
        )
        return {"total": sum(counts.values()), **counts}

    @staticmethod
    def _map_record_response_to_es(response: Response) -> dict[str, Any]:
        document = BaseElasticAndOpenSearchEngine._map_record_response_to_es(response)
        # A question may be called "status": it must not take the place of the response's own.
        own = {"id": response.id, "status": response.status, "user_id": response.user_id}
        return {**document, **{name: own[name] for name in RESPONSE_COLUMNS}}

    def _mapping_for_vector_settings(self, vector_settings: VectorSettings) -> dict[str, Any]:
        dims = vector_settings.dimensions
        return {es_field_for_vector_settings(vector_settings): {"type": "vector", "dims": dims, "similarity": "cosine"}}

    async def _request_similarity_search(
        self,
        index: str,
        vector_settings: VectorSettings,
        value: list[float],
        k: int,
        excluded_id: UUID | None = None,
        query_filters: list[dict[str, Any]] | None = None,
    ) -> dict[str, Any]:
        field = es_path_for_vector_settings(vector_settings)
        excluded = str(excluded_id) if excluded_id else None
        found = await asyncio.to_thread(ranking.nearest, store(), index, field, value, k, excluded, query_filters or ())
        return _answer(found)

    async def _create_index_request(self, index_name: str, mappings: dict[str, Any], settings: dict[str, Any]) -> None:
        await asyncio.to_thread(store().create, index_name, mappings, settings)

    async def _delete_index_request(self, index_name: str) -> None:
        await asyncio.to_thread(store().delete, index_name)

    async def _update_document_request(self, index_name: str, id: str, body: Mapping[str, Any]) -> None:  # noqa: A002
        await asyncio.to_thread(store().merge, index_name, id, body["doc"])

    async def put_index_mapping_request(self, index: str, mappings: dict[str, Any]) -> None:
        """Declare more fields."""
        await asyncio.to_thread(store().extend, index, mappings)

    async def _index_search_request(
        self,
        index: str,
        query: dict[str, Any],
        size: int | None = None,
        from_: int | None = None,
        sort: Any = None,
        aggregations: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        if aggregations:
            counted = await asyncio.to_thread(ranking.aggregated, store(), index, query, aggregations)
            return {"aggregations": counted}
        found = await asyncio.to_thread(
            ranking.search, store(), index, query, 10 if size is None else size, from_ or 0, sort
        )
        return _answer(found)

    async def _index_exists_request(self, index_name: str) -> bool:
        return index_name in await asyncio.to_thread(store().names)

    async def _bulk_op_request(self, actions: list[dict[str, Any]]) -> None:
        await asyncio.to_thread(_run_bulk, actions)


def _run_bulk(actions: list[dict[str, Any]]) -> None:
    whole: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    gone: dict[str, list[str]] = {}
    for action in actions:
        name, key = action["_index"], str(action["_id"])
        if action["_op_type"] == "index":
            whole.setdefault(name, []).append((key, action))
        elif action["_op_type"] == "delete":
            gone.setdefault(name, []).append(key)
        else:
            store().merge(name, key, action["doc"])
    for name, documents in whole.items():
        store().put(name, documents)
    for name, ids in gone.items():
        store().remove(name, ids)


def _answer(found: ranking.Found) -> dict[str, Any]:
    hits = [{"_id": key, "_score": score} for key, score in found.hits]
    return {"hits": {"hits": hits, "total": {"value": found.total}}}
