"""What the last pull saw of each dataset, so that the next one asks only for what changed since.

Argilla marks a dataset with the time of its last answer, and counts answers by person. Both are read before the records:
an answer that comes meanwhile changes them, and the next pull fetches the dataset again. The file is written after the
answers are; it can be deleted at any time, and then everything is fetched.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from annotation.accounts import private_folder
from annotation.datasets import users_progress
from curation.records import canonical, digest
from curation.storage import write_text
from curation.tables import Manifest

if TYPE_CHECKING:
    from annotation.client import Client
    from curation.tables import Table
    from curation.workspace import Workspace

VERSION = 1  # of what a pull makes of a dataset


class Pulled:
    """The marks of the datasets, as of the last pull and as of this one."""

    def __init__(self, workspace: Workspace, step: str, tables: tuple[Table, ...], *, everything: bool = False) -> None:
        """`tables` hold what was pulled: where they do not hold what they held then, no mark counts."""
        self._workspace = workspace
        self._path = workspace.root / "annotation" / "pulled.json"
        self._manifests = [table.folder / f"{step}.json" for table in tables]
        self._known: dict[str, str] = {} if everything else self._read()
        self._seen: dict[str, str] = {}

    def unchanged(self, client: Client, dataset: dict[str, Any], salt: str = "") -> bool:
        """Whether a dataset is as the last pull saw it; `salt` is what else decides what a pull makes of it."""
        progress = users_progress(client, dataset["id"])
        mark = digest(str(VERSION), dataset["name"], str(dataset.get("last_activity_at")), canonical(progress), salt)
        self._seen[dataset["id"]] = mark
        return self._known.get(dataset["id"]) == mark

    def save(self) -> None:
        """Keep what this pull saw; call it once the answers are on disk."""
        marks = {**self._known, **self._seen}
        if not marks:
            return
        raw = {"tables": [shards[-1] if (shards := self._shards(index)) else "" for index in (0, 1)], "marks": marks}
        private_folder(self._workspace)
        text = json.dumps(raw, indent=1, sort_keys=True) + "\n"
        if not self._path.exists() or self._path.read_text(encoding="utf-8") != text:
            write_text(self._path, text)

    def _read(self) -> dict[str, str]:
        try:
            raw = json.loads(self._path.read_text(encoding="utf-8"))
            held = all(not shard or shard in self._shards(index) for index, shard in enumerate(raw["tables"]))
            return {str(key): str(mark) for key, mark in raw["marks"].items()} if held else {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
            return {}  # a cache: without it everything is fetched

    def _shards(self, index: int) -> list[str]:
        path = self._manifests[index]
        return [name for name, *_ in Manifest.read(path).shards] if path.exists() else []
