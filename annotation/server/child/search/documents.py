"""A document as Argilla sends it, cut into what the tables hold. Field texts are kept only as words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .analysis import GAP, indexed
from .mapping import Properties, microseconds, plain, stored, text_fields, type_of


@dataclass
class Row:
    """One document: plain columns, JSON columns, and the parts that live in tables of their own."""

    external_id: str | None = None
    status: str | None = None
    inserted_at: int | None = None
    updated_at: int | None = None
    metadata: str | None = None
    suggestions: str | None = None
    responses: Sequence[Mapping[str, Any]] = ()
    vectors: dict[str, Sequence[float]] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)


def row_of(properties: Properties, document: Mapping[str, Any]) -> Row:
    """Cut a document, or a part of one; ``vectors.x`` as a key is taken as member x of vectors."""
    dotted = {key.removeprefix("vectors."): value for key, value in document.items() if key.startswith("vectors.")}
    external_id, status = plain(document.get("external_id")), plain(document.get("status"))
    return Row(
        external_id=None if external_id is None else str(external_id),
        status=None if status is None else str(status),
        inserted_at=microseconds(document.get("inserted_at")),
        updated_at=microseconds(document.get("updated_at")),
        metadata=_metadata(properties, document.get("metadata")),
        suggestions=_suggestions(properties, document.get("suggestions")),
        responses=document.get("responses") or (),
        vectors={**(document.get("vectors") or {}), **dotted},
        words=[_words((document.get("fields") or {}).get(name)) for name in text_fields(properties)],
    )


def _metadata(properties: Properties, metadata: Mapping[str, Any] | None) -> str | None:
    if not metadata:
        return None
    kept = {}
    for name, value in metadata.items():
        kind = type_of(properties, f"metadata.{name}")
        if kind is not None:
            kept[name] = stored(kind, value)
    return json.dumps(kept)


def _suggestions(properties: Properties, suggestions: Mapping[str, Mapping[str, Any]] | None) -> str | None:
    if not suggestions:
        return None
    return json.dumps(
        {
            question: {
                part: stored(type_of(properties, f"suggestions.{question}.{part}"), value)
                for part, value in suggestion.items()
            }
            for question, suggestion in suggestions.items()
        },
        default=str,
    )


def _words(value: Any) -> str:
    if isinstance(value, list):  # a chat: no phrase runs from one message into the next
        return f" {GAP} ".join(indexed(str(one.get("content", ""))) for one in value if isinstance(one, Mapping))
    return "" if value is None else indexed(str(value))
