"""Seeds: what people wrote in the language packs, as the first rows of the prompts table."""

from __future__ import annotations

from curation.records import Prompt, digest
from curation.steps import Outcome, Output, Step
from curation.workspace import Workspace


def run_seeds(workspace: Workspace) -> Outcome:
    """Write the packs' benign, harmful and harmless seeds."""
    limit = workspace.config.candidates.harmful
    rows: list[Prompt] = []
    for pack in workspace.packs.values():
        rows += [*pack.benign, *pack.harmful[:limit], *pack.harmless]
    settings = {"harmful": limit, "packs": digest(*(row.id + row.category + row.intent for row in rows))[:16]}
    return workspace.run(Step("seeds", 1, settings, lambda: Output, title="seeds"), list(rows), Prompt)
