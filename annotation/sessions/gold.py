"""Gold items: prompts whose answer is known, mixed in among the others.

The key lies in the session's folder, readable by its owner alone. Nothing of it goes to Argilla: an annotator can filter
by metadata that is hidden from view, so there is none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from annotation.sessions.plan import all_plans, folder, private_session_folder
from curation.errors import AnnotationError
from curation.storage import write_text

if TYPE_CHECKING:
    from curation.workspace import Workspace

KNOWN = ("benign", "harmful")  # answers that a key can hold: what is open to dispute is no gold
FILE = "gold.json"


def read_key(workspace: Workspace, name: str) -> dict[str, str]:
    """The key of one session: prompt id -> answer, those of the practice round included."""
    path = folder(workspace, name) / FILE
    return read_gold_file(path) if path.exists() else {}


def write_key(workspace: Workspace, name: str, key: Mapping[str, str]) -> None:
    """Add to a session's key. It is written before the plan that uses it."""
    whole = {**read_key(workspace, name), **key}
    path = private_session_folder(workspace, name) / FILE
    write_text(path, json.dumps(whole, indent=1, sort_keys=True) + "\n", mode=0o600)


def gold_answers(workspace: Workspace) -> dict[str, str]:
    """The known answer of every gold item of every session: prompt id -> answer."""
    return {key: answer for plan in all_plans(workspace) for key, answer in read_key(workspace, plan.name).items()}


def read_gold_file(path: Path) -> dict[str, str]:
    """A key from a JSON file: {"<prompt id>": "benign" or "harmful"}."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise AnnotationError(f"cannot read the gold key {path}: {exc}", fix="give a readable JSON file") from exc
    if not isinstance(raw, dict) or not all(answer in KNOWN for answer in raw.values()):
        raise AnnotationError(
            f"{path} is no gold key", fix='write it as {"<prompt id>": "benign", "<prompt id>": "harmful"}'
        )
    return raw
