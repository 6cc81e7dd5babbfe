"""Copies of everything that people made, taken while the server runs, and the way back."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import time
from pathlib import Path

from annotation.server.launch import holder
from curation.errors import ServerError

DATABASE = "argilla.db"
KEPT = ("credentials.json", "auth_secret")
MANIFEST = "backup.json"


def backup(home: Path, target: Path) -> Path:
    """Copy database and credentials of ``home`` into the new folder ``target``; the server may run meanwhile."""
    home, target = Path(home).expanduser().resolve(), Path(target).expanduser().resolve()
    if not (home / DATABASE).exists():
        raise ServerError(f"{home} holds no {DATABASE}", fix="name the home of a server that was started once")
    if target.exists():
        raise ServerError(f"{target} is already there", fix="name a new folder")
    draft = target.with_name(f".{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    with (
        contextlib.closing(sqlite3.connect(home / DATABASE, timeout=30)) as source,
        contextlib.closing(sqlite3.connect(draft / DATABASE)) as copy,
    ):
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        sound = copy.execute("PRAGMA quick_check").fetchone()[0]
    if sound != "ok":
        raise ServerError(f"the database in {home} is damaged: {sound}", fix="restore an older backup")
    for name in KEPT:
        if (home / name).exists():
            shutil.copyfile(home / name, draft / name)
    files = sorted(file for file in draft.iterdir())
    for file in files:
        file.chmod(0o600)
    manifest = {"taken": time.time(), "sha256": {file.name: _digest(file) for file in files}}
    (draft / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    draft.rename(target)
    return target


def restore(source: Path, home: Path, replace: bool = False) -> Path:
    """Put a backup into ``home``, which must be stopped and empty (or ``replace``: the old database is kept aside)."""
    source, home = Path(source).expanduser().resolve(), Path(home).expanduser().resolve()
    _verify(source)
    if holder(home) is not None:
        raise ServerError(f"the server in {home} runs", fix="stop it with `morbench annotate down`")
    if (home / DATABASE).exists() and not replace:
        raise ServerError(f"{home} already holds a database", fix="choose another home, or ask to replace it")
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = home / f"replaced-{time.strftime('%Y%m%d-%H%M%S')}"
    for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", *KEPT):
        if (home / name).exists():
            aside.mkdir(mode=0o700, exist_ok=True)
            (home / name).rename(aside / name)
    for name in ("search.db", "search.db-wal", "search.db-shm", "run/clean"):
        (home / name).unlink(missing_ok=True)  # the index is made again at the next start
    for name in (*KEPT, DATABASE):
        if (source / name).exists():
            shutil.copyfile(source / name, home / f".{name}.draft")
            (home / f".{name}.draft").chmod(0o600)
            os.replace(home / f".{name}.draft", home / name)
    return home


def _verify(source: Path) -> None:
    try:
        wanted = json.loads((source / MANIFEST).read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError) as exc:
        raise ServerError(f"{source} is no backup: it has no whole {MANIFEST}", fix="name a backup's folder") from exc
    for name, digest in wanted.items():
        if not (source / name).exists() or _digest(source / name) != digest:
            raise ServerError(f"{source / name} is missing or was changed since the backup", fix="use another backup")


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as data:
        while block := data.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
