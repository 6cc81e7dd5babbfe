# ruff: noqa: S608  (every name in the SQL is made here; values are parameters)
"""The index on disk: documents, their responses, vectors and words, in one SQLite file."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .compiler import RESPONSE_COLUMNS, Index
from .documents import Row, row_of
from .mapping import stored, text_fields, type_of
from .tables import MissingIndex, opened
from .vectors import Vectors, packed

LOGGER = logging.getLogger("morbench.search")


class Store:
    """One connection, used by one thread at a time; every write is one transaction."""

    def __init__(self, path: Path | str) -> None:
        self.path = path
        self.lock = threading.RLock()
        self.db = opened(path)
        self.vectors = Vectors(self.db)
        self._indexes: dict[str, Index] = {}

    def close(self) -> None:
        """Close the file, its log folded in."""
        with self.lock:
            self.db.close()

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self.lock:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
            except BaseException:
                self.db.execute("ROLLBACK")
                self._indexes.clear()
                self.vectors.forget()
                raise
            self.db.execute("COMMIT")

    # Indexes

    def create(self, name: str, mappings: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        """Make an empty index, in the place of any older one of that name."""
        with self._write() as db:
            self._drop(name)
            cursor = db.execute(
                "INSERT INTO indexes (name, mappings, settings) VALUES (?, ?, ?)",
                (name, json.dumps(mappings, default=str), json.dumps(settings, default=str)),
            )
            columns = ", ".join(f"f{at}" for at in range(len(text_fields(mappings.get("properties", {})))))
            db.execute(f"CREATE VIRTUAL TABLE text_{cursor.lastrowid} USING fts5({columns or 'f0'}, tokenize='ascii')")

    def delete(self, name: str) -> None:
        """Remove an index, if it is there."""
        with self._write():
            self._drop(name)

    def _drop(self, name: str) -> None:
        self._indexes.pop(name, None)
        found = self.db.execute("SELECT num FROM indexes WHERE name = ?", (name,)).fetchone()
        if found is None:
            return
        for table in ("responses", "vectors"):
            self.db.execute(f"DELETE FROM {table} WHERE doc IN (SELECT num FROM documents WHERE index_num = ?)", found)
        self.db.execute("DELETE FROM documents WHERE index_num = ?", found)
        self.db.execute(f"DROP TABLE text_{found[0]}")
        self.db.execute("DELETE FROM indexes WHERE num = ?", found)
        self.vectors.forget()

    def names(self) -> list[str]:
        """The indexes there are."""
        with self.lock:
            return [name for (name,) in self.db.execute("SELECT name FROM indexes ORDER BY num")]

    def counts(self, name: str) -> tuple[int, int, int]:
        """How many documents, responses and vectors an index holds."""
        with self.lock:
            num = (self.index(name).num,)
            inside = "WHERE doc IN (SELECT num FROM documents WHERE index_num = ?)"
            return (
                self.db.execute("SELECT count(*) FROM documents WHERE index_num = ?", num).fetchone()[0],
                self.db.execute(f"SELECT count(*) FROM responses {inside}", num).fetchone()[0],
                self.db.execute(f"SELECT count(*) FROM vectors {inside}", num).fetchone()[0],
            )

    def index(self, name: str) -> Index:
        """The index of that name; MissingIndex when there is none."""
        with self.lock:
            if name not in self._indexes:
                found = self.db.execute("SELECT num, mappings FROM indexes WHERE name = ?", (name,)).fetchone()
                if found is None:
                    raise MissingIndex(f"no index {name}")
                self._indexes[name] = Index(found[0], json.loads(found[1]).get("properties", {}))
            return self._indexes[name]

    def extend(self, name: str, properties: Mapping[str, Any]) -> None:
        """Declare more fields (metadata, vectors); text fields are fixed when the index is made."""
        with self._write() as db:
            mappings = json.loads(db.execute("SELECT mappings FROM indexes WHERE name = ?", (name,)).fetchone()[0])
            mappings.setdefault("properties", {}).update(properties)
            db.execute("UPDATE indexes SET mappings = ? WHERE name = ?", (json.dumps(mappings, default=str), name))
            self._indexes.pop(name, None)

    # Documents

    def put(self, name: str, documents: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Write whole documents; one that is known keeps its place in the order."""
        with self._write():
            index = self.index(name)
            for key, document in documents:
                self._put(index, key, row_of(index.properties, document))

    def _put(self, index: Index, key: str, row: Row) -> None:
        values = (row.external_id, row.status, row.inserted_at, row.updated_at, row.metadata, row.suggestions)
        num = self._num(index, key)
        if num is None:
            num = self.db.execute(
                "INSERT INTO documents (external_id, status, inserted_at, updated_at, metadata, suggestions, index_num,"
                " id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*values, index.num, key),
            ).lastrowid
        else:
            self.db.execute(
                "UPDATE documents SET external_id = ?, status = ?, inserted_at = ?, updated_at = ?, metadata = ?,"
                " suggestions = ? WHERE num = ?",
                (*values, num),
            )
            self._clear(index, num)
        self._set_responses(index, num, row.responses)
        self._set_vectors(num, row.vectors)
        if row.words:
            names = ", ".join(f"f{at}" for at in range(len(row.words)))
            marks = ", ".join("?" * len(row.words))
            self.db.execute(f"INSERT INTO {index.text_table} (rowid, {names}) VALUES (?, {marks})", (num, *row.words))

    def _clear(self, index: Index, num: int) -> None:
        for table, column in (("responses", "doc"), ("vectors", "doc"), (index.text_table, "rowid")):
            self.db.execute(f"DELETE FROM {table} WHERE {column} = ?", (num,))

    def _num(self, index: Index, key: str) -> int | None:
        found = self.db.execute("SELECT num FROM documents WHERE index_num = ? AND id = ?", (index.num, key)).fetchone()
        return found[0] if found else None

    def _known(self, index: Index, key: str) -> int | None:
        num = self._num(index, key)
        if num is None:
            LOGGER.warning("record %s is not in the search index; it comes back at the next start", key)
        return num

    def remove(self, name: str, ids: Iterable[str]) -> None:
        """Remove documents; unknown ids are no error."""
        with self._write() as db:
            index = self.index(name)
            for key in ids:
                num = self._num(index, key)
                if num is not None:
                    self._clear(index, num)
                    db.execute("DELETE FROM documents WHERE num = ?", (num,))
            self.vectors.forget()

    def merge(self, name: str, key: str, update: Mapping[str, Any]) -> None:
        """Change the named parts of a document; objects are merged, lists replaced."""
        with self._write() as db:
            index = self.index(name)
            num = self._known(index, key)
            if num is None:
                return
            row = row_of(index.properties, update)
            for column in ("external_id", "status", "inserted_at", "updated_at"):
                if column in update:
                    db.execute(f"UPDATE documents SET {column} = ? WHERE num = ?", (getattr(row, column), num))
            for column in ("metadata", "suggestions"):
                if getattr(row, column) is not None:
                    db.execute(
                        f"UPDATE documents SET {column} = json_patch(COALESCE({column}, '{{}}'), ?) WHERE num = ?",
                        (getattr(row, column), num),
                    )
            if "responses" in update:
                db.execute("DELETE FROM responses WHERE doc = ?", (num,))
                self._set_responses(index, num, row.responses)
            self._set_vectors(num, row.vectors)

    def put_response(self, name: str, key: str, response: Mapping[str, Any]) -> None:
        """Write one response of a record, in the place of its older state."""
        with self._write() as db:
            index = self.index(name)
            num = self._known(index, key)
            if num is not None:
                db.execute("DELETE FROM responses WHERE doc = ? AND id = ?", (num, str(response["id"])))
                self._set_responses(index, num, [response])

    def remove_response(self, name: str, key: str, response_id: str) -> None:
        """Remove one response of a record."""
        with self._write() as db:
            num = self._known(self.index(name), key)
            db.execute("DELETE FROM responses WHERE doc = ? AND id = ?", (num, response_id))

    def remove_suggestion(self, name: str, key: str, question: str) -> None:
        """Remove the suggestion for one question of a record."""
        with self._write() as db:
            num = self._known(self.index(name), key)
            patch = json.dumps({question: None})
            db.execute("UPDATE documents SET suggestions = json_patch(suggestions, ?) WHERE num = ?", (patch, num))

    def _set_responses(self, index: Index, num: int, responses: Iterable[Mapping[str, Any]]) -> None:
        for response in responses:
            answers = {
                question: stored(type_of(index.properties, f"responses.{question}"), value)
                for question, value in response.items()
                if question not in RESPONSE_COLUMNS
            }
            fixed = (str(getattr(response.get(column), "value", response.get(column))) for column in RESPONSE_COLUMNS)
            self.db.execute(
                "INSERT INTO responses (doc, id, user_id, status, answers) VALUES (?, ?, ?, ?, ?)",
                (num, *fixed, json.dumps(answers, default=str)),
            )

    def _set_vectors(self, num: int, vectors: Mapping[str, Iterable[float]]) -> None:
        for field, value in vectors.items():
            self.db.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", (num, field, packed(value)))
            self.vectors.forget(field)
