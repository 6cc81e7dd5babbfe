"""The step: every prompt that is alive gets its lane, and one batch per language is filled."""

from __future__ import annotations

from collections import defaultdict

from curation.personal import findings
from curation.records import Identification, Margin, RefusalLabel, Selection, Triage
from curation.steps import Outcome, Output, Step
from curation.triage import planning, signals
from curation.triage.cases import Case
from curation.triage.planning import plan
from curation.workspace import CHOSEN, Workspace


def run_triage(workspace: Workspace) -> Outcome:
    """Give every prompt that is alive its lane, and fill one batch per language."""
    config = workspace.config
    queue, project, seed = config.queue, config.project.name, config.project.seed
    settings: dict[str, object] = {
        "per_language": queue.per_language, "quotas": queue.quotas, "harmful_share": queue.harmful_share, "audit_share": queue.audit_share,
        "decide_share": queue.decide_share, "project": project, "seed": seed, "near": signals.NEAR, "unsure": signals.UNSURE,
        "doubted": signals.DOUBTED, "rarity": planning.RARITY, "personal": findings.VERSION,
    }  # fmt: skip

    def work(rows: list[Case]) -> Output:
        return Output(plan(rows, queue, project, seed))

    return workspace.run(Step("triage", 2, settings, lambda: work, title="triage"), list(cases_of(workspace)), Triage)


def cases_of(workspace: Workspace) -> list[Case]:
    """Every prompt that is alive, with what earlier steps know of it; harmless seeds are never shown."""
    labels: dict[str, list[RefusalLabel]] = defaultdict(list)
    margins: dict[str, list[Margin]] = defaultdict(list)
    for label in workspace.table(RefusalLabel).rows():
        labels[label.prompt_id].append(label)
    for margin in workspace.table(Margin).rows():
        margins[margin.prompt_id].append(margin)
    selections = {row.prompt_id: row for row in workspace.table(Selection).rows()}
    asks = {row.prompt_id: (f"language check: {row.doubt or 'unsure'}",) for row in workspace.table(Identification).rows()
            if row.decision == "ask"}  # fmt: skip
    return [Case(row, tuple(sorted(labels[row.id], key=lambda label: (label.target, label.reply_id))),
                 tuple(sorted(margins[row.id], key=lambda margin: margin.target)),
                 asks.get(row.id, ()), selections.get(row.id))
            for row in workspace.alive(CHOSEN) if row.category != "harmless"]  # fmt: skip
