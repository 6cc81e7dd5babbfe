"""The server's folder: secrets, lock, state and marks. Only the user may look into it."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OWNER = "owner"
LOCK_TRIES = 40


class Busy(RuntimeError):
    """Another server runs in this folder."""


@dataclass(frozen=True)
class Home:
    """Names of everything in the folder."""

    path: Path

    @property
    def run(self) -> Path:
        """What belongs to one run of the server: log, lock, state, temporary files."""
        return self.path / "run"

    @property
    def credentials(self) -> Path:
        """The owner's name, password and API key."""
        return self.path / "credentials.json"

    @property
    def state(self) -> Path:
        """Written last, when the server answers; gone when it stopped well."""
        return self.run / "server.json"

    @property
    def clean(self) -> Path:
        """There only after a stop in good order."""
        return self.run / "clean"

    def prepare(self) -> None:
        """Make the folders, for the user alone, and throw away what an older run left."""
        for folder in (self.path, self.run):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
        shutil.rmtree(self.run / "tmp", ignore_errors=True)
        (self.run / "tmp").mkdir()

    def lock(self) -> int:
        """Hold the folder as long as this process lives; the system lets go even after kill -9."""
        self.run.mkdir(parents=True, exist_ok=True)
        held = os.open(self.run / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for left in range(LOCK_TRIES, -1, -1):  # whoever asks for the server's state holds the lock for an instant
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as exc:
                if not left:
                    os.close(held)
                    raise Busy(f"another server runs in {self.path}") from exc
                time.sleep(0.05)
        os.ftruncate(held, 0)
        os.pwrite(held, str(os.getpid()).encode(), 0)
        return held

    def secret(self, name: str) -> str:
        """A secret that is made once and kept."""
        file = self.path / name
        if not file.exists():
            write_whole(file, secrets.token_urlsafe(48))
        return file.read_text(encoding="utf-8").strip()

    def owner(self) -> dict[str, str]:
        """The owner's credentials, made on first use."""
        if not self.credentials.exists():
            made = {
                "username": OWNER,
                "password": secrets.token_urlsafe(18),
                "api_key": secrets.token_urlsafe(48),
            }
            write_whole(self.credentials, json.dumps(made, indent=2) + "\n")
        found: dict[str, str] = json.loads(self.credentials.read_text(encoding="utf-8"))
        return found

    def started(self, port: int, version: str) -> None:
        """Tell the outside that the server answers now."""
        write_whole(
            self.state,
            json.dumps({"pid": os.getpid(), "port": port, "argilla": version, "started": time.time()}) + "\n",
        )

    def take_clean(self) -> bool:
        """True when the last run stopped in good order; the mark is taken away."""
        was = self.clean.exists()
        self.clean.unlink(missing_ok=True)
        return was

    def stopped(self) -> None:
        """Leave the mark of a stop in good order."""
        write_whole(self.clean, "clean\n")
        self.state.unlink(missing_ok=True)
        shutil.rmtree(self.run / "tmp", ignore_errors=True)


def write_whole(file: Path, text: str) -> None:
    """Write a file of the user's own in one step: it is there whole or not at all."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    os.replace(draft, file)


def environment(auth_secret: str, port: int, engine: str) -> Mapping[str, str]:
    """Argilla's settings; it reads them at its first import. Paths are relative: the process works inside the home."""
    origins: Any = [f"http://127.0.0.1:{port}", f"http://localhost:{port}"]
    return {
        "ARGILLA_HOME_PATH": ".",
        "ARGILLA_DATABASE_URL": "sqlite+aiosqlite:///argilla.db?check_same_thread=False",
        "ARGILLA_DATABASE_SQLITE_TIMEOUT": "30",
        "ARGILLA_SEARCH_ENGINE": engine,
        "ARGILLA_AUTH_SECRET_KEY": auth_secret,
        "ARGILLA_AUTH_OAUTH_CFG": "oauth.yaml",
        "ARGILLA_CORS_ORIGINS": json.dumps(origins),
        "ARGILLA_SHOW_HUGGINGFACE_SPACE_PERSISTENT_STORAGE_WARNING": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
