"""Sources from the package index: those of Argilla hold its tests. They are downloaded, never kept here."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest


def unpacked(python: str | Path, name: str, version: str, folder: Path) -> Path:
    """The unpacked sources of a release, fetched by this Python's pip; skips the test where there is no index."""
    command = [python, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", folder]
    done = subprocess.run([*command, f"{name}=={version}"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{name}'s sources cannot be downloaded: {done.stderr.strip().splitlines()[-1:]}")
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir())
