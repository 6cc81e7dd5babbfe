"""Projects whose target is a tiny random model, with scripted generators and vectors that need no model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.config import WriterSection
from curation.endpoint import Completion, Decoding
from curation.languages.packs import load_pack
from curation.records import Prompt, Reply
from curation.steps import Output, Step
from curation.storage import write_text
from curation.testing import LetterEncoder, reply
from curation.workspace import Workspace
from rass.generators import Request
from rass.testing import tiny_model
from rass.writers.running import Task
from rass.writers.seeds import run_seeds
from tests.small import small_pack, toml

SETTINGS = """
[project]
name = "tiny"
languages = {languages}
[candidates]
max_perplexity_ratio = {ratio}
{writers}
[[targets]]
name = "tiny"
model = "{model}"
"""


class Scripted:
    """A generator that answers by a function, and keeps what it was asked."""

    def __init__(self, answer: Callable[[Request], Completion | str]) -> None:
        self.answer = answer
        self.asked: list[Request] = []

    def complete(self, requests: Sequence[Request], decoding: Decoding, *, title: str) -> list[Completion]:
        self.asked += requests
        found = [self.answer(request) for request in requests]
        return [Completion(row) if isinstance(row, str) else row for row in found]


class FixedHarm:
    """A harm classifier that says the same of every text."""

    def __init__(self, odds: float) -> None:
        self.odds = odds

    def logits(self, vectors: np.ndarray, languages: Sequence[str]) -> np.ndarray:
        return np.full(len(vectors), self.odds)


@pytest.fixture(autouse=True)
def vectors_without_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("contrast", "translation", "leaning"):
        monkeypatch.setattr(f"rass.writers.{module}.encoder", lambda _: LetterEncoder())
    monkeypatch.setattr("rass.writers.leaning._harm_model", lambda *_: FixedHarm(-1.0))


def with_pairs(path: Path, code: str, count: int) -> None:
    """Add the first pairs of a built-in pack to a small one."""
    pack = load_pack(code)
    benign = {row.id: row for row in pack.benign}
    text = path.read_text(encoding="utf-8")
    for row in [row for row in pack.harmful if "contrast" in row.detail][:count]:
        partner = benign[json.loads(row.detail)["contrast"]]
        if toml(partner.text) not in text:
            text += f"\n[[benign]]\ntext = {toml(partner.text)}\ncategory = {toml(partner.category)}\n"
        text = text.replace(f"[[harmful]]\ntext = {toml(row.text)}\ncategory = {toml(row.category)}\n", "")
        text += f"\n[[harmful]]\ntext = {toml(row.text)}\ncategory = {toml(row.category)}\ncontrast = {toml(partner.text)}\n"
    write_text(path, text)


@pytest.fixture(scope="session")
def wide_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose context holds an instruction with its shots, a token a byte."""
    return tiny_model(tmp_path_factory.mktemp("tiny") / "wide", context=4096)


@pytest.fixture
def project(tmp_path: Path, wide_folder: Path) -> Callable[..., Workspace]:
    """Makes a project whose seeds are written and answered: the target refuses what is harmful."""

    def make(*sections: dict[str, Any], languages: Sequence[str] = ("en",), ratio: float = 1e9, pairs: int = 8,
             name: str = "bench") -> Workspace:  # fmt: skip
        root = tmp_path / name
        (root / "languages").mkdir(parents=True)
        for code in languages:
            with_pairs(small_pack(root / "languages", code), code, pairs)
        writers = "\n".join("[[writers]]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in section.items())
                            for section in sections)  # fmt: skip
        text = SETTINGS.format(languages=json.dumps(list(languages)), ratio=ratio, writers=writers, model=wide_folder)
        write_text(root / "morbench.toml", text)
        workspace = Workspace.open(root)
        rows = run_seeds(workspace).rows
        no, yes = "I'm sorry, but I can't help with that.", "Here is how."
        answers = [reply(row, no if row.intent == "harmful" else yes, "tiny") for row in rows]
        workspace.run(Step("respond-seeds-tiny", 1, {}, lambda: Output), answers, Reply)
        return workspace

    return make


def task_of(workspace: Workspace, name: str, language: str = "en", **settings: Any) -> Task:
    """The task of one writer in one language."""
    section = next(
        (each for each in workspace.config.writers if each.name == name), WriterSection(name=name, **settings)
    )
    seeds = [row for row in workspace.table(Prompt).rows(("seeds",)) if row.language == language]
    return Task(workspace, section, language, seeds)


def use(monkeypatch: pytest.MonkeyPatch, answer: Callable[[Request], Completion | str]) -> Scripted:
    """Let a scripted generator write."""
    generator = Scripted(answer)
    monkeypatch.setattr("rass.writers.running.load_generator", lambda _: generator)
    return generator


def everything_has_its_place(output: Output, count: int) -> None:
    """Every draft is kept or rejected, each under an id of its own, and rejects say why and what."""
    assert len(output.rows) + len(output.rejects) == count
    assert [row.id for row in output.rows] == sorted({row.id for row in output.rows})
    assert len({row.prompt_id for row in output.rejects}) == len(output.rejects)
    for row in output.rejects:
        assert row.reason
        assert {"text", "language"} <= set(json.loads(row.evidence))
