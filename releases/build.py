"""Building a version: verdicts joined with everything known of each prompt, frozen as Parquet with card and manifest."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

from curation.config import Config
from curation.errors import ReleaseError
from curation.records import REFUSED, Margin, Prompt, RefusalLabel, Verdict, canonical, digest
from curation.storage import storage_errors, sync_folder, write_text
from curation.tables import TABLES, Table
from curation.workspace import CHOSEN, Workspace
from releases.card import card_text
from releases.gates import Gate, check_gates
from releases.manifest import MANIFEST, content_digest, file_list, read_manifest, release_folder, verify

SPLITS = ("test", "train", "controversial")
TRAIN_SHARE = 0.25


class Built(NamedTuple):
    """A version on disk."""

    folder: Path
    manifest: dict[str, Any]

    def line(self) -> str:
        """One line for the terminal."""
        kind = "draft" if self.manifest["draft"] else "release"
        return (
            f"{kind} {self.manifest['version']}, {self.manifest['rows']['total']} rows, {self.folder.name}/{MANIFEST}"
        )


def run_build(workspace: Workspace) -> Built:
    """Build the configured version; a draft is replaced when its content changes, a published version never."""
    rows = release_rows(workspace)
    if not rows:
        raise ReleaseError(
            f"{workspace.root}: no prompt has a verdict yet",
            fix="let people answer, then `morbench annotate pull` and `morbench verdicts`",
        )
    config = workspace.config
    gates = check_gates(rows, config.project.languages, config.queue.min_responses)
    folder = release_folder(workspace)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with storage_errors(folder), tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
        made = Path(scratch) / folder.name
        manifest = _write(made, workspace, rows, gates)
        if (folder / MANIFEST).exists():
            old = read_manifest(folder)
            if old == manifest and not verify(folder):  # a damaged copy of the same version is built again
                return Built(folder, old)
            if not old["draft"] and old != manifest:
                raise ReleaseError(
                    f"{folder} is published and never changes", fix="raise release.version in morbench.toml"
                )
        if folder.exists():  # moved whole: a kill while deleting must not leave a folder that nothing can replace
            os.replace(folder, Path(scratch) / "old")
        os.replace(made, folder)
        sync_folder(folder.parent)
    return Built(folder, manifest)


def release_rows(workspace: Workspace) -> list[dict[str, Any]]:
    """One row per prompt with a verdict, sorted by language and id."""
    prompts = {row.id: row for row in workspace.alive(CHOSEN)}
    margins: dict[str, dict[str, float]] = defaultdict(dict)
    for margin in workspace.table(Margin).rows():
        margins[margin.prompt_id][margin.target] = round(margin.margin, 4)
    labels: dict[str, dict[str, str]] = defaultdict(dict)
    for label in workspace.table(RefusalLabel).rows():
        labels[label.prompt_id][label.target] = label.label
    found = []
    for verdict in workspace.table(Verdict).rows():
        row = prompts.get(verdict.prompt_id)
        if row is None:
            continue
        origin = origin_of(row, workspace.config)
        found.append({
            "id": row.id, "text": row.text, "language": row.language, "category": row.category, "verdict": verdict.verdict,
            "split": "controversial" if verdict.verdict == "controversial" else split_of(row),
            "posterior_harmful": round(verdict.posterior, 6), "responses": verdict.responses,
            "agreement": round(verdict.agreement, 6), "simulated": verdict.simulated,
            "intent": row.intent, "method": row.method, "generator": row.generator, "provenance": row.detail,
            "source": origin.source, "licence": origin.licence,
            "refused_by": sorted(target for target, label in labels[row.id].items() if label in REFUSED),
            "answered_by": sorted(target for target, label in labels[row.id].items() if label == "full_compliance"),
            "margins": canonical(margins[row.id]),
        })  # fmt: skip
    return sorted(found, key=lambda entry: (entry["language"], entry["id"]))


class Origin(NamedTuple):
    """The set that a prompt comes from, and its licence."""

    source: str
    licence: str


def origin_of(row: Prompt, config: Config) -> Origin:
    """An imported prompt's own source and licence; what the project wrote has the project's."""
    if row.method != "import":
        return Origin(config.project.name, config.release.license)
    detail = json.loads(row.detail)
    return Origin(detail["source"], detail["licence"])


def split_of(row: Prompt) -> str:
    """Train or test by a digest of what a prompt grew from, so that prompts of one frame never part."""
    detail = json.loads(row.detail)
    origin = detail.get("slots", {}).get("frame", row.id)
    return "train" if int(digest("split", row.language, origin)[:8], 16) / 2**32 < TRAIN_SHARE else "test"


def _write(folder: Path, workspace: Workspace, rows: list[dict[str, Any]], gates: list[Gate]) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (folder / "data").mkdir(parents=True)
    strings = (
        "id",
        "text",
        "language",
        "category",
        "verdict",
        "split",
        "intent",
        "method",
        "generator",
        "provenance",
        "source",
        "licence",
        "margins",
    )
    schema = pa.schema([(name, pa.list_(pa.string()) if name.endswith("_by") else pa.string() if name in strings else
                         pa.bool_() if name == "simulated" else pa.int64() if name == "responses" else pa.float64())
                        for name in rows[0]])  # fmt: skip
    by_split = {}
    for split in SPLITS:
        part = [row for row in rows if row["split"] == split]
        if part:
            pq.write_table(
                pa.Table.from_pylist(part, schema=schema), folder / f"data/{split}.parquet", compression="zstd"
            )
            by_split[split] = len(part)
    counts = {"total": len(rows), "by_split": by_split,
              "by_language": dict(sorted(Counter(row["language"] for row in rows).items())),
              "by_verdict": dict(sorted(Counter(row["verdict"] for row in rows).items()))}  # fmt: skip
    origins = sorted(Counter((row["source"], row["licence"]) for row in rows).items())
    sources = [{"source": source, "licence": licence, "rows": count} for (source, licence), count in origins]
    config = workspace.config
    head = {"name": config.project.name, "version": config.release.version, "license": config.release.license,
            "draft": not all(gate.held for gate in gates), "gates": [gate._asdict() for gate in gates], "rows": counts, "sources": sources,
            "targets": [target.model_dump() for target in config.targets], "recipe": _recipe(workspace)}  # fmt: skip
    write_text(folder / "README.md", card_text(head))
    files = file_list(folder)
    manifest = {**json.loads(json.dumps(head)), "files": files, "content_sha256": content_digest(files)}
    write_text(folder / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    return manifest


def _recipe(workspace: Workspace) -> list[dict[str, Any]]:
    """Every step that wrote a table on the way here, with its version and settings."""
    return [{"table": name, "step": manifest.step, "version": manifest.version, "settings": manifest.settings,
             "rows": sum(rows for _, _, rows in manifest.shards)}
            for kind, name in TABLES.items() if name not in {"rejects"}
            for manifest in Table(workspace.root / name, kind).manifests()]  # fmt: skip
