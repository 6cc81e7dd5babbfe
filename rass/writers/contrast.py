"""Contrast completion: from a harmful seed the nearest benign request, and from a benign one the nearest harmful.

Shots are the pairs that the pack's people wrote. A completion belongs to its seed (`seed_id`, `side` in the detail), but
that it is what it was asked to be is not believed: its intent is unknown until people have judged it. A completion that
is less like its seed than nearly all of the pack's own pairs are is no contrast.
"""

from __future__ import annotations

from typing import Any

from curation.embedding import Encoder, centre_by_language
from curation.records import Prompt, digest
from curation.steps import Output
from rass.generators import Request
from rass.pool import encoder
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
from rass.writers.screening import Draft, sort_out

VERSION = 1
SHOTS = 6
LEAST_LIKE = 0.1  # quantile of the likeness of the pack's own pairs, below which a completion is no contrast

Pair = tuple[Prompt, Prompt]  # harmful, benign


def settings(task: Task) -> dict[str, Any]:
    """What decides the result beside the section and the boundaries."""
    need(pairs_of(task.seeds), SHOTS + 1, "harmful seeds with a `contrast`", task)
    return {"decoding": list(DECODING), "shots": SHOTS, "least_like": LEAST_LIKE,
            "instruction": instruction_digest("contrast_benign", "contrast_harmful"),
            "leaning": leaning.settings(task),
            "max_perplexity_ratio": task.workspace.config.candidates.max_perplexity_ratio,
            "generator": generator_digest(task)}  # fmt: skip


def pairs_of(seeds: list[Prompt]) -> list[Pair]:
    """The pairs that a pack's people wrote."""
    import json

    benign = {row.id: row for row in seeds if row.intent == "benign"}
    found = [(row, benign.get(json.loads(row.detail).get("contrast", ""))) for row in seeds if row.intent == "harmful"]
    return [(harmful, partner) for harmful, partner in found if partner is not None]


def write(task: Task) -> Output:
    """Benign completions of harmful seeds and harmful ones of benign seeds in turn, seeds without a partner first."""
    pairs = pairs_of(task.seeds)
    sides = {"benign": _sources(task.harmful, {harmful.id for harmful, _ in pairs}),
             "harmful": _sources(task.benign, {benign.id for _, benign in pairs})}  # fmt: skip
    orders = []
    for number in range(task.section.count):
        side = ("benign", "harmful")[number % 2]
        again, index = divmod(number // 2, len(sides[side]))
        orders.append(order_for(task, sides[side][index], side, pairs, again))
    drafts = task.screen.check(write_drafts(task, orders, seeded(task)))
    drafts[::2] = check_leaning(task, drafts[::2])  # the benign side; the other one is asked to lean to harm
    by_id = {row.id: row for row in task.seeds}
    model = encoder(task.workspace.config.duplicates.embedding)
    return sort_out(check_likeness(drafts, by_id, pairs, model), task.step)


def _sources(seeds: list[Prompt], paired: set[str]) -> list[Prompt]:
    """Seeds in a fixed order, those without a partner first."""
    return sorted(seeds, key=lambda row: (row.id in paired, digest("contrast", row.id)))


def order_for(task: Task, seed: Prompt, side: str, pairs: list[Pair], again: int) -> Order:
    """The request for the counterpart of one seed; `side` is what is asked for."""
    usable = [pair for pair in pairs if seed not in pair]
    shots = draw_shots(usable, SHOTS, str(task.seed), seed.id, str(again))
    shown = [
        (harmful.text, benign.text) if side == "benign" else (benign.text, harmful.text) for harmful, benign in shots
    ]
    rules = instruction(f"contrast_{side}", language=task.pack.name)
    detail = {"writer": f"contrast/{VERSION}", "side": side, "pair": seed.id, "again": again,
              "shots": shot_digests(*(text for pair in shown for text in pair))}  # fmt: skip
    return Order(Request(rules, tuple(shown), seed.text), "unsorted", seed, detail)


def check_likeness(drafts: list[Draft], seeds: dict[str, Prompt], pairs: list[Pair], model: Encoder) -> list[Draft]:
    """Drafts with a reason where they are less like their seed than nearly all of the pack's own pairs."""
    import numpy as np

    good = [index for index, draft in enumerate(drafts) if not draft.reason]
    if not good:
        return drafts
    anchors = sorted(seeds.values(), key=lambda row: row.id)
    place = {row.id: index for index, row in enumerate(anchors)}
    texts = [row.text for row in anchors] + [drafts[index].prompt.text for index in good]
    vectors = centre_by_language(model.encode(texts), [anchors[0].language] * len(texts))
    own = [float(vectors[place[harmful.id]] @ vectors[place[benign.id]]) for harmful, benign in pairs]
    least = float(np.quantile(own, LEAST_LIKE))
    checked = list(drafts)
    for offset, index in enumerate(good, start=len(anchors)):
        draft = checked[index]
        likeness = float(vectors[offset] @ vectors[place[draft.prompt.seed_id]])
        if likeness < least:
            evidence = {"likeness": round(likeness, 4), "least": round(least, 4),
                        "seed_text": seeds[draft.prompt.seed_id].text}  # fmt: skip
            checked[index] = draft._replace(reason="unlike_its_pair", evidence=evidence)
    return checked
