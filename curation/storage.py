"""Files that are whole or absent: written beside, synced, renamed; a full disk is one clear error."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from curation.errors import StorageError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_PLACE = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOENT, errno.ENAMETOOLONG}


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn a full or read-only disk, or a path where no file can be, into a StorageError that names the path."""
    try:
        yield
    except OSError as exc:
        told = storage_error(exc, path)
        if told is None and exc.errno in _NO_PLACE:
            told = StorageError(
                f"cannot write {path}: {exc.strerror}", fix="give another path: something is in the way there"
            )
        if told is None:
            raise
        raise told from exc


def storage_error(exc: OSError, path: Path | None) -> StorageError | None:
    """What to tell a person about a full disk or a file that may not be touched; None for other errors."""
    if exc.errno in _FULL:
        return StorageError(
            "no space left on the disk" + (f" of {path.parent}" if path else ""),
            fix="free some space and run the same command again: finished work is kept",
        )
    if exc.errno in _DENIED:
        return StorageError(
            f"cannot read or write {path or 'a file'}: {exc.strerror}",
            fix="check the owner and mode of the file and its folder",
        )
    return None


def write_atomically(path: Path, fill: Callable[[BinaryIO], object], *, mode: int = 0o644) -> None:
    """Let `fill` write a temporary file beside `path`, sync it, and rename it over `path`."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, mode)
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
        sync_folder(path.parent)


def write_text(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write UTF-8 text, whole or not at all."""
    write_atomically(path, lambda file: file.write(text.encode("utf-8")), mode=mode)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut (a no-op where folders cannot be opened)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(file)


def _digest(file: BinaryIO) -> str:
    state = hashlib.sha256()
    while block := file.read(1 << 20):
        state.update(block)
    return state.hexdigest()


def require_space(folder: Path, needed: int, what: str) -> None:
    """Raise StorageError unless `folder`'s disk has `needed` bytes free."""
    import shutil

    probe = folder
    while not probe.exists():
        probe = probe.parent
    free = shutil.disk_usage(probe).free
    if free < needed:
        raise StorageError(
            f"{what} needs {needed / 1e9:.1f} GB in {folder}, but {free / 1e9:.1f} GB are free",
            fix="free some space, or point MORBENCH_CACHE at a larger disk",
        )
