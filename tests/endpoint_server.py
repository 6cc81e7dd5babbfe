"""A real HTTP server on this machine that answers like an OpenAI-compatible endpoint, or as badly as a test wants."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """What the server sends: a body, at once, after a while, or in drops."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = {}  # noqa: RUF012 - never mutated
    wait: float = 0.0  # seconds before anything is sent
    drops: int = 0  # sent so many bytes at a time, with a short rest after each


Behaviour = Callable[[dict[str, Any], int], Answer]  # the request's body, its number from 0 -> the answer


def said(text: str | None, finish: str = "stop", **message: Any) -> Answer:
    """A chat completion."""
    choice = {"message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    return Answer(json.dumps({"choices": [choice]}).encode())


class Server:
    """The server, with all that it was sent."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.lock = threading.Lock()
        self.done = threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        self.name = f"{self.url}#writer"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with server.lock:
                    number = len(server.requests)
                    server.requests.append(body)
                    server.headers.append(dict(self.headers))
                    server.paths.append(self.path)
                answer = server.behaviour(body, number)
                server.done.wait(answer.wait)
                with contextlib.suppress(OSError):  # the client may have gone
                    self._send(answer)

            def _send(self, answer: Answer) -> None:
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                step = answer.drops or max(1, len(answer.body))
                for start in range(0, len(answer.body), step):
                    self.wfile.write(answer.body[start : start + step])
                    self.wfile.flush()
                    if answer.drops:
                        time.sleep(0.02)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@contextlib.contextmanager
def serving(behaviour: Behaviour) -> Iterator[Server]:
    """A server as long as the context lasts."""
    server = Server(behaviour)
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.done.set()
        server.http.shutdown()
        server.http.server_close()
        thread.join()


def last_turn(body: dict[str, Any]) -> str:
    """What the server was told last."""
    return str(body["messages"][-1]["content"])
