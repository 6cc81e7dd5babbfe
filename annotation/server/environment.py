"""The server's own Python environment, made once in the user's cache from the lock that ships with the package.

Argilla's server needs old versions of libraries that the rest of morbench needs new, hence an environment of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from curation.cache import cache_folder
from curation.errors import ServerError

LOGGER = logging.getLogger("morbench.server")
LOCK = Path(__file__).with_name("server-lock.txt")
OVERRIDE = "MORBENCH_ARGILLA_PYTHON"
ARGILLA = "2.8.0"
MARKER = "morbench-complete"
NEWEST = (3, 13)

_CHECK = "import importlib.metadata as m, fakeredis, sqlite3; print(m.version('argilla-server'))"


def server_python(cache: Path | None = None) -> Path:
    """The Python that has argilla-server, made on first use; ``$MORBENCH_ARGILLA_PYTHON`` names one of your own."""
    own = os.environ.get(OVERRIDE)
    if own:
        return _checked_own(Path(own).expanduser())
    cache = cache or cache_folder()
    found = environment_folder(cache)
    return _ready(found) or _made(found, cache)


def environment_folder(cache: Path) -> Path:
    """Where the environment of this lock, this Python and this machine lives."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    return cache / "server" / f"{sys.implementation.cache_tag}-{sys.platform}-{platform.machine()}-{digest}"


def python_of(environment: Path) -> Path:
    """The interpreter inside an environment."""
    return environment / "bin" / "python"


def make_environment(environment: Path, log: Path, uv: str | None = None) -> None:
    """Make an empty environment with this Python, by uv or by the standard library."""
    command = [uv, "venv", "--quiet", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
    _run([*command, str(environment)], log)


def install(environment: Path, *arguments: str, log: Path, uv: str | None = None) -> None:
    """Install into an environment, by uv or by its pip; what they say goes to ``log``."""
    python = str(python_of(environment))
    if uv:
        command = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python]
    else:
        quiet = ("--quiet", "--no-input", "--disable-pip-version-check", "--no-warn-script-location")
        command = [python, "-m", "pip", "install", *quiet]
    _run([*command, *arguments], log)


def tail(log: Path, lines: int = 8) -> str:
    """The last lines of a log, on one line."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "(no log)"
    return " | ".join(line.strip() for line in text.splitlines()[-lines:] if line.strip()) or "(empty log)"


def _ready(environment: Path) -> Path | None:
    python = python_of(environment)
    return python if (environment / MARKER).exists() and python.exists() else None


def _checked_own(python: Path) -> Path:
    fix = f"name a Python that has argilla-server=={ARGILLA} and fakeredis, or unset {OVERRIDE}"
    try:
        answer = subprocess.run([python, "-I", "-c", _CHECK], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise ServerError(f"{OVERRIDE}={python} does not run ({exc})", fix=fix) from exc
    if answer.returncode or answer.stdout.strip() != ARGILLA:
        why = (answer.stderr.strip().splitlines() or [f"it has argilla-server {answer.stdout.strip()}"])[-1]
        raise ServerError(f"{OVERRIDE}={python} cannot run the server: {why}", fix=fix)
    return python


def _made(environment: Path, cache: Path) -> Path:
    if sys.version_info[:2] > NEWEST:
        raise ServerError(
            f"the Argilla server needs Python 3.10 to {NEWEST[0]}.{NEWEST[1]}, this is {platform.python_version()}",
            fix=f"run morbench with such a Python, or set {OVERRIDE} to one that has argilla-server=={ARGILLA}",
        )
    try:
        environment.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ServerError(f"cannot write to the cache {cache}: {exc.strerror}", fix="set MORBENCH_CACHE") from exc
    with _only_maker(environment.with_suffix(".lock")):
        ready = _ready(environment)  # another maker may have been first
        if ready:
            return ready
        LOGGER.info("making the Argilla server's environment in %s (once, about 600 MB)", environment)
        draft, log = environment.with_suffix(".draft"), environment.with_suffix(".log")
        shutil.rmtree(environment, ignore_errors=True)
        log.write_text("", encoding="utf-8")
        uv = shutil.which("uv")
        try:
            _fill(draft, log, uv)
        except ServerError:
            if uv is None:
                raise
            LOGGER.info("uv could not make it, now with pip (they may know different package indexes)")
            _fill(draft, log, None)
        draft.rename(environment)
        (environment / MARKER).write_text(f"argilla-server {ARGILLA}\n", encoding="utf-8")
    return python_of(environment)


def _fill(draft: Path, log: Path, uv: str | None) -> None:
    shutil.rmtree(draft, ignore_errors=True)
    try:
        make_environment(draft, log, uv)
        install(draft, "--no-deps", "-r", str(LOCK), log=log, uv=uv)
        _run([str(python_of(draft)), "-I", "-c", _CHECK], log)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


@contextlib.contextmanager
def _only_maker(file: Path) -> Iterator[None]:
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _run(command: Sequence[str | os.PathLike[str]], log: Path) -> None:
    with log.open("ab") as out:
        try:
            code = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL).returncode
        except OSError as exc:
            raise ServerError(f"cannot run {command[0]}: {exc.strerror}", fix="check the Python installation") from exc
    if code:
        raise ServerError(
            f"the Argilla server's environment could not be made ({tail(log)})",
            fix=f"see {log}; check the connection to your package index and the disk's free space, or set {OVERRIDE}",
        )
