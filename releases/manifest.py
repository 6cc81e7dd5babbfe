"""A release's manifest: what it holds, how it was made, and the digest of every file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from curation.errors import ReleaseError
from curation.records import digest
from curation.storage import file_digest
from curation.workspace import Workspace

MANIFEST = "manifest.json"


def release_folder(workspace: Workspace, version: str = "") -> Path:
    """Where a version lies in a project."""
    return workspace.root / "releases" / (version or workspace.config.release.version)


def file_list(folder: Path) -> list[dict[str, Any]]:
    """Path, size and SHA-256 of every file but the manifest, sorted by path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    return [
        {"path": path.relative_to(folder).as_posix(), "bytes": path.stat().st_size, "sha256": file_digest(path)}
        for path in paths
    ]


def content_digest(files: list[dict[str, Any]]) -> str:
    """One digest over all files of a release."""
    return digest(*(f"{entry['path']}:{entry['sha256']}" for entry in files))


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a release's manifest."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReleaseError(
            f"{folder} has no {MANIFEST}", fix="give the folder of a version, or make one with `morbench release build`"
        ) from None
    except ValueError as exc:
        raise ReleaseError(f"{folder / MANIFEST} is not valid JSON: {exc}", fix="build the release again") from None
    missing = [
        key
        for key in ("version", "draft", "rows", "files", "content_sha256")
        if not isinstance(manifest, dict) or key not in manifest
    ]
    if missing:
        raise ReleaseError(
            f"{folder / MANIFEST} is no manifest of a release: {', '.join(missing)} missing",
            fix="build the release again",
        )
    return dict(manifest)


def verify(folder: Path) -> list[str]:
    """Recompute everything the manifest claims; returns what does not hold (empty: the release is as published)."""
    manifest = read_manifest(folder)
    listed = {entry["path"]: entry for entry in manifest["files"]}
    found = {entry["path"]: entry for entry in file_list(folder)}
    problems = [f"{path}: missing" for path in sorted(set(listed) - set(found))]
    problems += [f"{path}: not listed in the manifest" for path in sorted(set(found) - set(listed))]
    problems += [f"{path}: digest differs from the manifest" for path in sorted(set(found) & set(listed))
                 if found[path]["sha256"] != listed[path]["sha256"]]  # fmt: skip
    if not problems and content_digest(manifest["files"]) != manifest["content_sha256"]:
        problems.append(f"{MANIFEST}: content_sha256 does not fit its list of files")
    return problems + ([] if problems else _count_problems(folder, manifest))


def _count_problems(folder: Path, manifest: dict[str, Any]) -> list[str]:
    import pyarrow.parquet as pq

    paths = {split: folder / f"data/{split}.parquet" for split in manifest["rows"]["by_split"]}
    counts = {split: pq.read_metadata(path).num_rows if path.exists() else 0 for split, path in paths.items()}
    return [f"data/{split}.parquet: {counts[split]} rows, the manifest says {rows}"
            for split, rows in manifest["rows"]["by_split"].items() if counts[split] != rows]  # fmt: skip
