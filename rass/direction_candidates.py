"""The candidates among which a project's direction is selected: one of each layer, with their scores."""

from __future__ import annotations

import dataclasses

from curation.config import TargetSection
from curation.records import digest
from curation.workspace import Workspace
from rass.activations import AFTER_INSTRUCTION, collect, positions_of
from rass.direction_selection import Candidate, score_candidates
from rass.directions import Direction, pooled_by_language, separation
from rass.openings import opening_tokens
from rass.pool import loaded
from rass.probing import labelled_seeds

HELD_OUT = 32  # seeds of each class on which directions are scored (Arditi et al.)


def candidate_directions(workspace: Workspace, target: TargetSection) -> list[Candidate]:
    """A pooled direction in each layer and at each token after the instruction, scored on seeds it was not made from."""
    import numpy as np

    chat = loaded(target.model)
    prompts, _ = labelled_seeds(workspace, target)
    anchors = [row for row in prompts if row.intent == "harmful" or row.category == "harmless"]
    anchors.sort(key=lambda row: digest("held out", row.id))
    harmful = np.array([row.intent == "harmful" for row in anchors])
    held_out = np.zeros(len(anchors), dtype=bool)
    for kind in (harmful, ~harmful):
        places = np.flatnonzero(kind)
        held_out[places[: min(HELD_OUT, len(places) // 3)]] = True
    kept = ~held_out
    layers = list(range(len(chat.layers)))
    seen = collect(chat, [row.text for row in anchors], layers, positions=AFTER_INSTRUCTION, title="directions")
    languages = np.array([row.language for row in anchors])
    tokens = positions_of(chat, AFTER_INSTRUCTION)
    directions = [
        dataclasses.replace(
            pooled_by_language(layer, seen.hidden[layer][kept, index], harmful[kept], ~harmful[kept], languages[kept],
                               model_digest=chat.digest)[""],
            position=place,
        )
        for layer in layers
        for index, place in enumerate(tokens)
    ]  # fmt: skip
    # most candidates are poor: score by model runs only the best position of each layer, by held-out separation
    best: dict[int, Direction] = {}
    scores: dict[int, float] = {}
    for direction, (layer, index) in zip(
        directions, ((at, i) for at in layers for i in range(len(tokens))), strict=True
    ):
        told = separation(
            direction, seen.hidden[layer][~kept & harmful, index], seen.hidden[layer][~kept & ~harmful, index]
        )
        if layer not in best or told > scores[layer]:
            best[layer], scores[layer] = direction, told
    openings = opening_tokens(chat, workspace.packs.values())
    held = [row.text for row, keep in zip(anchors, kept, strict=True) if not keep]
    bad = [row for row, keep in zip(harmful.tolist(), kept, strict=True) if not keep]
    return score_candidates(chat, list(best.values()), [text for text, is_bad in zip(held, bad, strict=True) if is_bad],
                            [text for text, is_bad in zip(held, bad, strict=True) if not is_bad], openings)  # fmt: skip
