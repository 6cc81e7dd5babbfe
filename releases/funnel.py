"""The funnel: how many prompts each step took in, kept and dropped, and why."""

from __future__ import annotations

import json
from collections import Counter
from typing import NamedTuple

from curation.records import RefusalLabel, Response, Triage, Verdict
from curation.workspace import CHOSEN, Workspace


class FunnelRow(NamedTuple):
    """One line of the funnel."""

    stage: str
    detail: str
    counts: dict[str, int]  # language -> rows

    @property
    def total(self) -> int:
        """Rows over all languages."""
        return sum(self.counts.values())


def funnel(workspace: Workspace) -> list[FunnelRow]:
    """Candidates in, dropped by reason, labelled, queued, answered, released."""
    prompts = workspace.prompts()
    rows: list[FunnelRow] = []

    def add(stage: str, detail: str, languages: list[str]) -> None:
        if languages:
            rows.append(FunnelRow(stage, detail, dict(Counter(languages))))

    candidates = [row for row in prompts.values() if row.category != "harmless"]
    order = ("seed", *dict.fromkeys(workspace.writing_steps().values()))  # as they are written; imports come last
    ways = sorted({(row.method, row.intent) for row in candidates},
                  key=lambda way: (order.index(way[0]) if way[0] in order else len(order), way))  # fmt: skip
    for method, intent in ways:
        add(
            "candidates in",
            f"{method}, {intent}",
            [row.language for row in candidates if (row.method, row.intent) == (method, intent)],
        )
    rows += _writers_rejects(workspace)
    for step in CHOSEN:
        reasons = Counter((row.reason, prompts[row.prompt_id].language) for row in workspace.rejects(step).rows()
                          if row.prompt_id in prompts)  # fmt: skip
        for reason in sorted({reason for reason, _ in reasons}):
            rows.append(
                FunnelRow(
                    "dropped",
                    f"{step}: {reason}",
                    {lang: count for (why, lang), count in reasons.items() if why == reason},
                )
            )
    alive = {row.id: row for row in workspace.alive(CHOSEN) if row.category != "harmless"}
    labelled = {(row.prompt_id, row.target) for row in workspace.table(RefusalLabel).rows()}
    asked = {code: [target.name for target in workspace.config.targets_for(code)] for code in workspace.packs}
    add("labelled", "alive, answered by every target",
        [row.language for row in alive.values()
         if (names := asked.get(row.language)) and all((row.id, name) in labelled for name in names)])  # fmt: skip
    queued = [row for row in workspace.table(Triage).rows() if row.batch and row.prompt_id in prompts]
    for lane in ("confirm", "decide", "control", "audit"):
        add("queued", lane, [prompts[row.prompt_id].language for row in queued if row.lane == lane])
    answers = workspace.table(Response).rows()
    real = {(row.prompt_id, row.annotator) for row in answers if not row.simulated}
    simulated = {(row.prompt_id, row.annotator) for row in answers if row.simulated}
    add("answered", "responses by people", [prompts[key].language for key, _ in sorted(real) if key in prompts])
    add(
        "answered",
        "responses by simulated annotators",
        [prompts[key].language for key, _ in sorted(simulated) if key in prompts],
    )
    verdicts = workspace.table(Verdict).rows()
    for verdict in ("benign", "harmful", "controversial"):
        add(
            "verdicts",
            verdict,
            [
                prompts[row.prompt_id].language
                for row in verdicts
                if row.verdict == verdict and row.prompt_id in prompts
            ],
        )
    return rows


def _writers_rejects(workspace: Workspace) -> list[FunnelRow]:
    """What the writers made and did not keep, by reason; their texts never became prompts, so the evidence names the language."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for step, writer in workspace.writing_steps().items():
        for row in workspace.rejects(step).rows():
            counts.setdefault((writer, row.reason), Counter())[json.loads(row.evidence)["language"]] += 1
    return [
        FunnelRow("not kept", f"{writer}: {reason}", dict(found)) for (writer, reason), found in sorted(counts.items())
    ]


def released(workspace: Workspace) -> FunnelRow | None:
    """Rows in the configured version, once it is built."""
    from releases.manifest import read_manifest, release_folder

    folder = release_folder(workspace)
    if not (folder / "manifest.json").exists():
        return None
    manifest = read_manifest(folder)
    return FunnelRow(
        "released",
        f"version {manifest['version']}{' (draft)' if manifest['draft'] else ''}",
        manifest["rows"]["by_language"],
    )
