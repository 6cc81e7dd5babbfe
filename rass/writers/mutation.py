"""Slot mutation: every combination of a pack's grammar is benign by construction; those nearest the boundary are kept."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from curation.languages.packs import Pack
from curation.records import Prompt, Reject, canonical, digest, make_prompt
from curation.steps import Output
from rass.writers.running import Task

VERSION = 2
POOL = 480  # combinations measured per language: more cost time, fewer cost choice


def expand(pack: Pack, seed: int, limit: int = POOL) -> list[Prompt]:
    """Distinct combinations of the grammar, at most `limit`, drawn evenly over its blocks."""
    written = {row.id for row in (*pack.benign, *pack.harmful, *pack.harmless)}
    blocks: list[list[Prompt]] = []
    for block in pack.grammar:
        rows = {}
        for text, slots in block.combinations():
            row = make_prompt(text, pack.code, category=block.category, intent="benign", method="mutation",
                              detail={"writer": "mutation/1", "slots": slots})  # fmt: skip
            if row.id not in written:
                rows[row.id] = row
        written.update(rows)
        blocks.append(sorted(rows.values(), key=lambda row: digest(str(seed), row.id)))
    return sorted(round_robin(blocks, limit), key=lambda row: row.id)


def round_robin(groups: list[list[Prompt]], limit: int) -> list[Prompt]:
    """Rows taken from the groups in turn, until `limit` or until all are taken."""
    found: list[Prompt] = []
    depth = 0
    while len(found) < limit and any(depth < len(group) for group in groups):
        found += [group[depth] for group in groups if depth < len(group)]
        depth += 1
    return found[:limit]


def choose_near(rows: list[Prompt], distance: dict[str, float], count: int) -> list[Prompt]:
    """The `count` rows nearest the boundary, categories taking turns."""
    groups: dict[str, list[Prompt]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (distance[row.id], row.id)):
        groups[row.category].append(row)
    return round_robin([groups[category] for category in sorted(groups)], count)


def settings(task: Task) -> dict[str, Any]:
    """What decides the result beside the section and the boundaries."""
    return {"pool": POOL, "grammar": digest(*(row.id for row in expand(task.pack, task.seed)))[:16]}


def write(task: Task) -> Output:
    """The combinations of the language's grammar that lie nearest any target's boundary."""
    rows = expand(task.pack, task.seed)
    margins = task.margins(rows, "mutations")
    distance = {row.id: min((abs(margin.margin) for margin in margins[row.id]), default=0.0) for row in rows}
    kept = choose_near(rows, distance, task.section.count)
    chosen = {row.id for row in kept}
    dropped = [Reject(row.id, task.step, "farther_from_boundary", canonical({"text": row.text, "language": row.language, "distance": round(distance[row.id], 4)}))
               for row in rows if row.id not in chosen]  # fmt: skip
    return Output(sorted(kept, key=lambda row: row.id), dropped)
