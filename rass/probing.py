"""Probing in a project: fit each target's boundary on the answered seeds, keep it on disk, and measure every prompt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from curation.config import TargetSection
from curation.records import REFUSED, Margin, Prompt, Reply, canonical, digest
from curation.refusals.labelling import label_texts
from curation.steps import Outcome, Output, Step
from curation.storage import write_atomically
from curation.workspace import Workspace
from rass.boundary import Boundary, fit_boundary, measure
from rass.directions import Direction
from rass.openings import opening_tokens
from rass.pool import loaded, model_digest

VERSION = 1


def boundary_for(workspace: Workspace, target: TargetSection) -> Boundary:
    """The target's boundary, read from disk or fitted to its labelled replies to the seeds."""
    path = workspace.root / "boundaries" / f"{target.name}-{boundary_key(workspace, target)}.safetensors"
    if not path.exists():
        write_boundary(path, _fit(workspace, target))
    return read_boundary(path)


def boundary_key(workspace: Workspace, target: TargetSection) -> str:
    """Changes with the model, the seeds, its replies to them, and this code's version."""
    prompts, replies = _answered_seeds(workspace, target)
    return digest("boundary", str(VERSION), model_digest(target.model), str(workspace.config.project.seed),
                  *(row.id for row in prompts), *(row.text for row in replies))[:12]  # fmt: skip


def run_probe(workspace: Workspace) -> list[Outcome]:
    """Measure the margin of every living prompt in each target."""
    return [margins_step(workspace, target) for target in workspace.config.targets]


def margins_step(workspace: Workspace, target: TargetSection) -> Outcome:
    """Margins of one target."""
    languages = target.languages or workspace.config.project.languages
    inputs = [row for row in workspace.alive(("identify", "dedup")) if row.language in languages]

    def prepare():  # type: ignore[no-untyped-def]
        boundary, chat = boundary_for(workspace, target), loaded(target.model)
        return lambda rows: Output(measure(chat, boundary, rows, f"margins of {target.name}"))

    settings = {"boundary": boundary_key(workspace, target), "target": target.name}
    return workspace.run(Step(f"margins-{target.name}", VERSION, settings, prepare, 256), inputs, Margin)


def _answered_seeds(workspace: Workspace, target: TargetSection) -> tuple[list[Prompt], list[Reply]]:
    replies = {row.prompt_id: row for row in workspace.table(Reply).rows((f"respond-seeds-{target.name}",))}
    prompts = [row for row in workspace.table(Prompt).rows(("seeds",)) if row.id in replies]
    return prompts, [replies[row.id] for row in prompts]


def _fit(workspace: Workspace, target: TargetSection) -> Boundary:
    chat = loaded(target.model)
    prompts, replies = _answered_seeds(workspace, target)
    labels = label_texts([row.text for row in replies], [row.language for row in prompts], workspace.packs)
    usable = [index for index, label in enumerate(labels) if label.label not in {"unscored", "non_answer"}]
    languages = target.languages or workspace.config.project.languages
    openings = opening_tokens(chat, [workspace.packs[code] for code in languages if code in workspace.packs])
    return fit_boundary(
        target.name,
        chat,
        [prompts[index] for index in usable],
        [labels[index].label in REFUSED for index in usable],
        openings,
        seed=workspace.config.project.seed,
    )


def write_boundary(path: Path, boundary: Boundary) -> None:
    """Keep a boundary as safetensors; what it was made for stands in the header."""
    from safetensors.numpy import save

    tensors = {"vector": boundary.direction.vector, "midpoint": boundary.direction.midpoint,
               "scale": boundary.scale, "weights": boundary.weights}  # fmt: skip
    header = {
        "target": boundary.target,
        "model_digest": boundary.model_digest,
        "layer": boundary.direction.layer,
        "separation": boundary.separation,
        "openings": list(boundary.openings),
        "languages": list(boundary.languages),
    }
    data = save(tensors, metadata={"boundary": canonical(header)})
    write_atomically(path, lambda file: file.write(data))


def read_boundary(path: Path) -> Boundary:
    """Read a boundary that `write_boundary` kept."""
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        header = json.loads(file.metadata()["boundary"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    direction = Direction(header["layer"], tensors["vector"], tensors["midpoint"])
    return Boundary(
        header["target"],
        header["model_digest"],
        direction,
        header["separation"],
        tuple(header["openings"]),
        tuple(header["languages"]),
        tensors["scale"],
        tensors["weights"],
    )


def describe(boundary: Boundary) -> dict[str, Any]:
    """What a reader wants to know of a boundary."""
    return {"target": boundary.target, "layer": boundary.direction.layer, "separation": round(boundary.separation, 4),
            "languages": list(boundary.languages), "model": boundary.model_digest,
            "weights": dict(zip(("intercept", "projection", "refusal_score", *boundary.languages),
                                (round(float(value), 3) for value in boundary.weights[0]), strict=True))}  # fmt: skip
