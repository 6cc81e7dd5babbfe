"""Leaning: what plainly asks for harm is dropped where a writer was to write what is benign.

The harm classifier (rass/harm.py) is asked as the packs' texts alone make it: it looks at no target, and what people say of
candidates later does not change which candidates there are. It is weak evidence, so the limit is wide, and the log-odds stay in
the provenance of what passes.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from curation.records import canonical, digest
from curation.workspace import Workspace
from rass.benign import training_examples, training_vectors
from rass.harm import Example, HarmModel, fit_harm
from rass.pool import encoder
from rass.writers.running import Task
from rass.writers.screening import Draft

LIMIT = 1.0  # log-odds of harm at even odds, above which a text is dropped: P = .73


def settings(task: Task) -> dict[str, Any]:
    """What decides the check, for a writer's settings."""
    examples = (f"{one.language} {one.kind} {one.text}" for one in training_examples(task.workspace))
    embedding = task.workspace.config.duplicates.embedding
    return {"embedding": embedding, "limit": LIMIT, "examples": digest(*examples)[:16]}


def check_leaning(task: Task, drafts: Sequence[Draft]) -> list[Draft]:
    """Drafts with their log-odds of harm in the detail, and a reason where these are above the limit."""
    found = list(drafts)
    good = [index for index, draft in enumerate(found) if not draft.reason]
    if not good:
        return found
    vectors = encoder(task.workspace.config.duplicates.embedding).encode([found[index].prompt.text for index in good])
    model = _harm_model(task.workspace, tuple(training_examples(task.workspace)))
    for index, odds in zip(good, model.logits(vectors, [task.language] * len(good)).tolist(), strict=True):
        row = found[index].prompt
        detail = canonical(json.loads(row.detail) | {"harm": round(odds, 4)})
        reason, evidence = ("leans_to_harm", {"harm": round(odds, 4), "limit": LIMIT}) if odds > LIMIT else ("", {})
        found[index] = Draft(dataclasses.replace(row, detail=detail), reason, evidence)
    return found


@lru_cache(maxsize=1)
def _harm_model(workspace: Workspace, examples: tuple[Example, ...]) -> HarmModel:
    return fit_harm(training_vectors(workspace, examples), examples)
