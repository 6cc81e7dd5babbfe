"""Start, find and stop the embedded Argilla server of one home folder. All talk with it is HTTP on 127.0.0.1."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from annotation.server.environment import server_python, tail
from curation.errors import ServerError

MAIN = Path(__file__).parent / "child" / "main.py"
START_SECONDS = 180.0
STOP_SECONDS = 25.0
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}  # started by this process: it has to collect them when they end
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback never goes through a proxy


@dataclass(frozen=True)
class ServerInfo:
    """A server that answers; the owner's password and API key are in the file at ``credentials_path``."""

    url: str
    username: str
    credentials_path: Path
    pid: int

    @property
    def api_key(self) -> str:
        """The owner's API key, read from the credentials file."""
        return str(_credentials(self.credentials_path)["api_key"])

    @property
    def password(self) -> str:
        """The owner's password, read from the credentials file."""
        return str(_credentials(self.credentials_path)["password"])


def up(home: Path, port: int = 6900, cache: Path | None = None, timeout: float = START_SECONDS, *,
       plain: bool = False) -> ServerInfo:  # fmt: skip
    """Start the server of ``home``, or find it running; port 0 takes any free one. Returns once it answers.

    ``plain`` leaves out what only makes it faster: scripts/bench compares the two.
    """
    home = Path(home).expanduser().resolve()
    try:
        (home / "run").mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ServerError(f"cannot make the server's folder {home}: {exc.strerror}", fix="choose another") from exc
    with _only_starter(home):
        found = _wait(home, None, timeout) if holder(home) else None
        if found:
            return found
        port = _free_port(port)
        python = server_python(cache)
        return _started(home, python, port, timeout, plain)


def status(home: Path) -> ServerInfo | None:
    """The running server of ``home``; None when none runs or it doesn't answer."""
    home = Path(home).expanduser().resolve()
    pid = holder(home)
    return _info(home, pid) if pid else None


def down(home: Path, timeout: float = STOP_SECONDS) -> bool:
    """Stop the server of ``home``: ask, wait, then insist. False when none ran."""
    home = Path(home).expanduser().resolve()
    pid = holder(home)
    if pid is None:
        return False
    for number, seconds in ((signal.SIGTERM, timeout), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if holder(home) != pid:
                _collect(pid)
                return True
            time.sleep(0.1)
    raise ServerError(f"the server in {home} (process {pid}) does not stop", fix=f"kill -9 {pid}")


def _let_live() -> None:
    """The servers outlive this process by design: it must not complain at its end that it did not wait for them."""
    for child in _CHILDREN.values():
        if child.poll() is None:
            child.returncode = 0


def _collect(pid: int) -> None:
    child = _CHILDREN.pop(pid, None)
    if child is not None:
        child.wait()


def holder(home: Path) -> int | None:
    """The process that serves this home, or starts to: the one that holds its lock, whatever an old file may say."""
    try:
        file = (home / "run" / "lock").open("r+")
    except FileNotFoundError:
        return None
    except PermissionError as exc:
        raise ServerError(f"{home} belongs to another user", fix="use a home of your own") from exc
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            for _ in range(50):  # its number is written right after the lock is taken
                text = file.read().strip()
                if text.isdigit():
                    return int(text)
                time.sleep(0.02)
                file.seek(0)
        return None


@contextlib.contextmanager
def _only_starter(home: Path) -> Iterator[None]:
    with (home / "run" / "starting").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _free_port(port: int) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as exc:
            raise ServerError(
                f"port {port} on 127.0.0.1 cannot be used: {getattr(exc, 'strerror', None) or exc}",
                fix="choose another with --port, or queue.port in morbench.toml",
            ) from exc
        return int(probe.getsockname()[1])


def _started(home: Path, python: Path, port: int, timeout: float, plain: bool) -> ServerInfo:
    log = home / "run" / "server.log"
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as out:
        child = subprocess.Popen(
            [str(python), "-I", str(MAIN), "--home", str(home), "--port", str(port), *(["--plain"] if plain else [])],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
        )
    _CHILDREN[child.pid] = child
    atexit.unregister(_let_live)
    atexit.register(_let_live)
    found = _wait(home, child, timeout)
    if found is None:
        ended = child.poll()
        why = "does not answer" if ended is None else f"ended with code {ended}"
        if ended is None:
            child.kill()
            child.wait()
        raise ServerError(
            f"the Argilla server {why} on port {port} ({tail(log)})", fix=f"see {log}, or try another --port"
        )
    return found


def _wait(home: Path, child: subprocess.Popen[bytes] | None, timeout: float) -> ServerInfo | None:
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if child is not None and child.poll() is not None:
            return None
        pid = holder(home)
        if child is None and pid is None:
            return None
        found = _info(home, pid) if pid and (child is None or pid == child.pid) else None
        if found:
            return found
        time.sleep(0.15)
    if child is None:
        raise ServerError(
            f"the server in {home} runs but does not answer ({tail(home / 'run' / 'server.log')})",
            fix="stop it with `morbench annotate down` and start it again",
        )
    return None


def _info(home: Path, pid: int) -> ServerInfo | None:
    try:
        state = json.loads((home / "run" / "server.json").read_text(encoding="utf-8"))
        url = f"http://127.0.0.1:{int(state['port'])}"
    except (FileNotFoundError, ValueError, KeyError):
        return None
    if state.get("pid") != pid or not _healthy(url):
        return None
    credentials = home / "credentials.json"
    return ServerInfo(
        url=url, username=str(_credentials(credentials)["username"]), credentials_path=credentials, pid=pid
    )


def _healthy(url: str) -> bool:
    try:
        with _DIRECT.open(f"{url}/api/v1/status", timeout=10) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _credentials(file: Path) -> dict[str, object]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        fix = "delete it if it is there, then stop and start the server: it makes new ones"
        raise ServerError(f"the owner's credentials {file} cannot be read", fix=fix) from exc
    if not isinstance(found, dict) or not {"username", "password", "api_key"} <= found.keys():
        raise ServerError(f"the owner's credentials {file} are damaged", fix="delete it, then restart the server")
    return found
