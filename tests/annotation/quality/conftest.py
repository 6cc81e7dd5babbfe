"""Answers made by hand and by draw, and a project that was reviewed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import strategies as st

from annotation.quality.evidence import Answer
from annotation.sessions.gold import write_key
from annotation.sessions.plan import WORK, Change, Place, Plan, Revision, save_plan
from curation.records import Prompt, Response, make_prompt
from curation.workspace import Workspace
from tests.annotation.conftest import choose, put

Triple = tuple[str, str, str]
OTHER = {"benign": "harmful", "harmful": "benign"}
START = datetime(2026, 11, 20, 9)


def triples(
    labels: Sequence[str] = ("benign", "depends", "harmful"), most: int = 30
) -> st.SearchStrategy[list[Triple]]:
    """Answers of up to five people on up to eight items, one each; any of them may be missing."""
    cell = st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("vwxyz"), st.sampled_from(list(labels)))
    return st.lists(cell, min_size=1, max_size=most, unique_by=lambda row: row[:2])


def drawn(
    items: int, accuracies: Sequence[float], labels: Sequence[str], each: int, seed: int
) -> tuple[list[Triple], Mapping[str, str]]:
    """Answers of people with these accuracies, `each` an item, and the truth."""
    source = random.Random(seed)
    truth = {f"i{number:05d}": source.choice(labels) for number in range(items)}
    rows = []
    for item, right in truth.items():
        for person in sorted(source.sample(range(len(accuracies)), each)):
            wrong = [label for label in labels if label != right]
            rows.append(
                (item, f"a{person:03d}", right if source.random() < accuracies[person] else source.choice(wrong))
            )
    return rows, truth


def prompt(number: int, intent: str = "benign", language: str = "en", text: str = "") -> Prompt:
    """A prompt of that number."""
    words = text or f"{'a knife in a cake' if intent == 'benign' else 'a knife in a neighbour'} {number}"
    return make_prompt(words, language, category="fiction", intent=intent, method="seed")


def answer(asked: Prompt, annotator: str, given: str, seconds: float = 0.0, note: str = "") -> Answer:
    """An answer, so many seconds after the start."""
    at = (START + timedelta(seconds=seconds)).isoformat()
    return Answer(asked, annotator, given, "first", at, False, note)


def reviewed(
    root: Path,
    *,
    languages: Sequence[str] = ("en", "ar"),
    count: int = 36,
    names: Sequence[str] = ("anna", "bob", "carl"),
    note: str = "",
    simulated: bool = False,
) -> Workspace:
    """A closed review: all people answer most items, the last one badly; the first six items of a language are gold."""
    workspace = Workspace.create(root, tuple(languages))
    source = random.Random(5)
    prompts: list[Prompt] = []
    responses: list[Response] = []
    changes: list[Change] = []
    key: dict[str, str] = {}
    suggestions: dict[str, str] = {}
    for language in languages:
        pack = workspace.packs[language]
        chosen = [
            row for pair in zip(pack.benign[: count // 2], pack.harmful[: count // 2], strict=True) for row in pair
        ]
        prompts += chosen
        key |= {row.id: row.intent for row in chosen[:6]}
        suggestions |= {row.id: row.intent for row in chosen}
        for place, name in enumerate(names):
            clock, mine = START, [row for index, row in enumerate(chosen) if index < 6 or index % len(names) != place]
            source.shuffle(mine)
            for row in mine:
                clock += timedelta(seconds=4 + len(row.text) / 30 + source.random())
                right = source.random() < (0.6 if place == len(names) - 1 else 0.95)
                responses.append(Response(row.id, f"first-{language}-work", name, row.intent if right else OTHER[row.intent],
                                          simulated, clock.isoformat(), "first", note=note))  # fmt: skip
            half = tuple(row.id for row in mine[::2])
            changes.append(Change(Place(name, language, WORK), tuple(row.id for row in mine), (), half))
    put(workspace, Prompt, "seeds", prompts)
    choose(workspace, prompts)
    put(workspace, Response, "responses", responses)
    write_key(workspace, "first", key)
    save_plan(workspace, Plan("first", 7, 2, 30, 0.1, 0, True, (Revision("open", tuple(changes), suggestions),)))
    return workspace


class BagOfWords:
    """An encoder that needs no weights: a text's vector counts its words, hashed."""

    def encode(self, texts: Sequence[str]) -> object:
        """float32 (n, 64), rows of length 1."""
        import zlib

        import numpy as np

        from curation.embedding import unit_rows

        vectors = np.zeros((len(texts), 64), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[row, zlib.crc32(word.encode()) % 64] += 1
        return unit_rows(vectors)


@pytest.fixture
def encoder() -> BagOfWords:
    """A small encoder."""
    return BagOfWords()
