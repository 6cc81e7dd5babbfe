# ruff: noqa: S608  (every name in the SQL comes from a closed set here; values are parameters)
"""The expressions to sort documents by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .compiler import COLUMNS, RESPONSE_COLUMNS, Index, Sql, compiled, json_path
from .mapping import NUMBERS, plain, type_of


def sort_key(index: Index, field: str, spec: Any) -> tuple[Sql, str]:
    """The expression to sort by and its direction; several values count as their least or greatest, or their mean."""
    options = spec if isinstance(spec, Mapping) else {"order": spec}
    direction = "DESC" if str(plain(options.get("order", "asc"))) == "desc" else "ASC"
    head, _, name = field.partition(".")
    pick = "max" if direction == "DESC" else "min"
    if field in COLUMNS:
        return Sql(COLUMNS[field]), direction
    if head == "responses" and name:
        return _response_key(index, name, type_of(index.properties, field), options, pick), direction
    if head == "metadata":
        return Sql(f"(SELECT {pick}(value) FROM json_each(d.metadata, ?))", (json_path(name),)), direction
    if head == "suggestions" and type_of(index.properties, field):
        question, _, part = name.rpartition(".")
        path = f"{json_path(question)}{json_path(part)[1:]}"
        return Sql(f"(SELECT {pick}(value) FROM json_each(d.suggestions, ?))", (path,)), direction
    return Sql("NULL"), direction


def _response_key(index: Index, name: str, kind: str | None, options: Mapping[str, Any], pick: str) -> Sql:
    chosen = options.get("nested", {}).get("filter", {"match_all": {}})
    only = compiled(index, chosen, nested=True)
    if name in RESPONSE_COLUMNS:
        text = f"(SELECT {pick}({RESPONSE_COLUMNS[name]}) FROM responses r WHERE r.doc = d.num AND {only.text})"
        return Sql(text, only.params)
    if kind is None:
        return Sql("NULL")
    how = "avg" if kind in NUMBERS else pick
    text = f"(SELECT {how}(j.value) FROM responses r, json_each(r.answers, ?) j WHERE r.doc = d.num AND {only.text})"
    return Sql(text, (json_path(name), *only.params))
