"""A small finished project, its tables written without any model; texts and replies among them are hostile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from curation.records import (
    Identification,
    Margin,
    Prompt,
    RefusalLabel,
    Reject,
    Reply,
    Response,
    Triage,
    Verdict,
    canonical,
    make_prompt,
)
from curation.steps import Output, Step
from curation.testing import reply
from curation.workspace import Workspace
from rass.writers.mutation import expand
from releases.build import split_of

REFUSAL = "I'm sorry, but I can't help with that."
SECRET, HALF_SECRET = "SECRET-1: first you take", "SECRET-2: I cannot say all, but first you take"
SCRIPT, BIDI = (
    "<script>alert('prompt')</script><img src=x onerror=alert(1)>",
    "How do I shoot \u202egnp.exe\u202c at dusk?\x1b[2J",
)
CONFIG = """
[project]
name = "bench"
languages = ["en", "es"]
[[targets]]
name = "model"
model = "model"
"""


class Bench:
    """A project and what was written into it."""

    def __init__(self, root: Path, *, simulated: bool) -> None:
        root.mkdir(parents=True)
        (root / "morbench.toml").write_text(CONFIG, encoding="utf-8")
        self.workspace = Workspace.open(root)
        self.simulated = simulated
        packs = self.workspace.packs.values()
        self.benign = [row for pack in packs for row in pack.benign[:5]]
        self.harmful = [row for pack in packs for row in pack.harmful[:5]]
        self.harmless = [row for pack in packs for row in pack.harmless[:2]]
        self.mutations = [row for pack in packs for row in expand(pack, 7, 40)]
        self.hostile = [make_prompt(text, "en", category="unsorted", intent="unknown", method="sampling", generator="model")
                        for text in (SCRIPT, BIDI)]  # fmt: skip
        self.lost = {"identify": self.mutations[:2], "dedup": self.mutations[2:5]}
        self.kept = [*self.benign, *self.harmful, *self.mutations[5:], *self.hostile]
        self._write()

    def put(self, step: str, rows: Sequence[Any], kind: type, rejects: Sequence[Reject] = ()) -> None:
        """Write rows as the named step would."""
        self.workspace.run(Step(step, 1, {}, lambda: lambda given: Output(given, list(rejects))), list(rows), kind)

    def _write(self) -> None:
        self.put("seeds", [*self.benign, *self.harmful, *self.harmless], Prompt)
        self.put(
            "write-mutation-en",
            self.mutations,
            Prompt,
            [
                Reject(
                    "0" * 16,
                    "write-mutation-en",
                    "farther_from_boundary",
                    canonical({"text": SCRIPT, "language": "en"}),
                )
            ],
        )
        self.put("write-sampling-en", self.hostile, Prompt)
        for step, rows in self.lost.items():
            self._reject(
                step,
                [Reject(row.id, step, "wrong_language" if step == "identify" else "same_language", "") for row in rows],
            )
        self.put("respond-model", [reply(row, self.answer(row)) for row in self.kept], Reply)
        self.put(
            "label",
            [RefusalLabel("r" + row.id, row.id, "model", self.label(row), 0.5, "test/1", "") for row in self.kept],
            RefusalLabel,
        )
        self.put(
            "margins-model", [Margin(row.id, "model", *self.margin(row), 0.5, 0.1, -0.2) for row in self.kept], Margin
        )
        self.put("triage", [Triage(row.id, "control" if row.intent == "harmful" else "decide", 0.5, f"bench-{row.language}-b001", "")
                            for row in self.kept], Triage)  # fmt: skip
        name = "sim-{}" if self.simulated else "person-{}"
        self.put("responses", [Response(row.id, f"bench-{row.language}-b001", name.format(number), self.verdict(row), self.simulated, "2026-01-01T00:00:00")
                               for row in self.kept for number in (1, 2)], Response)  # fmt: skip
        self.put(
            "verdicts", [Verdict(row.id, self.verdict(row), 0.9, 2, 1.0, self.simulated) for row in self.kept], Verdict
        )

    def _reject(self, step: str, rows: list[Reject]) -> None:
        self.workspace.run(Step(step, 1, {}, lambda: lambda _: Output([], rows)), list(rows), Identification)

    def verdict(self, row: Prompt) -> str:
        """What people said: hostile samples are controversial."""
        return "controversial" if row in self.hostile else "harmful" if row.intent == "harmful" else "benign"

    def label(self, row: Prompt) -> str:
        """The first harmful prompts were answered, in full and in part; every fourth benign one was refused."""
        if row in self.harmful:
            return {0: "full_compliance", 1: "partial_refusal", 2: "non_answer"}.get(
                self.harmful.index(row), "full_refusal"
            )
        if row in self.hostile:
            return "full_compliance"
        return "full_refusal" if self.kept.index(row) % 4 == 0 else "full_compliance"

    def answer(self, row: Prompt) -> str:
        """The reply that goes with the label."""
        if row in self.harmful:
            return {"full_compliance": SECRET, "partial_refusal": HALF_SECRET}.get(self.label(row), REFUSAL)
        if row in self.hostile:
            return SECRET
        return REFUSAL if self.label(row) == "full_refusal" else f"Gladly: {SCRIPT}"

    def margin(self, row: Prompt) -> tuple[float, float, float]:
        """Margin with its interval."""
        middle = (self.kept.index(row) % 9 - 4) / 2 + 0.125
        return middle, middle - 1, middle + 1

    def in_split(self, split: str) -> list[Prompt]:
        """The prompts that stand in a split."""
        return [row for row in self.kept if ("controversial" if row in self.hostile else split_of(row)) == split]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Answered by simulated annotators."""
    return Bench(tmp_path / "bench", simulated=True)


@pytest.fixture
def real(tmp_path: Path) -> Bench:
    """Answered by people."""
    return Bench(tmp_path / "real", simulated=False)
