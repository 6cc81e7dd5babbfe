# ruff: noqa: S608  (every name in the SQL is made by the compiler; values are parameters)
"""Searching: which documents, in which order, with which score, and how many of each value."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from . import querystring
from .compiler import COLUMNS, Index, Sql, compile_query, json_path, match_text, seed_of, text_queries
from .mapping import plain
from .sorting import sort_key
from .store import Store

SMALL = 1000
"""Up to so many documents every annotator meets the same order; above, each has an own random one, as upstream."""


class Found(NamedTuple):
    """A page of (id, score) and the number of all matches."""

    hits: list[tuple[str, float | None]]
    total: int


def chance(seed: str, key: str) -> float:
    """A number in (0, 1) that is always the same for one seed and id."""
    digest = hashlib.blake2b(f"{seed}\0{key}".encode(), digest_size=7).digest()
    return (int.from_bytes(digest, "big") + 1) / (2**56 + 1)


def search(
    store: Store,
    name: str,
    query: Mapping[str, Any],
    size: int = 10,
    offset: int = 0,
    sort: Sequence[Mapping[str, Any]] | None = None,
    small: int = SMALL,
) -> Found:
    """One page of the documents that match, best first, or sorted."""
    with store.lock:
        index = store.index(name)
        where = compile_query(index, query)
        total = _count(store, index, where)
        if size <= 0 or offset >= total:
            return Found([], total)
        joined, score = _scored(index, query)
        order, columns = _order(store, index, query, sort, score.text, small)
        rows = store.db.execute(
            f"SELECT d.id, {columns.text} AS points FROM documents d {joined.text}"
            f" WHERE d.index_num = ? AND {where.text} ORDER BY {order.text} LIMIT ? OFFSET ?",
            (*columns.params, *joined.params, index.num, *where.params, *order.params, size, offset),
        ).fetchall()
    return Found([(key, score) for key, score in rows], total)


def _count(store: Store, index: Index, where: Sql) -> int:
    text = f"SELECT count(*) FROM documents d WHERE d.index_num = ? AND {where.text}"
    return int(store.db.execute(text, (index.num, *where.params)).fetchone()[0])


def _scored(index: Index, query: Mapping[str, Any]) -> tuple[Sql, Sql]:
    """The join that brings the text score, and the score itself: 1 without a text query."""
    for body in text_queries(query):
        tree = querystring.parse(str(plain(body["query"])))
        match = match_text(index, body, querystring.wanted(tree)) if tree is not None else None
        if match is not None:
            table = index.text_table
            inner = f"SELECT rowid AS doc, -bm25({table}) AS score FROM {table} WHERE {table} MATCH ?"
            return Sql(f"LEFT JOIN ({inner}) t ON t.doc = d.num", (match,)), Sql("COALESCE(t.score, 1.0)")
    return Sql(""), Sql("1.0")


def _order(
    store: Store,
    index: Index,
    query: Mapping[str, Any],
    sort: Sequence[Mapping[str, Any]] | None,
    score: str,
    small: int,
) -> tuple[Sql, Sql]:
    """The ORDER BY clause and the score column."""
    if sort:
        texts: list[str] = []
        params: list[Any] = []
        for one in sort:
            ((field, spec),) = one.items()
            key, direction = sort_key(index, field, spec)
            texts.append(f"{key.text} IS NULL, {key.text} {direction}")
            params.extend((*key.params, *key.params))
        return Sql(", ".join((*texts, "d.num")), tuple(params)), Sql("NULL")
    seed = seed_of(query)
    if seed is None:
        return Sql("points DESC, d.num"), Sql(score)
    if _count(store, index, Sql("1")) <= small:
        started = "EXISTS (SELECT 1 FROM responses s WHERE s.doc = d.num AND s.status IN ('submitted', 'draft'))"
        first = "points DESC, " if text_queries(query) else ""
        return Sql(f"{first}{started} DESC, d.num"), Sql(score)
    store.db.create_function("chance", 2, chance, deterministic=True)
    return Sql("points DESC, d.num"), Sql(f"{score} * chance(?, d.id)", (seed,))


def nearest(
    store: Store,
    name: str,
    field: str,
    value: Sequence[float],
    k: int,
    excluded: str | None = None,
    filters: Sequence[Mapping[str, Any]] = (),
) -> Found:
    """The k documents with the most similar vectors, among those that pass every filter."""
    with store.lock:
        index = store.index(name)
        among: list[int] | None = None
        if excluded is not None or filters:
            where = compile_query(index, {"bool": {"must": list(filters)}})
            text = f"SELECT d.num FROM documents d WHERE d.index_num = ? AND d.id IS NOT ? AND {where.text}"
            among = [num for (num,) in store.db.execute(text, (index.num, excluded, *where.params))]
        best = store.vectors.nearest(field, value, k, among)
        ids = [store.db.execute("SELECT id FROM documents WHERE num = ?", (num,)).fetchone()[0] for num, _ in best]
    return Found([(key, score) for key, (_, score) in zip(ids, best, strict=True)], len(best))


def aggregated(store: Store, name: str, query: Mapping[str, Any], aggregations: Mapping[str, Any]) -> dict[str, Any]:
    """The answers to terms, value_count and stats aggregations."""
    with store.lock:
        index = store.index(name)
        where = compile_query(index, query)
        return {label: _aggregate(store, index, where, spec) for label, spec in aggregations.items()}


def _aggregate(store: Store, index: Index, where: Sql, spec: Mapping[str, Any]) -> dict[str, Any]:
    ((kind, body),) = spec.items()
    values = _values(index, body["field"], where)
    if kind == "terms":
        rows = store.db.execute(
            f"SELECT value, count(*) AS n FROM ({values.text}) GROUP BY value ORDER BY n DESC, value LIMIT ?",
            (*values.params, body["size"]),
        )
        return {"buckets": [{"key": key, "doc_count": count} for key, count in rows]}
    found = store.db.execute(
        f"SELECT count(value), min(value), max(value), sum(value), avg(value) FROM ({values.text})", values.params
    ).fetchone()
    count, least, greatest, total, mean = found
    if kind == "value_count":
        return {"value": count}
    return {"count": count, "min": least, "max": greatest, "sum": total, "avg": mean}


def _values(index: Index, field: str, where: Sql) -> Sql:
    """Every distinct value of a field in each matching document."""
    head, _, name = field.partition(".")
    params: tuple[Any, ...] = ()
    if field in COLUMNS:
        source, value = "documents d", COLUMNS[field]
    elif head == "metadata":
        source, value, params = "documents d, json_each(d.metadata, ?) j", "j.value", (json_path(name),)
    elif field == "responses.status":
        source, value = "documents d JOIN responses a ON a.doc = d.num", "a.status"
    else:
        return Sql("SELECT NULL AS num, NULL AS value WHERE 0")
    text = (
        f"SELECT DISTINCT d.num, {value} AS value FROM {source}"
        f" WHERE d.index_num = ? AND {value} IS NOT NULL AND {where.text}"
    )
    return Sql(text, (*params, index.num, *where.params))


def user_progress(store: Store, name: str, user_id: str) -> dict[str, int]:
    """How many of a user's responses have each status."""
    with store.lock:
        rows = store.db.execute(
            "SELECT r.status, count(*) FROM responses r JOIN documents d ON d.num = r.doc"
            " WHERE d.index_num = ? AND r.user_id = ? GROUP BY r.status ORDER BY 2 DESC, 1",
            (store.index(name).num, user_id),
        ).fetchall()
    return dict(rows)
