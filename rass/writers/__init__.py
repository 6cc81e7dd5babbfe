"""Writers: ways in which candidate prompts come into being, each leaving its provenance."""

from __future__ import annotations

from curation.steps import Outcome
from curation.workspace import Workspace


def run_generate(workspace: Workspace) -> list[Outcome]:
    """Run every writer: slot mutation, then steered sampling."""
    from rass.writers.mutation import run_mutation
    from rass.writers.sampling import run_sampling

    return [run_mutation(workspace), run_sampling(workspace)]
