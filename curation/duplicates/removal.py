"""Removing near-duplicates from a project or from a plain list of texts."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from curation.duplicates.pairs import find_duplicates
from curation.records import Duplicate, Prompt, Reject, normalise
from curation.steps import Outcome, Output, Step

if TYPE_CHECKING:
    from curation.embedding import Encoder
    from curation.workspace import Workspace

PREFERENCE = {"seed": 0, "import": 1, "mutation": 2}  # what people wrote stays before what a grammar or a model wrote
_LAST = 3
_SIDES = {"benign": 1, "harmful": -1}  # a benign and a harmful prompt are a contrast, however alike they sound
_MEANINGFUL = frozenset("#@&%*/")  # C# is not C


def text_key(text: str) -> str:
    """What two texts must share to be the same text: normalised, without punctuation."""
    return "".join(char for char in normalise(text)
                   if char in _MEANINGFUL or not (char.isspace() or unicodedata.category(char)[0] == "P"))  # fmt: skip


def duplicates_of(
    rows: Sequence[Prompt], threshold: float, encoder: Encoder, anchors: Sequence[tuple[str, str]] = ()
) -> list[Duplicate]:
    """The rows to remove from prompts, each with a kept witness; equal texts first, then near ones by cosine.

    `anchors` are (text, language) that only help to place each language's mean where there are few rows.
    """
    from curation.embedding import centre_by_language

    ordered = sorted(rows, key=lambda row: (PREFERENCE.get(row.method, _LAST), row.id))
    first: dict[tuple[str, str, int], Prompt] = {}
    same: list[tuple[Prompt, Prompt]] = []
    unique: list[Prompt] = []
    for row in ordered:
        key = (row.language, text_key(row.text), min(_SIDES.get(row.intent, 0), 0))
        witness = first.setdefault(key, row)
        if witness is row:
            unique.append(row)
        else:
            same.append((row, witness))
    if not unique:
        return []
    texts = [*(row.text for row in unique), *(text for text, _ in anchors)]
    languages = [*(row.language for row in unique), *(language for _, language in anchors)]
    vectors = centre_by_language(encoder.encode(texts), languages)[: len(unique)]
    pairs = find_duplicates(
        [row.id for row in unique], vectors, [row.language for row in unique], threshold,
        [PREFERENCE.get(row.method, _LAST) for row in unique], protected=[row.method == "seed" for row in unique],
        sides=[_SIDES.get(row.intent, 0) for row in unique],
    )  # fmt: skip
    kept_for = {pair.removed: pair for pair in pairs}
    found = [Duplicate(pair.removed, pair.witness, pair.similarity, "same_language") for pair in pairs]
    for row, witness in same:  # a witness that fell itself hands over to the one that stands for it
        stands = kept_for[witness.id].witness if witness.id in kept_for else witness.id
        similarity = kept_for[witness.id].similarity if witness.id in kept_for else 1.0
        found.append(Duplicate(row.id, stands, similarity, "same_text" if stands == witness.id else "same_language"))
    return sorted(found, key=lambda row: row.prompt_id)


def run_dedup(workspace: Workspace) -> Outcome:
    """Remove prompts that repeat a kept one in the same language, naming that one."""
    config = workspace.config.duplicates
    settings = {"embedding": config.embedding, "threshold": config.threshold}

    def prepare():  # type: ignore[no-untyped-def]
        from curation.embedding import load_encoder

        encoder = load_encoder(config.embedding)

        def work(rows: list[Prompt]) -> Output:
            found = duplicates_of(rows, config.threshold, encoder)
            return Output(found, [Reject(row.prompt_id, "dedup", "duplicate", f"{row.witness_id} {row.similarity:.4f}")
                                  for row in found])  # fmt: skip

        return work

    rows = [row for row in workspace.alive(("identify",)) if row.category != "harmless"]
    return workspace.run(Step("dedup", 1, settings, prepare, title="near-duplicates"), list(rows), Duplicate)
