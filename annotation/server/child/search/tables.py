"""The tables of the index, and the file they live in."""

from __future__ import annotations

import sqlite3
from pathlib import Path

FORMAT = 1

_TABLES = """
CREATE TABLE indexes (
    num INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, mappings TEXT NOT NULL, settings TEXT NOT NULL);
CREATE TABLE documents (
    num INTEGER PRIMARY KEY, index_num INTEGER NOT NULL, id TEXT NOT NULL, external_id TEXT, status TEXT,
    inserted_at INTEGER, updated_at INTEGER, metadata TEXT, suggestions TEXT, UNIQUE (index_num, id));
CREATE INDEX documents_by_status ON documents (index_num, status);
CREATE TABLE responses (doc INTEGER NOT NULL, id TEXT, user_id TEXT, status TEXT, answers TEXT NOT NULL);
CREATE INDEX responses_by_doc ON responses (doc, user_id, status);
CREATE TABLE vectors (doc INTEGER NOT NULL, field TEXT NOT NULL, value BLOB NOT NULL, UNIQUE (doc, field));
CREATE INDEX vectors_by_field ON vectors (field, doc);
"""


class MissingIndex(LookupError):
    """There is no index of that name."""


def opened(path: Path | str) -> sqlite3.Connection:
    """A connection to the file, which is made when it is not there."""
    db = sqlite3.connect(str(path), check_same_thread=False, isolation_level=None, timeout=30)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    if db.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
        if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise sqlite3.DatabaseError("the index has another format")
        db.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {FORMAT}; COMMIT;")
    return db
