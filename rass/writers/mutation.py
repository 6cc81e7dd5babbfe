"""Slot mutation: every combination of a pack's grammar is benign by construction; those nearest the boundary are kept."""

from __future__ import annotations

from collections import defaultdict

from curation.languages.packs import Pack
from curation.records import Margin, Prompt, Reject, canonical, digest, make_prompt
from curation.steps import Outcome, Output, Step
from curation.workspace import Workspace
from rass.boundary import measure
from rass.pool import loaded
from rass.probing import boundary_for, boundary_key

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
    return sorted(_round_robin(blocks, limit), key=lambda row: row.id)


def _round_robin(groups: list[list[Prompt]], limit: int) -> list[Prompt]:
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
    return _round_robin([groups[category] for category in sorted(groups)], count)


def run_mutation(workspace: Workspace) -> Outcome:
    """Mutate each language's seeds and keep the combinations nearest any target's boundary."""
    config = workspace.config
    settings = {"keep": config.candidates.mutations, "pool": POOL, "seed": config.project.seed,
                "boundaries": {target.name: boundary_key(workspace, target) for target in config.targets}}  # fmt: skip
    pools = [row for pack in workspace.packs.values() for row in expand(pack, config.project.seed)]

    def prepare():  # type: ignore[no-untyped-def]
        return lambda rows: _select(workspace, rows)

    return workspace.run(Step("mutate", 1, settings, prepare, title="slot mutation"), list(pools), Prompt)


def _select(workspace: Workspace, rows: list[Prompt]) -> Output:
    margins: dict[str, list[Margin]] = defaultdict(list)
    for target in workspace.config.targets:
        languages = target.languages or workspace.config.project.languages
        asked = [row for row in rows if row.language in languages]
        if asked:
            boundary, chat = boundary_for(workspace, target), loaded(target.model)
            for margin in measure(chat, boundary, asked, f"mutations seen by {target.name}"):
                margins[margin.prompt_id].append(margin)
    distance = {row.id: min((abs(margin.margin) for margin in margins[row.id]), default=0.0) for row in rows}
    kept: list[Prompt] = []
    for language in workspace.config.project.languages:
        kept += choose_near(
            [row for row in rows if row.language == language], distance, workspace.config.candidates.mutations
        )
    chosen = {row.id for row in kept}
    dropped = [Reject(row.id, "mutate", "farther_from_boundary", canonical({"text": row.text, "language": row.language, "distance": round(distance[row.id], 4)}))
               for row in rows if row.id not in chosen]  # fmt: skip
    return Output(sorted(kept, key=lambda row: row.id), dropped)
