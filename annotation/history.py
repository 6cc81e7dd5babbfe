"""Answers as they were found and as they were kept: what stands, what was changed, what was taken back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from annotation.batches import NOTE, QUESTION
from curation.records import BENIGN_CATEGORIES, HARMFUL_CATEGORIES, NATURALNESS, REASONS, Reject, Response

WITHDRAWN = "withdrawn"
FOLLOW_UPS: dict[str, tuple[str, ...]] = {  # the closed questions after the first, and what may be answered
    "reason": REASONS,
    "category": (*BENIGN_CATEGORIES, *HARMFUL_CATEGORIES),
    "naturalness": NATURALNESS,
}


class Key(NamedTuple):
    """What an answer is an answer to, and whose it is. A batch is of one session, or of none."""

    prompt_id: str
    batch: str
    annotator: str


class Content(NamedTuple):
    """What a person said of one prompt."""

    answer: str
    reason: str = ""
    category: str = ""
    naturalness: str = ""
    note: str = ""


class Found(NamedTuple):
    """One annotator's work on one record, as the server has it."""

    key: Key
    session: str
    status: str  # submitted, draft, discarded
    content: Content
    updated_at: str
    problem: str = ""  # a reject's reason, where the answer cannot count


def key_of(row: Response) -> Key:
    """The key of a kept answer."""
    return Key(row.prompt_id, row.batch, row.annotator)


def content_of(values: Mapping[str, Any] | None) -> Content:
    """What the values of one of Argilla's responses say."""

    def value(question: str) -> str:
        return text_of(((values or {}).get(question) or {}).get("value") or "")

    reason, category, naturalness = (value(name) for name in FOLLOW_UPS)
    return Content(value(QUESTION), reason, category, naturalness, value(NOTE))


def text_of(value: object) -> str:
    """A server's value as text that a table can hold."""
    return str(value).encode("utf-8", "replace").decode("utf-8")


class History:
    """All answers that were ever pulled, and which of them were taken back."""

    def __init__(self, responses: Iterable[Response], rejects: Iterable[Reject]) -> None:
        self.answers: dict[Key, list[Response]] = {}
        for row in responses:
            self.answers.setdefault(key_of(row), []).append(row)
        self.rejects = set(rejects)
        self.withdrawn: set[tuple[Key, int]] = set()
        for reject in self.rejects:
            if reject.reason == WITHDRAWN:
                evidence = json.loads(reject.evidence)
                key = Key(reject.prompt_id, evidence["batch"], evidence["annotator"])
                self.withdrawn.add((key, evidence["after"]))

    def standing(self, key: Key) -> Response | None:
        """The latest answer under a key, unless it was taken back."""
        answers = self.answers.get(key, [])
        return answers[-1] if answers and (key, len(answers)) not in self.withdrawn else None

    def says(self, key: Key, content: Content) -> bool:
        """Whether what stands under a key is this, the follow-ups and the note included."""
        row = self.standing(key)
        return row is not None and content == Content(row.answer, row.reason, row.category, row.naturalness, row.note)
