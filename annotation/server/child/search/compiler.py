# ruff: noqa: S608  (every name in the SQL comes from a closed set here; values are parameters)
"""From the closed query language that Argilla sends to Elasticsearch, to SQL over the tables of ``store``.

Understood: match_all, bool, term, terms, range, exists, ids, nested, simple_query_string, function_score.
The documents table is ``d``; a response is ``r``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from . import querystring
from .mapping import Properties, bound, coerced, plain, text_fields, type_of

COLUMNS = {name: f"d.{name}" for name in ("id", "external_id", "status", "inserted_at", "updated_at")}
RESPONSE_COLUMNS = {name: f"r.{name}" for name in ("id", "user_id", "status")}
NOTHING = "0"
ALL = "1"


class Sql(NamedTuple):
    """A condition and its parameters."""

    text: str
    params: tuple[Any, ...] = ()


class Index(NamedTuple):
    """What a query has to know of the index it runs on."""

    num: int
    properties: Properties

    @property
    def text_table(self) -> str:
        """The FTS5 table that holds the words of this index."""
        return f"text_{self.num}"


class UnknownQuery(ValueError):
    """The query language has a clause that Argilla 2.8.0 does not send."""


def json_path(name: str) -> str:
    """The JSON path of one member; a quote, which Argilla allows in no name, matches nothing."""
    return '$."' + name.replace('"', "\\u0022") + '"'


def compile_query(index: Index, query: Mapping[str, Any]) -> Sql:
    """The documents that a query matches, as a condition on ``d``."""
    return compiled(index, query, nested=False)


def text_queries(query: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The text queries that count for the score: those in no filter and under no negation."""
    (kind, body), *_ = query.items()
    if kind == "simple_query_string":
        return [body]
    if kind == "function_score":
        return text_queries(body["query"])
    if kind == "bool":
        return [found for part in _listed(body.get("must")) for found in text_queries(part)]
    return []


def seed_of(query: Mapping[str, Any]) -> str | None:
    """The seed of the random order, when the query asks for one."""
    functions = query.get("function_score", {}).get("functions", [])
    return next((str(one["random_score"]["seed"]) for one in functions if "random_score" in one), None)


def match_text(index: Index, body: Mapping[str, Any], leaves: Iterable[querystring.Leaf]) -> str | None:
    """An FTS5 expression that matches any of the leaves in the fields of a text query."""
    columns = _columns(index, body["fields"])
    if columns is None:
        return None
    return " OR ".join(_leaf(leaf, columns) for leaf in leaves) or None


def _listed(part: Any) -> list[Mapping[str, Any]]:
    if part is None:
        return []
    return list(part) if isinstance(part, list | tuple) else [part]


def compiled(index: Index, query: Mapping[str, Any], nested: bool) -> Sql:
    """The same, on a document ``d`` or, when ``nested``, on one of its responses ``r``."""
    if len(query) != 1:
        raise UnknownQuery(f"a query has one key, this has {sorted(query)}")
    ((kind, body),) = query.items()
    if kind == "match_all":
        return Sql(ALL)
    if kind == "bool":
        return _bool(index, body, nested)
    if kind == "function_score":
        return compiled(index, body["query"], nested)
    if kind == "nested":
        inner = compiled(index, body["query"], nested=True)
        return Sql(f"EXISTS (SELECT 1 FROM responses r WHERE r.doc = d.num AND {inner.text})", inner.params)
    if kind == "ids":
        return Sql("d.id IN (SELECT value FROM json_each(?))", (json.dumps([str(one) for one in body["values"]]),))
    if kind == "simple_query_string":
        return _text(index, body)
    if kind == "exists":
        return _exists(index, body["field"], nested)
    if kind in ("term", "terms"):
        ((field, values),) = body.items()
        return _terms(index, field, values if kind == "terms" else [values], nested)
    if kind == "range":
        ((field, limits),) = body.items()
        return _range(index, field, limits, nested)
    raise UnknownQuery(f"unknown query {kind!r}")


def _bool(index: Index, body: Mapping[str, Any], nested: bool) -> Sql:
    texts: list[str] = []
    params: list[Any] = []
    for part in (*_listed(body.get("must")), *_listed(body.get("filter"))):
        sql = compiled(index, part, nested)
        texts.append(sql.text)
        params.extend(sql.params)
    for part in _listed(body.get("must_not")):
        sql = compiled(index, part, nested)
        texts.append(f"NOT COALESCE({sql.text}, 0)")
        params.extend(sql.params)
    should = [compiled(index, part, nested) for part in _listed(body.get("should"))]
    least = int(body.get("minimum_should_match") or (0 if texts else 1))
    if should and least:
        counted = " + ".join(f"COALESCE({sql.text}, 0)" for sql in should)
        texts.append(f"({counted}) >= {least}" if least > 1 else f"({' OR '.join(sql.text for sql in should)})")
        params.extend(param for sql in should for param in sql.params)
    return Sql(f"({' AND '.join(texts)})" if texts else ALL, tuple(params))


