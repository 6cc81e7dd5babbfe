"""What model writers share: instructions kept as texts, few shots, and the way from a request to a screened candidate."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from curation.endpoint import Decoding
from curation.errors import PackError
from curation.records import Prompt, digest, make_prompt
from rass.generators import Request
from rass.writers.running import Task, generator_digest
from rass.writers.screening import Draft, judge_completion

T = TypeVar("T")
DECODING = Decoding(max_new_tokens=48, temperature=0.9, top_p=0.95)
_FOLDER = Path(__file__).parent / "instructions"


class Order(NamedTuple):
    """One text that a writer wants: the request, and what the prompt made of it will say of itself."""

    request: Request
    category: str
    seed: Prompt | None
    detail: dict[str, Any]


def instruction(name: str, **blanks: str) -> str:
    """An instruction of that name with its blanks filled."""
    text = (_FOLDER / f"{name}.txt").read_text(encoding="utf-8").strip()
    for blank, value in blanks.items():
        text = text.replace("{" + blank + "}", value)
    return text


def instruction_digest(*names: str) -> str:
    """Changes with the wording of instructions; for a writer's settings."""
    return digest(*(instruction(name) for name in names))[:16]


def draw_shots(rows: Sequence[T], count: int, *key: str) -> list[T]:
    """Up to `count` of the rows, drawn by a key: the same key draws the same."""
    rows = list(rows)
    return random.Random(digest("shots", *key)).sample(rows, min(count, len(rows)))


def shot_digests(*texts: str) -> list[str]:
    """Short digests of the shots, for a candidate's provenance."""
    return [digest(text)[:8] for text in texts]


def need(rows: Sequence[Any], least: int, what: str, task: Task) -> None:
    """Raise where a pack has too little for a writer."""
    if len(rows) < least:
        raise PackError(
            f"the language pack {task.language!r} has {len(rows)} {what}, the writer {task.section.name!r} needs {least}",
            fix=f"write some more, or take {task.language!r} out of that writer's languages",
        )


def write_drafts(task: Task, orders: Sequence[Order], decoding: Decoding) -> list[Draft]:
    """Have the orders written; each comes back as a draft, with or without a reason against it."""
    name, model = task.generator_name, generator_digest(task)
    found = task.pen.complete(
        [order.request for order in orders], decoding, title=f"{task.section.name}, {task.language}"
    )
    drafts = []
    for order, completion in zip(orders, found, strict=True):
        text, reason, evidence = judge_completion(completion)
        row = make_prompt(text, task.language, category=order.category, intent="unknown", method=task.section.name,
                          seed_id=order.seed.id if order.seed else "", generator=name,
                          detail={"model": model, "temperature": decoding.temperature, **order.detail})  # fmt: skip
        drafts.append(Draft(row, reason, evidence))
    return drafts


def seeded(task: Task, decoding: Decoding = DECODING, *key: object) -> Decoding:
    """The decoding with a seed from the project's, the task and a key."""
    seed = int(digest("decoding", str(task.seed), task.section.name, task.language, *map(str, key))[:8], 16)
    return decoding._replace(seed=seed)
