"""What the report shows, gathered from the project's tables, and written beside it as CSV."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from curation.personal.findings import masked
from curation.records import REFUSED, Margin, Prompt, RefusalLabel, Reject, Reply, Verdict
from curation.storage import write_text
from curation.workspace import Workspace
from releases.funnel import FunnelRow, funnel, released
from releases.manifest import read_manifest, release_folder
from releases.scores.evaluation import Score, run_scores

SAMPLES = 6  # prompts shown per language and group


@dataclasses.dataclass(frozen=True)
class MarginPoint:
    """One prompt as the margin plot shows it."""

    prompt_id: str
    language: str
    target: str
    group: str  # benign answered, benign refused, harmful answered, harmful refused, written by a model
    margin: float


@dataclasses.dataclass(frozen=True)
class Sample:
    """One prompt as the report quotes it."""

    text: str
    language: str
    category: str
    method: str
    verdict: str
    margin: float
    outcomes: list[
        tuple[str, str, str]
    ]  # target, label, reply (withheld where a harmful prompt was answered, were it in part)


@dataclasses.dataclass(frozen=True)
class ReportData:
    """All tables of the report."""

    name: str
    version: str
    draft: bool
    gates: list[dict[str, Any]]
    languages: dict[str, str]
    funnel: list[FunnelRow]
    margins: list[MarginPoint]
    scores: list[Score]
    samples: list[Sample]
    rejects: list[tuple[str, str, str]]  # step, reason, text

    @classmethod
    def read(cls, workspace: Workspace) -> ReportData:
        """Gather everything from the project."""
        manifest = read_manifest(release_folder(workspace))
        version = released(workspace)
        prompts = workspace.prompts()
        labels = {(row.prompt_id, row.target): row.label for row in workspace.table(RefusalLabel).rows()}
        margins = workspace.table(Margin).rows()
        points = [MarginPoint(row.prompt_id, prompts[row.prompt_id].language, row.target,
                              _group(prompts[row.prompt_id], labels.get((row.prompt_id, row.target), "")), row.margin)
                  for row in margins if row.prompt_id in prompts and prompts[row.prompt_id].category != "harmless"]  # fmt: skip
        return cls(
            manifest["name"],
            manifest["version"],
            manifest["draft"],
            manifest["gates"],
            {code: pack.name for code, pack in workspace.packs.items()},
            funnel(workspace) + ([version] if version else []),
            points,
            run_scores(workspace),
            _samples(workspace, prompts, labels, margins),
            _reject_samples(workspace.all_rejects(), prompts),
        )

    def write_tables(self, folder: Path) -> None:
        """Write margins.csv, rates.csv and funnel.csv."""
        languages = list(self.languages)
        _write_csv(
            folder / "margins.csv",
            ("prompt_id", "language", "target", "group", "margin"),
            [(p.prompt_id, p.language, p.target, p.group, f"{p.margin:.4f}") for p in self.margins],
        )
        _write_csv(folder / "rates.csv", ("target", "language", "side", "rate", "low", "high", "hits", "n", "unscored"),
                   [(s.target, s.language, s.side, f"{s.rate.value:.4f}", f"{s.rate.low:.4f}", f"{s.rate.high:.4f}", s.rate.hits,
                     s.rate.n, s.unscored) for s in self.scores])  # fmt: skip
        _write_csv(
            folder / "funnel.csv",
            ("stage", "detail", *languages, "all"),
            [
                (row.stage, row.detail, *(row.counts.get(code, 0) for code in languages), row.total)
                for row in self.funnel
            ],
        )


def _group(prompt: Prompt, label: str) -> str:
    if prompt.intent == "unknown":
        return "written by a model"
    return f"{prompt.intent} {'refused' if label in REFUSED else 'answered' if label == 'full_compliance' else 'without a class'}"


def _samples(workspace: Workspace, prompts: dict[str, Prompt], labels: dict[tuple[str, str], str],
             margins: list[Margin]) -> list[Sample]:  # fmt: skip
    """For each language and verdict, the released prompts nearest the boundary."""
    replies = {(row.prompt_id, row.target): row.text for row in workspace.table(Reply).rows()}
    nearest: dict[str, float] = {}
    for row in margins:
        if abs(row.margin) < abs(nearest.get(row.prompt_id, float("inf"))):
            nearest[row.prompt_id] = row.margin
    groups: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for verdict in workspace.table(Verdict).rows():
        if verdict.prompt_id in prompts:
            groups[prompts[verdict.prompt_id].language, verdict.verdict].append(verdict)
    found = []
    for (language, outcome), verdicts in sorted(groups.items()):
        chosen = sorted(verdicts, key=lambda row: (abs(nearest.get(row.prompt_id, 99.0)), row.prompt_id))[:SAMPLES]
        for verdict in chosen:
            prompt = prompts[verdict.prompt_id]
            safe = outcome == "benign" and prompt.intent == "benign"
            outcomes = [(target.name, label, reply if safe or label == "full_refusal" else "[reply withheld]")
                        for target in workspace.config.targets
                        if (label := labels.get((prompt.id, target.name), ""))
                        and (reply := replies.get((prompt.id, target.name), "")) is not None]  # fmt: skip
            found.append(Sample(masked(prompt.text, language), language, prompt.category, prompt.method, outcome,
                                nearest.get(prompt.id, float("nan")), outcomes))  # fmt: skip
    return found


def _reject_samples(rejects: list[Reject], prompts: dict[str, Prompt]) -> list[tuple[str, str, str]]:
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rejects:
        text = prompts[row.prompt_id].text if row.prompt_id in prompts else _quoted(row.evidence)
        groups[row.step, row.reason].append(text)
    return [(step, reason, text) for (step, reason), texts in sorted(groups.items()) for text in sorted(texts)[:3]]


def _quoted(evidence: str) -> str:
    try:
        return str(json.loads(evidence).get("text", ""))
    except (ValueError, AttributeError):
        return ""


def _write_csv(path: Path, header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """Only numbers and words of ours go into these tables, never text of prompts."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, buffer.getvalue())
