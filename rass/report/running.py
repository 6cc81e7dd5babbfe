"""Writing a target's probe report: tables, pictures drawn from them, and one page that holds all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from curation.storage import write_text
from curation.workspace import Workspace
from rass.activations import collect
from rass.boundary import Boundary, candidate_layers
from rass.pool import loaded
from rass.probing import boundary_for, labelled_seeds
from rass.report.pictures import redraw
from rass.report.study import Study, make_study
from rass.report.tables import POOLED, all_tables, read_table, write_tables

CAPTIONS = (
    ("projections", "Where harm shows", "Projection onto the pooled harm direction by layer, 0 the midpoint and 1 the harmful mean: median and quartiles of each kind."),
    ("pca", "The layer in two dimensions", "First two principal components of the direction's layer; crosses were refused. The dashed line is where a "
     "logistic regression on these two components gives 1/2: the boundary as far as this plane shows it."),
    ("tsne", "The layer unrolled", "t-SNE of the first 50 components. Distances between far groups mean nothing here."),
    ("reliability", "Calibration", "Observed refusals against held-out P(refuses)."),
    ("cosines", "One direction or many", "Cosine between the languages' own harm directions."),
    ("transfer", "From language to language", "AUROC of harmful against harmless: trained in one language, tested in another; the diagonal is held out."),
)  # fmt: skip


def run_probe_report(workspace: Workspace) -> list[Path]:
    """A report for each target under report/probe/<target>/; the same project gives the same tables."""
    found = []
    for target in workspace.config.targets:
        boundary, chat = boundary_for(workspace, target), loaded(target.model)
        prompts, refused = labelled_seeds(workspace, target)
        seen = collect(chat, [row.text for row in prompts], candidate_layers(len(chat.layers)), openings=boundary.openings,
                       title=f"report on {target.name}")  # fmt: skip
        study = make_study(target.name, chat.digest, prompts, refused, seen, boundary.openings,
                           seed=workspace.config.project.seed)  # fmt: skip
        found.append(write_report(workspace.root / "report" / "probe" / target.name, study, boundary))
    return found


def write_report(folder: Path, study: Study, boundary: Boundary, seed: int = 7) -> Path:
    """Tables, pictures and page of one study; returns the page."""
    write_tables(folder, all_tables(study, boundary.direction.layer, seed))
    redraw(folder)
    path = folder / "probe.html"
    write_text(path, page(folder, study, boundary))
    return path


def page(folder: Path, study: Study, boundary: Boundary) -> str:
    """The page, from the tables and pictures in `folder`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True)  # fmt: skip
    languages = sorted(set(study.languages.tolist()))
    pictures = {name: Markup((folder / f"{name}.svg").read_text(encoding="utf-8")) for name, _, _ in CAPTIONS}  # noqa: S704 - drawn by us; its only texts are checked names
    return environment.get_template("page.html").render(
        target=study.target, digest=study.model_digest, seeds=len(study.prompts), refused=int(study.refused.sum()), languages=languages,
        layer=boundary.direction.layer, refusal_layer=boundary.refusal.layer, captions=CAPTIONS, pictures=pictures,
        summary=_summary(read_table(folder / "metrics.csv"), [POOLED, *languages]),
    )  # fmt: skip


def _summary(rows: Sequence[dict[str, str]], languages: Sequence[str]) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """One line a task and metric, one cell a language."""
    at = {(row["task"], row["metric"], row["language"]): row for row in rows}
    lines = list(dict.fromkeys((row["task"], row["metric"]) for row in rows))
    return [(task, metric, [_cell(at.get((task, metric, code))) for code in languages]) for task, metric in lines]


def _cell(row: dict[str, str] | None) -> dict[str, Any]:
    if row is None or math.isnan(float(row["value"])):
        return {"text": "n/a", "title": ""}
    return {"text": f"{float(row['value']):.3f}",
            "title": f"[{float(row['low']):.3f}, {float(row['high']):.3f}], n = {row['n']}"}  # fmt: skip
