"""Tables of records on disk: Parquet shards of one schema, listed by manifests that are written last.

A table is a folder. `shards/` holds content-addressed Parquet files; each `<step>.json` beside it is the manifest of the
step that wrote them: which shards, in which order, with their SHA-256. A shard that no manifest lists is
not part of the table.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from curation import records
from curation.errors import WorkspaceError
from curation.storage import file_digest, write_atomically, write_text

Record = TypeVar("Record")

TABLES: dict[type, str] = {
    records.Prompt: "prompts",
    records.Identification: "identifications",
    records.Duplicate: "duplicates",
    records.Reply: "replies",
    records.RefusalLabel: "labels",
    records.Margin: "margins",
    records.Trigger: "triggers",
    records.Selection: "selections",
    records.Triage: "triage",
    records.Response: "responses",
    records.Verdict: "verdicts",
    records.Reject: "rejects",
}


def write_shard(path: Path, kind: type[Record], rows: Sequence[Record]) -> None:
    """Write records as one Parquet file, whole or not at all; the same rows give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = records.schema_of(kind)
    columns = {field.name: [getattr(row, field.name) for row in rows] for field in schema}
    try:
        table = pa.table(columns, schema=schema)
    except UnicodeEncodeError:
        raise _unwritable(path, columns) from None
    write_atomically(path, lambda file: pq.write_table(table, file, compression="zstd"))


def _unwritable(path: Path, columns: dict[str, list[Any]]) -> WorkspaceError:
    """Which row holds half a surrogate pair: no table can, and a text is never changed in silence."""
    for name, values in columns.items():
        for number, value in enumerate(values, 1):
            if isinstance(value, str) and value.encode("utf-8", "replace") != value.encode("utf-8", "surrogatepass"):
                first = next(iter(columns.values()))[number - 1]
                where = f"row {number} ({next(iter(columns))} {str(first)[:40]!r}), {name}"
                return WorkspaceError(
                    f"{path.parent.parent}: {where}: half a surrogate pair cannot be kept",
                    fix="mend that text where it comes from; nothing was written",
                )
    return WorkspaceError(f"{path} cannot hold these rows", fix="report this")


def read_shard(path: Path, kind: type[Record]) -> list[Record]:
    """Read one Parquet file of records; a damaged file is named in the error."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        written = set(pq.read_schema(path).names)
        # A shard of an earlier version lacks the columns that were added since: their fields have a default.
        fields = [field for field in dataclasses.fields(kind)  # type: ignore[arg-type]
                  if field.name in written or field.default is dataclasses.MISSING]  # fmt: skip
        schema = pa.schema([records.schema_of(kind).field(field.name) for field in fields])
        if not written.issuperset(schema.names):
            raise KeyError(f"no column {next(name for name in schema.names if name not in written)!r}")
        table = pq.read_table(path, schema=schema)
    except (pa.ArrowInvalid, OSError, KeyError) as exc:
        raise WorkspaceError(
            f"cannot read {path}: {exc}", fix="delete that file and run the same command again"
        ) from exc
    columns = {name: table.column(name).to_pylist() for name in schema.names}
    return [kind(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]


@dataclasses.dataclass(frozen=True, slots=True)
class Manifest:
    """What one step wrote into a table: its version and settings, and its shards in order."""

    step: str
    version: int
    settings: dict[str, Any]
    shards: tuple[tuple[str, str, int], ...]  # file name, SHA-256, rows

    def write(self, folder: Path) -> None:
        """Write `<step>.json`, last of all and only when it changed."""
        text = json.dumps({
            "step": self.step, "version": self.version, "settings": self.settings,
            "shards": [{"file": name, "sha256": sha, "rows": rows} for name, sha, rows in self.shards],
        }, indent=1, sort_keys=True, ensure_ascii=False) + "\n"  # fmt: skip
        path = folder / f"{self.step}.json"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read a manifest; a broken one is named in the error."""
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            shards = tuple((shard["file"], shard["sha256"], int(shard["rows"])) for shard in raw["shards"])
            return cls(raw["step"], int(raw["version"]), raw["settings"], shards)
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise WorkspaceError(
                f"cannot read the manifest {path}: {exc}", fix="delete it and run the same command again"
            ) from exc


def append_shard(table: Table, step: str, version: int, rows: Sequence[Any]) -> int:
    """Append rows as one shard named by its content, then rewrite the step's manifest; returns the shards written.

    The first call writes the manifest even without rows: an empty table is a fact, a missing one is not.
    """
    path = table.folder / f"{step}.json"
    shards = Manifest.read(path).shards if path.exists() else ()
    if rows:
        # The number of shards before it keeps apart two appends that happen to bring equal rows.
        key = records.digest(step, str(version), str(len(shards)), *(repr(dataclasses.astuple(row)) for row in rows))[
            :32
        ]
        shard = table.shard_path(key)
        write_shard(shard, table.kind, rows)
        shards = (*shards, (shard.name, file_digest(shard), len(rows)))
    Manifest(step, version, {}, shards).write(table.folder)
    return 1 if rows else 0


class Table:
    """One table of a project: a folder of shards and manifests."""

    def __init__(self, folder: Path, kind: type[Any]) -> None:
        self.folder = folder
        self.kind = kind

    def shard_path(self, key: str) -> Path:
        """Where the shard with this content key lies."""
        return self.folder / "shards" / f"{key}.parquet"

    def manifests(self) -> list[Manifest]:
        """The manifests in the table, by step name."""
        return [Manifest.read(path) for path in sorted(self.folder.glob("*.json"))]

    def rows(self, steps: Iterable[str] | None = None) -> list[Any]:
        """All rows that the manifests list (of the given steps in that order, or of all), digests checked."""
        found: list[Any] = []
        manifests = {manifest.step: manifest for manifest in self.manifests()}
        for manifest in [manifests[step] for step in (manifests if steps is None else steps) if step in manifests]:
            for name, sha, _ in manifest.shards:
                path = self.folder / "shards" / name
                if not path.exists() or file_digest(path) != sha:
                    raise WorkspaceError(
                        f"{path} is missing or not the file that {manifest.step}.json lists",
                        fix=f"delete {self.folder / (manifest.step + '.json')} and run again",
                    )
                found.extend(read_shard(path, self.kind))
        return found
