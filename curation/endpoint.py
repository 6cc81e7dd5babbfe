"""An OpenAI-compatible endpoint: a batch of chats in, a completion or a failure for each out.

Named `http://127.0.0.1:8000/v1#model-name`. Nothing is sent unless a project names such an endpoint. The key comes from
the environment (OPENAI_API_KEY), travels over https or to this machine alone, and stands in no text, file or error.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from curation.errors import ConfigError
from curation.progress import progress_bar

if TYPE_CHECKING:
    import httpx

KEY_VARIABLE = "OPENAI_API_KEY"
ATTEMPTS = 4
LONGEST_PAUSE = 20.0  # seconds; also the longest Retry-After that is waited for
LARGEST_REPLY = 4_000_000  # bytes
_RETRIED = frozenset({408, 429, *range(500, 600)})
_ABOUT_THE_REQUEST = frozenset({400, 413, 422})  # this chat was not taken, others may be
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

Chat = Sequence[Mapping[str, str]]  # turns with `role` and `content`


class Completion(NamedTuple):
    """What came back for one chat: a text, or a failure, never both."""

    text: str
    finished: bool = True  # the model ended by itself, before the token limit
    failure: str = ""  # empty where there is a text
    down: bool = False  # it failed by the server, the address or the key, and not by this chat


class Decoding(NamedTuple):
    """How a model writes."""

    max_new_tokens: int
    temperature: float = 0.0  # 0: greedy
    top_p: float = 1.0
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """Where an OpenAI-compatible server listens, and the model that is asked for there."""

    url: str  # up to and without /chat/completions
    model: str

    @property
    def name(self) -> str:
        """As it is written in morbench.toml."""
        return f"{self.url}#{self.model}"

    @property
    def is_local(self) -> bool:
        """Whether it is this very machine."""
        return urlsplit(self.url).hostname in _LOOPBACK


def is_endpoint(name: str) -> bool:
    """Whether a model's name is the address of an endpoint."""
    return name.startswith(("http://", "https://"))


def parse_endpoint(name: str) -> Endpoint:
    """The endpoint that `http(s)://host/v1#model-name` stands for."""
    fix = "write http://127.0.0.1:8000/v1#model-name"
    try:
        parts = urlsplit(name)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and name.isprintable()
    except ValueError:  # brackets that do not close, a port that is no number
        usable = False
    if not usable:
        raise ConfigError(f"{_without_login(name)!r} is no address of an endpoint", fix=fix)
    if parts.username is not None or parts.password is not None or parts.query:
        raise ConfigError(
            f"{_without_login(name)!r}: an endpoint's address holds no login and no query, it is kept in every table",
            fix=f"put the key into the environment variable {KEY_VARIABLE}",
        )
    if not parts.fragment:
        raise ConfigError(f"{name!r} names no model", fix=fix)
    return Endpoint(name.partition("#")[0].rstrip("/"), parts.fragment)


def _without_login(name: str) -> str:
    """An address as an error may show it."""
    return re.sub(r"//.*@|\?[^#]*", lambda part: "//…@" if part[0].startswith("//") else "?…", name)


