"""The recipe: the ordered steps that lead from language packs to a scored draft release and its report.

Every step reads the tables of the steps before it and writes its own; each is also a command. Steps are resumable by
themselves (curation/steps.py), so running the recipe again does only what is missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from curation.console import say
from curation.steps import Outcome
from curation.workspace import Workspace


class Options(NamedTuple):
    """What a run may be told beside morbench.toml."""

    simulate: bool = False  # let simulated annotators answer the queue
    port: int | None = None


class Stage(NamedTuple):
    """One step of the recipe."""

    name: str
    title: str
    run: Callable[[Workspace, Options], str]  # returns one line that says what there is now


def summary(outcomes: Outcome | Iterable[Outcome]) -> str:
    """Rows kept, rows dropped, and whether anything had to be computed."""
    found = [outcomes] if isinstance(outcomes, Outcome) else list(outcomes)
    rows, rejects = sum(len(each.rows) for each in found), sum(len(each.rejects) for each in found)
    line = f"{rows} rows" + (f", {rejects} dropped" if rejects else "")
    return line if any(each.computed for each in found) else line + " (nothing to do)"


def _seeds(workspace: Workspace, _: Options) -> str:
    from rass.writers.seeds import run_seeds

    return summary(run_seeds(workspace))


def _seed_replies(workspace: Workspace, _: Options) -> str:
    from rass.replies import run_respond_seeds

    return summary(run_respond_seeds(workspace))


def _generate(workspace: Workspace, _: Options) -> str:
    from rass.writers.running import run_generate

    return summary(run_generate(workspace))


def _identify(workspace: Workspace, _: Options) -> str:
    from curation.languages.identification import run_identify

    return summary(run_identify(workspace))


def _dedup(workspace: Workspace, _: Options) -> str:
    from curation.duplicates.removal import run_dedup

    outcome = run_dedup(workspace)
    return f"{len(outcome.rows)} duplicates removed" + ("" if outcome.computed else " (nothing to do)")


def _respond(workspace: Workspace, _: Options) -> str:
    from rass.replies import run_respond

    return summary(run_respond(workspace))


def _label(workspace: Workspace, _: Options) -> str:
    from curation.refusals.labelling import run_label

    return summary(run_label(workspace))


def _probe(workspace: Workspace, _: Options) -> str:
    from rass.probing import run_probe

    return summary(run_probe(workspace))


def _select(workspace: Workspace, _: Options) -> str:
    from rass.selection import run_select

    return summary(run_select(workspace))


def _triage(workspace: Workspace, _: Options) -> str:
    from curation.triage.running import run_triage

    outcome = run_triage(workspace)
    queued = sum(bool(row.batch) for row in outcome.rows)
    return f"{queued} of {len(outcome.rows)} prompts go to people" + ("" if outcome.computed else " (nothing to do)")


def _queue(workspace: Workspace, options: Options) -> str:
    from annotation.queue import run_queue

    return run_queue(workspace, options.port)


def _responses(workspace: Workspace, options: Options) -> str:
    from annotation.responses import run_responses

    return summary(run_responses(workspace, simulate=options.simulate))


def _verdicts(workspace: Workspace, _: Options) -> str:
    from annotation.verdicts import run_verdicts

    return summary(run_verdicts(workspace))


def _release(workspace: Workspace, _: Options) -> str:
    from releases.build import run_build

    return run_build(workspace).line()


def _score(workspace: Workspace, _: Options) -> str:
    from releases.scores.evaluation import run_scores

    return f"{len(run_scores(workspace))} rates, both sides"


def _report(workspace: Workspace, _: Options) -> str:
    from releases.report import run_report

    return str(run_report(workspace).relative_to(workspace.root))


RECIPE: tuple[Stage, ...] = (
    Stage("seeds", "seeds from language packs", _seeds),
    Stage("respond-seeds", "targets answer the seeds", _seed_replies),
    Stage("generate", "candidates from every writer", _generate),
    Stage("identify", "language check", _identify),
    Stage("dedup", "embedding deduplication", _dedup),
    Stage("probe", "margins to each target's boundary", _probe),
    Stage("select", "selection near the boundary", _select),
    Stage("respond", "targets answer the candidates", _respond),
    Stage("label", "refusal labels", _label),
    Stage("triage", "triage", _triage),
    Stage("queue", "queue in Argilla", _queue),
    Stage("responses", "responses", _responses),
    Stage("verdicts", "verdicts", _verdicts),
    Stage("release", "draft release", _release),
    Stage("score", "scores of the targets", _score),
    Stage("report", "report", _report),
)


def run_recipe(workspace: Workspace, options: Options) -> None:
    """Run every step in order, one line each; stops before verdicts while nobody has answered."""
    for number, stage in enumerate(RECIPE, 1):
        started = time.monotonic()
        line = stage.run(workspace, options)
        say(f"[{number:2}/{len(RECIPE)}] {stage.title}: {line}  ({time.monotonic() - started:.1f} s)")
        if stage.name == "responses" and not answered(workspace):
            say("nobody has answered yet: people sign in to Argilla (below), then run this command again")
            return


def answered(workspace: Workspace) -> bool:
    """Whether any response has come back."""
    from curation.records import Response

    return bool(workspace.table(Response).rows())
