"""A pytest plugin (``-p plugin_for_upstream``) that runs argilla-server's own search tests on the SQLite engine.

It stands in for what those tests reach outside the engine: Redis, the Elasticsearch engine's name, and the
OpenSearch client with which they look into the index.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

CHILD = Path(os.environ["MORBENCH_CHILD"])
SOURCES: dict[tuple[str, str], dict[str, Any]] = {}

spec = importlib.util.spec_from_file_location(
    "morbench_server", CHILD / "__init__.py", submodule_search_locations=[str(CHILD)]
)
package = importlib.util.module_from_spec(spec)
sys.modules["morbench_server"] = package
spec.loader.exec_module(package)

patches = importlib.import_module("morbench_server.patches")
patches.open_package()
patches.queue_in_memory()

import argilla_server.search_engine as search_package  # noqa: E402
import opensearchpy  # noqa: E402

engine = importlib.import_module("morbench_server.search.engine")
mapping = importlib.import_module("morbench_server.search.mapping")
ranking = importlib.import_module("morbench_server.search.ranking")
engine.open_store(Path(tempfile.mkdtemp()) / "search.db")


class EngineForTests(engine.SQLiteSearchEngine):
    """Keeps the field texts, which the real index doesn't, so that the tests can read documents back."""

    client = None

    def __init__(self, config: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.client = Client()

    async def _bulk_op_request(self, actions: list[dict[str, Any]]) -> None:
        await super()._bulk_op_request(actions)
        for action in actions:
            if action["_op_type"] == "index":
                SOURCES[action["_index"], str(action["_id"])] = dict(action.get("fields", {}))


class Client:
    """The engine's own client: the tests only close it."""

    async def close(self) -> None:
        pass


class Catalogue:
    """The list of indexes that the tests clear away at their end: nothing to clear."""

    def indices(self, **_: Any) -> list[Any]:
        return []


class OpenSearch:
    """As much of OpenSearch's client as the tests use, on the store."""

    def __init__(self, **_: Any) -> None:
        self.indices = self
        self.cat = Catalogue()

    def exists(self, index: str) -> bool:
        return index in engine.store().names()

    def create(self, index: str, body: dict[str, Any]) -> None:
        body["mappings"]["properties"].setdefault("fields.text", {"type": "text"})  # the real one adds it when it comes
        engine.store().create(index, body["mappings"], {})

    def delete(self, index: str, **_: Any) -> None:
        engine.store().delete(index)

    def refresh(self, **_: Any) -> None:
        pass

    def get_mapping(self, index: str) -> dict[str, Any]:
        return self._index(index)

    def _index(self, index: str, **_: Any) -> dict[str, Any]:
        mappings, settings = (
            engine.store().db.execute("SELECT mappings, settings FROM indexes WHERE name = ?", (index,)).fetchone()
        )
        mappings, settings = json.loads(mappings), json.loads(settings)
        flat = {name if name.startswith("index.") else f"index.{name}": str(value) for name, value in settings.items()}
        return {index: {"mappings": _tree(mappings), "settings": flat}}

    def get(self, index: str, id: Any = None, **_: Any) -> dict[str, Any]:  # noqa: A002
        return self._index(index) if id is None else {"_source": {"responses": [], **_source(index, str(id))}}

    def update(self, index: str, id: Any, body: dict[str, Any]) -> None:  # noqa: A002
        engine.store().merge(index, str(id), body["doc"])

    def search(self, index: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        found = ranking.search(engine.store(), index, (body or {"query": {"match_all": {}}})["query"])
        return {"hits": {"hits": [{"_id": key, "_source": _source(index, key)} for key, _ in found.hits]}}


def _bulk(client: OpenSearch, actions: list[dict[str, Any]]) -> None:
    engine._run_bulk(actions)


def _source(index: str, key: str) -> dict[str, Any]:
    db = engine.store().db
    num, external_id, status, inserted, updated, metadata, suggestions = db.execute(
        "SELECT num, external_id, status, inserted_at, updated_at, metadata, suggestions FROM documents"
        " WHERE id = ? AND index_num = (SELECT num FROM indexes WHERE name = ?)",
        (key, index),
    ).fetchone()
    mappings = json.loads(db.execute("SELECT mappings FROM indexes WHERE name = ?", (index,)).fetchone()[0])
    hidden = mappings.get("_source", {}).get("excludes", [])
    fields = {name: text for name, text in SOURCES.get((index, key), {}).items() if f"fields.{name}" not in hidden}
    source: dict[str, Any] = {"id": key, "external_id": external_id, "status": status, "fields": fields}
    for name, moment in (("inserted_at", inserted), ("updated_at", updated)):
        source[name] = (
            (mapping.EPOCH + timedelta(microseconds=moment)).replace(tzinfo=None).isoformat() if moment else None
        )
    for name, text in (("metadata", metadata), ("suggestions", suggestions)):
        if text:
            source[name] = json.loads(text)
    responses = db.execute("SELECT id, status, user_id, answers FROM responses WHERE doc = ?", (num,)).fetchall()
    if responses:
        source["responses"] = [
            {"id": response, "status": state, "user_id": user, **json.loads(answers)}
            for response, state, user, answers in responses
        ]
    vectors = db.execute("SELECT field, value FROM vectors WHERE doc = ?", (num,)).fetchall()
    if vectors:
        source["vectors"] = {field: list(memoryview(value).cast("f")) for field, value in vectors}
    return source


def _tree(mappings: dict[str, Any]) -> dict[str, Any]:
    """Dotted names as the tree that Elasticsearch answers with."""
    tree: dict[str, Any] = {}
    for name, declared in mappings["properties"].items():
        *parents, last = name.split(".")
        level = tree
        for parent in parents:
            level = level.setdefault(parent, {}).setdefault("properties", {})
        level[last] = dict(declared)
    for declared in tree.values():
        if "dynamic" in declared:
            declared["dynamic"] = str(declared["dynamic"]).lower()
        if "properties" in declared and declared.get("type") == "object":
            del declared["type"]
    for question in tree.get("suggestions", {}).get("properties", {}).values():
        question.pop("type", None)
    shaped = {"dynamic": mappings.get("dynamic"), "properties": tree}
    if mappings.get("_source", {}).get("excludes"):
        shaped["_source"] = mappings["_source"]
    return shaped


search_package.ElasticSearchEngine = EngineForTests
opensearchpy.OpenSearch = OpenSearch
opensearchpy.helpers.bulk = _bulk