class EndpointClient:
    """Asks one endpoint; a context manager that closes its connections."""

    def __init__(self, endpoint: Endpoint, *, timeout: float = 120.0, workers: int = 4,
                 sleep: Callable[[float], None] = time.sleep) -> None:  # fmt: skip
        """`timeout` in seconds for one attempt, `workers` chats are asked at a time."""
        import httpx

        self.endpoint = endpoint
        self.timeout = timeout
        self.workers = workers
        self._sleep = sleep
        self._key = _key_for(endpoint)
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        # A proxy named in the environment never sees loopback traffic; redirects are not followed, the key would go along.
        self._http = httpx.Client(
            headers=headers, timeout=timeout, trust_env=not endpoint.is_local, follow_redirects=False
        )

    def __enter__(self) -> EndpointClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def complete(self, chats: Sequence[Chat], decoding: Decoding, *, title: str = "") -> list[Completion]:
        """One completion or failure for each chat, in their order; whatever the server does is no exception."""
        pool = ThreadPoolExecutor(self.workers)
        found: list[Completion] = []
        try:
            with progress_bar(title or self.endpoint.model, total=len(chats)) as advance:
                for completion in pool.map(lambda chat: self._ask(chat, decoding), chats):
                    found.append(completion)
                    advance(1)
        finally:
            pool.shutdown(cancel_futures=True)  # after Ctrl-C nothing more is sent
        return found

    def _ask(self, chat: Chat, decoding: Decoding) -> Completion:
        turns = [
            {"role": turn["role"], "content": turn["content"].encode("utf-8", "replace").decode()} for turn in chat
        ]
        body = {"model": self.endpoint.model, "messages": turns, "max_tokens": decoding.max_new_tokens,
                "temperature": decoding.temperature, "top_p": decoding.top_p, "seed": decoding.seed, "n": 1}  # fmt: skip
        last = Completion("", failure="not asked", down=True)
        for attempt in range(ATTEMPTS):
            last, pause = self._attempt(body)
            if pause is None:
                break
            if attempt + 1 < ATTEMPTS:
                self._sleep(min(max(pause, 0.5 * 2**attempt), LONGEST_PAUSE))
        return last

    def _attempt(self, body: dict[str, Any]) -> tuple[Completion, float | None]:
        """What one attempt gave, and the seconds to wait before another one (None: there is none)."""
        import httpx

        try:
            with self._http.stream("POST", f"{self.endpoint.url}/chat/completions", json=body) as response:
                status, data = response.status_code, self._read(response)
                pause = _retry_after(response.headers.get("Retry-After", ""))
        except httpx.TimeoutException:
            return Completion("", failure=f"no answer within {self.timeout:g} s", down=True), 0.0
        except (httpx.HTTPError, httpx.InvalidURL) as exc:  # its message may hold what was sent; its name says enough
            return Completion("", failure=f"no connection ({type(exc).__name__})", down=True), None
        if status in _RETRIED:
            return Completion("", failure=f"HTTP {status}", down=True), pause
        if status != 200:
            about = self._hide(_error_message(data)) if status in _ABOUT_THE_REQUEST else ""
            return Completion("", failure=f"HTTP {status} {about}".strip(), down=status not in _ABOUT_THE_REQUEST), None
        return self._checked(_parse(data)), None

    def _read(self, response: httpx.Response) -> bytes:
        """The body, if it comes in time and is no flood; what is cut off is no JSON any more."""
        import httpx

        end, data = time.monotonic() + self.timeout, b""
        for part in response.iter_bytes():
            data += part
            if len(data) > LARGEST_REPLY:
                return b""
            if time.monotonic() > end:
                raise httpx.ReadTimeout("too slow")
        return data

    def _checked(self, completion: Completion) -> Completion:
        if self._key and self._key in completion.text:
            return Completion("", failure="the reply repeats the key")
        return completion

    def _hide(self, text: str) -> str:
        return text.replace(self._key, "…") if self._key else text


def _key_for(endpoint: Endpoint) -> str:
    """The key, where it may be sent: over https, or to this machine."""
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not re.fullmatch(r"[!-~]*", key):  # httpx would name the whole header in its error
        raise ConfigError(f"{KEY_VARIABLE} holds characters that no key has", fix="set it again")
    return key if endpoint.is_local or endpoint.url.startswith("https://") else ""


def _retry_after(value: str) -> float:
    """Seconds that a server asks to wait; 0 where it names none or a date."""
    return min(float(value), LONGEST_PAUSE) if re.fullmatch(r"\d{1,6}(\.\d+)?", value) else 0.0


def _error_message(data: bytes) -> str:
    """What an error's body says, cut short; empty for anything but the usual layout."""
    try:
        message = json.loads(data)["error"]["message"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return " ".join(message.split())[:160] if isinstance(message, str) else ""


def _parse(data: bytes) -> Completion:
    """The text of a chat completion, or why there is none."""
    try:
        choice = json.loads(data)["choices"][0]
        message = choice["message"]
        text = message.get("content") or message.get("refusal")  # some servers put a refusal beside the content
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return Completion("", failure="the answer is no chat completion", down=True)
    if not isinstance(text, str) or not text.strip():
        return Completion("", failure="the answer holds no text")
    return Completion(text, finished=choice.get("finish_reason") != "length")
