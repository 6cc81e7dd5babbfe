"""Few-shot rewriting: each benign seed that sounds harmful grows into another request of its kind.

A chat model is given rules (instructions/rewriting.txt) and seeds of the same category. A base model knows no rules: it goes
on with a list of these seeds, and takes up the first half of the one that is rewritten, so that its alarming words stay.
"""

from __future__ import annotations

from typing import Any

from curation.records import Prompt
from curation.steps import Output
from rass.generators import Request
from rass.writers import leaning
from rass.writers.leaning import check_leaning
from rass.writers.requests import (
    DECODING,
    Order,
    draw_shots,
    instruction,
    instruction_digest,
    need,
    seeded,
    shot_digests,
    write_drafts,
)
from rass.writers.running import Task, generator_digest
from rass.writers.screening import sort_out

VERSION = 1
SHOTS = 5
LEAST_SEEDS = 3


def settings(task: Task) -> dict[str, Any]:
    """What decides the result beside the section and the boundaries."""
    need(task.benign, LEAST_SEEDS, "[[benign]] seeds", task)
    return {"decoding": list(DECODING), "shots": SHOTS, "instruction": instruction_digest("rewriting"),
            "max_perplexity_ratio": task.workspace.config.candidates.max_perplexity_ratio,
            "leaning": leaning.settings(task), "generator": generator_digest(task)}  # fmt: skip


def write(task: Task) -> Output:
    """Rewritings of the seeds, those on the refusing side of a target's boundary first; each seed as often as there is need."""
    margins = task.margins(task.benign, "benign seeds")
    ranked = sorted(task.benign, key=lambda row: (-max(margin.margin for margin in margins[row.id]), row.id))
    half = ranked[: max(LEAST_SEEDS, len(ranked) // 2)]
    orders = [order_for(task, half[number % len(half)], number // len(half)) for number in range(task.section.count)]
    drafts = task.screen.check(write_drafts(task, orders, seeded(task)))
    return sort_out(check_leaning(task, drafts), task.step)


def order_for(task: Task, seed: Prompt, again: int) -> Order:
    """The request to rewrite one seed, for the `again`-th time."""
    kin = [row for row in task.benign if row.category == seed.category and row.id != seed.id]
    others = [row for row in task.benign if row.id != seed.id]
    shots = [
        row.text for row in draw_shots(kin if len(kin) >= 2 else others, SHOTS, str(task.seed), seed.id, str(again))
    ]
    rules = instruction("rewriting", language=task.pack.name, category=seed.category.replace("_", " "))
    request = Request(rules, tuple(shots), subject=seed.text, begun=first_half(seed.text))
    detail = {"writer": f"rewriting/{VERSION}", "shots": shot_digests(*shots), "again": again}
    return Order(request, seed.category, seed, detail)


def first_half(text: str) -> str:
    """The first half of a text's words; of its characters where words are not spaced."""
    words = text.split()
    if len(words) > 3:
        return " ".join(words[: (len(words) + 1) // 2])
    line = " ".join(words)
    return line[: len(line) // 2].rstrip()
