"""Who writes candidates: a transformers model in this process, or an OpenAI-compatible endpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from curation.endpoint import Completion, Decoding, EndpointClient, is_endpoint, parse_endpoint
from curation.errors import ModelError
from rass.decoding import decode
from rass.models import ChatModel, clean
from rass.pool import loaded
from rass.reference.carriers import CARRIERS, WITHOUT_ADAPTER

BATCH = 32


@dataclasses.dataclass(frozen=True)
class Request:
    """One text that is asked for: a chat model is told, a base model goes on with a list.

    Shots are texts like the one that is asked for, or pairs of a given and a written text. `subject` is the text that the
    instruction speaks of; a base model sees it as the given half of the last pair. It knows no subject of a plain list: it
    takes up the words in `begun` instead.
    """

    instruction: str
    shots: tuple[str, ...] | tuple[tuple[str, str], ...]
    subject: str = ""
    begun: str = ""
    marks: tuple[str, str] = ("-", "→")  # in a list, what stands before a text (a given one), and before a written one

    def as_list(self) -> str:
        """What a base model goes on with, up to the end of the line."""
        first, second = self.marks
        lines = [f"{first} {flat(shot)}" if isinstance(shot, str)
                 else f"{first} {flat(shot[0])}\n{second} {flat(shot[1])}\n" for shot in self.shots]  # fmt: skip
        paired = any(not isinstance(shot, str) for shot in self.shots)
        lines.append(f"{first} {flat(self.subject)}\n{second}" if paired else first)
        return "\n".join(lines) + (f" {self.begun}" if self.begun else "")

    def as_turn(self) -> str:
        """What a chat model is told."""
        shots = [f"- {flat(shot)}" if isinstance(shot, str) else f"- {flat(shot[0])} → {flat(shot[1])}"
                 for shot in self.shots]  # fmt: skip
        return "\n\n".join(part for part in (self.instruction, "\n".join(shots), flat(self.subject)) if part)


def flat(text: str) -> str:
    """A text without line ends: none can end its own entry in a list."""
    return " ".join(text.split())


class Generator(Protocol):
    """Anything that writes texts."""

    def complete(self, requests: Sequence[Request], decoding: Decoding, *, title: str) -> list[Completion]:
        """One completion or failure for each request, in their order; the same requests and seed give the same texts."""


@dataclasses.dataclass(frozen=True)
class Local:
    """A model in this process."""

    name: str
    chat: ChatModel
    continues_lists: bool  # a base model: it knows no instructions

    def complete(
        self, requests: Sequence[Request], decoding: Decoding, *, title: str = "candidates"
    ) -> list[Completion]:
        """Texts written in batches of similar length; each row draws from its own seed."""
        encoded = self._encoded(requests)
        longest = max(map(len, encoded), default=0) + decoding.max_new_tokens
        if longest > self.chat.context:
            raise ModelError(
                f"a request for {title} has {longest} tokens with its answer, {self.name} takes {self.chat.context}",
                fix="use a generator with a longer context, or shorter seeds",
            )
        written = decode(self.chat, encoded, decoding, one_line=self.continues_lists, batch_size=BATCH, title=title)
        begun = [request.begun if self.continues_lists else "" for request in requests]
        return [
            Completion((start + text).strip(), finished) for start, (text, finished) in zip(begun, written, strict=True)
        ]

    def _encoded(self, requests: Sequence[Request]) -> list[list[int]]:
        if not self.continues_lists:
            return self.chat.encode([request.as_turn() for request in requests])
        start = self.chat.tokenizer.bos_token_id
        texts = [clean(request.as_list()) for request in requests]
        # control tokens in a text are read as the plain text that they are
        encode = partial(self.chat.tokenizer, add_special_tokens=False, split_special_tokens=True)
        encoded = [list(encode(text)["input_ids"]) for text in texts]
        return encoded if start is None else [[start, *ids] for ids in encoded]


@dataclasses.dataclass(frozen=True)
class Remote:
    """A model behind an OpenAI-compatible endpoint, which the user named."""

    name: str

    def complete(
        self, requests: Sequence[Request], decoding: Decoding, *, title: str = "candidates"
    ) -> list[Completion]:
        """Each request as one user turn; a request that fails is a failure, a server that never answers an error."""
        chats = [[{"role": "user", "content": request.as_turn()}] for request in requests]
        with EndpointClient(parse_endpoint(self.name)) as client:
            found = client.complete(chats, decoding, title=title)
        if found and all(row.down for row in found):
            raise ModelError(
                f"{self.name} answered none of {len(found)} requests: {found[0].failure}",
                fix="check the address, the model's name, and OPENAI_API_KEY; nothing was written",
            )
        return found


def load_generator(name: str) -> Generator:
    """The generator of that name: an endpoint's address, or a model, which goes on with lists if `:base` is behind its name."""
    if is_endpoint(name):
        parse_endpoint(name)
        return Remote(name)
    return Local(name, loaded(weights_name(name)), name.endswith(WITHOUT_ADAPTER))


def weights_name(name: str) -> str:
    """The model to load for a generator: `:base` is part of a reference model's name, elsewhere it only says how to ask."""
    bare = name.removesuffix(WITHOUT_ADAPTER)
    return name if bare in CARRIERS else bare