def _on_values(index: Index, field: str, test: str, params: tuple[Any, ...], nested: bool) -> Sql:
    """A test of ``value`` that any value of the field has to pass."""
    head, _, name = field.partition(".")
    if field in COLUMNS and not nested:
        return Sql(f"({test.replace('value', COLUMNS[field])})", params)
    if head == "responses" and name:
        if name in RESPONSE_COLUMNS:
            inner, given = f"({test.replace('value', RESPONSE_COLUMNS[name])})", params
        else:
            inner = f"EXISTS (SELECT 1 FROM json_each(r.answers, ?) WHERE {test})"
            given = (json_path(name), *params)
        return Sql(inner if nested else f"EXISTS (SELECT 1 FROM responses r WHERE r.doc = d.num AND {inner})", given)
    if head == "metadata":
        return Sql(f"EXISTS (SELECT 1 FROM json_each(d.metadata, ?) WHERE {test})", (json_path(name), *params))
    if head == "suggestions":
        question, _, part = name.rpartition(".")
        path = f"{json_path(question)}{json_path(part)[1:]}"
        return Sql(f"EXISTS (SELECT 1 FROM json_each(d.suggestions, ?) WHERE {test})", (path, *params))
    return Sql(NOTHING)


def _terms(index: Index, field: str, values: Iterable[Any], nested: bool) -> Sql:
    kind = type_of(index.properties, field)
    known = [value for value in (coerced(kind, one) for one in values) if value is not None]
    if not known:
        return Sql(NOTHING)
    if len(known) == 1:
        return _on_values(index, field, "value = ?", (known[0],), nested)
    return _on_values(index, field, "value IN (SELECT j.atom FROM json_each(?) j)", (json.dumps(known),), nested)


def _range(index: Index, field: str, limits: Mapping[str, Any], nested: bool) -> Sql:
    kind = type_of(index.properties, field)
    tests = ["value IS NOT NULL"]
    params: list[Any] = []
    for name, sign in (("gte", ">="), ("lte", "<=")):
        if limits.get(name) is None:
            continue
        limit = bound(kind, limits[name])
        if limit is None:
            return Sql(NOTHING)
        tests.append(f"value {sign} ?")
        params.append(limit)
    return _on_values(index, field, " AND ".join(tests), tuple(params), nested) if kind else Sql(NOTHING)


def _exists(index: Index, field: str, nested: bool) -> Sql:
    if field == "responses":
        return Sql("EXISTS (SELECT 1 FROM responses r WHERE r.doc = d.num)")
    if field.startswith("vectors."):
        return Sql(
            "EXISTS (SELECT 1 FROM vectors v WHERE v.doc = d.num AND v.field = ?)", (field.removeprefix("vectors."),)
        )
    return _on_values(index, field, "value IS NOT NULL", (), nested)


def _columns(index: Index, patterns: Iterable[str]) -> str | None:
    """The FTS5 column filter of a text query: empty for all fields, None when no such field holds text."""
    names = text_fields(index.properties)
    found: list[int] = []
    for pattern in patterns:
        wanted = pattern.removeprefix("fields.")
        if wanted == "*":
            return "" if names else None
        wanted = wanted.removesuffix(".*")
        if wanted in names:
            found.append(names.index(wanted))
    return "{" + " ".join(f"f{at}" for at in found) + "} : " if found else None


def _leaf(leaf: querystring.Leaf, columns: str) -> str:
    return f'{columns}"{" ".join(leaf.tokens)}"{" *" if leaf.prefix else ""}'


def _text(index: Index, body: Mapping[str, Any]) -> Sql:
    tree = querystring.parse(str(plain(body["query"])))
    columns = _columns(index, body["fields"])
    if tree is None:
        return Sql(NOTHING)
    return _tree(index, tree, columns)


def _tree(index: Index, node: querystring.Node, columns: str | None) -> Sql:
    if isinstance(node, querystring.Everything):
        return Sql(ALL)
    if isinstance(node, querystring.Not):
        part = _tree(index, node.part, columns)
        return Sql(f"NOT {part.text}", part.params)
    if columns is None:
        return Sql(NOTHING)
    if not querystring.negated(node):
        table = index.text_table
        return Sql(f"d.num IN (SELECT rowid FROM {table} WHERE {table} MATCH ?)", (_match(node, columns),))
    parts = [_tree(index, part, columns) for part in node.parts] if isinstance(node, querystring.Group) else []
    op = f" {node.op} " if isinstance(node, querystring.Group) else ""
    return Sql(f"({op.join(part.text for part in parts)})", tuple(param for part in parts for param in part.params))


def _match(node: querystring.Node, columns: str) -> str:
    if isinstance(node, querystring.Leaf):
        return _leaf(node, columns)
    parts = node.parts if isinstance(node, querystring.Group) else ()
    op = f" {node.op} " if isinstance(node, querystring.Group) else ""
    return f"({op.join(_match(part, columns) for part in parts)})"
