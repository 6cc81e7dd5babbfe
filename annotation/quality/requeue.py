"""Send doubtful items back to people: a list that `morbench session open --from-requeue` reads."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotation.accounts import private_folder
from annotation.quality.tables import Row
from curation.storage import write_text

if TYPE_CHECKING:
    from annotation.quality.audit import Audit
    from curation.workspace import Workspace

FILE = "requeue.json"
FORMAT = 1


def write_requeue(workspace: Workspace, chosen: Sequence[Row], audit: Audit) -> Path:
    """Write `<project>/annotation/requeue.json`, in place of an earlier one."""
    path = private_folder(workspace) / FILE
    raw = {"format": FORMAT, "audit": audit.head["name"], "items": list(chosen)}
    write_text(path, json.dumps(raw, indent=1, sort_keys=True, ensure_ascii=False) + "\n", mode=0o600)
    return path


def doubtful(audit: Audit, at_most: int, languages: Collection[str] = ()) -> list[Row]:
    """The items that one more answer would help most: controversial ones by gain and suspects by doubt take turns."""
    settled = {row["prompt"]["prompt"] for row in audit.tables["items"].rows if row["settled"]}
    controversial = (_row(row, "controversial", gain=row["gain"]) for row in audit.tables["items"].rows
                     if row["outcome"] == "controversial")  # fmt: skip
    suspects = (_row(row, "likely mislabelled", probability=row["P(people's label)"])
                for row in audit.tables["suspects"].rows)  # fmt: skip
    found: dict[str, Row] = {}
    for row in _in_turns(controversial, suspects):
        if row["prompt_id"] not in settled and (not languages or row["language"] in languages):
            found.setdefault(row["prompt_id"], row)
    return list(found.values())[:at_most]


def _row(row: Row, reason: str, **evidence: Any) -> Row:
    return {"prompt_id": row["prompt"]["prompt"], "language": row["language"], "reason": reason, **evidence}


def _in_turns(*columns: Iterator[Row]) -> Iterator[Row]:
    for group in zip_longest(*columns):
        yield from (row for row in group if row is not None)
