"""What the index knows of each field: its type, and its values brought to that type."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Any

Properties = Mapping[str, Mapping[str, Any]]
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
NUMBERS = ("long", "integer", "float")


def type_of(properties: Properties, field: str) -> str | None:
    """The declared type of a dotted field; None when it is unknown or not searchable."""
    found = properties.get(field)
    if found is None:
        parent, _, name = field.rpartition(".")
        inner = properties.get(parent, {}).get("properties", {})
        found = inner.get(name)
    if found is None or found.get("enabled") is False:
        return None
    kind = found.get("type")
    return str(kind) if kind else None


def text_fields(properties: Properties) -> list[str]:
    """Names of the record fields that hold text to search, in declared order."""
    return [
        name.removeprefix("fields.")
        for name, declared in properties.items()
        if name.startswith("fields.")
        and (declared.get("type") == "text" or "content" in declared.get("properties", {}))
    ]


def plain(value: Any) -> Any:
    """Enums and ids as JSON has them."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int | float | bool | list | dict):
        return value
    return str(value)


def microseconds(value: Any) -> int | None:
    """A moment as microseconds since 1970; numbers are milliseconds, as in Elasticsearch."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            return None
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        return (aware - EPOCH) // timedelta(microseconds=1)
    return int(value * 1000) if isinstance(value, int | float) else None


def single(number: float) -> float | None:
    """The number as a 32-bit float holds it; None when it is none that can be compared."""
    try:
        held = float(struct.unpack("f", struct.pack("f", number))[0])
    except OverflowError:
        return None
    return held if math.isfinite(held) else None


def coerced(kind: str | None, value: Any) -> Any:
    """The value in the field's type; None when it cannot be."""
    value = plain(value)
    if value is None or kind is None:
        return None
    if kind == "keyword":
        return str(value).lower() if isinstance(value, bool) else str(value)
    if kind in ("date", "date_nanos"):
        return microseconds(value)
    if kind not in NUMBERS or isinstance(value, bool | list | dict):
        return None
    try:
        return single(float(value)) if kind == "float" else int(str(value) if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return _truncated(value)


def _truncated(value: Any) -> int | None:
    try:
        return int(float(value))
    except (ValueError, OverflowError):
        return None


def stored(kind: str | None, value: Any) -> Any:
    """The value as the index keeps it: lists item by item, unsearchable values untouched."""
    if kind is None:
        return plain(value)
    if isinstance(value, list | tuple):
        return [item for item in (coerced(kind, one) for one in value) if item is not None]
    return coerced(kind, value)


def bound(kind: str | None, value: Any) -> Any:
    """A limit of a range: whole numbers may be limited by fractions."""
    if kind in ("long", "integer"):
        try:
            return float(value)
        except (TypeError, ValueError):
            return None
    return coerced(kind, value)
