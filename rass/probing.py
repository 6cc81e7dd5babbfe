"""Probing in a project: fit each target's boundary on the answered seeds, keep it on disk, and measure every prompt."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from curation.config import TargetSection
from curation.errors import WorkspaceError
from curation.records import REFUSED, Margin, Prompt, Reply, canonical, digest
from curation.refusals.labelling import label_texts
from curation.steps import Outcome, Output, Step
from curation.storage import write_atomically
from curation.workspace import CHECKED, Workspace
from rass.benign import people_verdicts
from rass.boundary import SIGNALS, Boundary, fit_boundary, measure
from rass.directions import Direction
from rass.openings import Openings, opening_tokens
from rass.pool import loaded, model_digest
from rass.probes import LayeredProbe, LinearProbe

VERSION = 3


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
                  *(row.id + row.intent for row in prompts), *(row.text for row in replies))[:12]  # fmt: skip


def run_probe(workspace: Workspace) -> list[Outcome]:
    """Measure the margin of every living prompt in each target."""
    return [margins_step(workspace, target) for target in workspace.config.targets]


def margins_step(workspace: Workspace, target: TargetSection) -> Outcome:
    """Margins of one target."""
    languages = target.languages or workspace.config.project.languages
    inputs = [row for row in workspace.alive(CHECKED) if row.language in languages]

    def prepare():  # type: ignore[no-untyped-def]
        boundary, chat = boundary_for(workspace, target), loaded(target.model)
        return lambda rows: Output(measure(chat, boundary, rows, f"margins of {target.name}"))

    settings = {"boundary": boundary_key(workspace, target), "target": target.name}
    return workspace.run(Step(f"margins-{target.name}", VERSION, settings, prepare, 256), inputs, Margin)


def _answered_seeds(workspace: Workspace, target: TargetSection) -> tuple[list[Prompt], list[Reply]]:
    """The seeds that the target has answered, and its other answered prompts that people have judged.

    What people say of a prompt takes the place of what its author meant; controversial prompts teach nothing.
    """
    replies = {row.prompt_id: row for row in workspace.table(Reply).rows((f"respond-seeds-{target.name}",))}
    prompts = [row for row in workspace.table(Prompt).rows(("seeds",)) if row.id in replies]
    verdicts = {key: row.verdict for key, row in people_verdicts(workspace).items() if row.verdict != "controversial"}
    if verdicts:
        replies |= {row.prompt_id: row for row in workspace.table(Reply).rows((f"respond-{target.name}",))
                    if row.prompt_id in verdicts}  # fmt: skip
        known = {row.id: row for row in (*workspace.prompts().values(), *prompts)}
        prompts += [
            known[key] for key in sorted(verdicts.keys() & replies.keys() & known.keys() - {row.id for row in prompts})
        ]
        prompts = [dataclasses.replace(row, intent=verdicts.get(row.id, row.intent)) for row in prompts]
    return prompts, [replies[row.id] for row in prompts]


def labelled_seeds(workspace: Workspace, target: TargetSection) -> tuple[list[Prompt], list[bool]]:
    """The prompts that teach the target's boundary, and whether it refused each; what has no class is left out."""
    prompts, replies = _answered_seeds(workspace, target)
    if not prompts:
        raise WorkspaceError(
            f"{workspace.root}: {target.name} has answered no seeds yet", fix="run `morbench generate` first"
        )
    labels = label_texts([row.text for row in replies], [row.language for row in prompts], workspace.packs)
    usable = [index for index, label in enumerate(labels) if label.label not in {"unscored", "non_answer"}]
    return [prompts[index] for index in usable], [labels[index].label in REFUSED for index in usable]


def _fit(workspace: Workspace, target: TargetSection) -> Boundary:
    chat = loaded(target.model)
    prompts, refused = labelled_seeds(workspace, target)
    languages = target.languages or workspace.config.project.languages
    known = opening_tokens(chat, [workspace.packs[code] for code in languages if code in workspace.packs])
    return fit_boundary(target.name, chat, prompts, refused, known, seed=workspace.config.project.seed)


def write_boundary(path: Path, boundary: Boundary) -> None:
    """Keep a boundary as safetensors; what it was made for stands in the header."""
    import numpy as np
    from safetensors.numpy import save

    tensors = {"vector": boundary.direction.vector, "midpoint": boundary.direction.midpoint, "harm": np.stack([probe.vector for probe in boundary.harm.probes]),
               "refusal": boundary.refusal.vector, "scale": boundary.scale, "weights": boundary.weights}  # fmt: skip
    header = {
        "target": boundary.target,
        "model_digest": boundary.model_digest,
        "layer": boundary.direction.layer,
        "refusal_layer": boundary.refusal.layer,
        "harm_layers": boundary.harm.layers,
        "harm_biases": [probe.bias for probe in boundary.harm.probes],
        "refusal_bias": boundary.refusal.bias,
        "separation": boundary.separation,
        "openings": boundary.openings.to_json(),
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
    layer, deep = header["layer"], header["refusal_layer"]
    return Boundary(
        header["target"],
        header["model_digest"],
        Direction(layer, tensors["vector"], tensors["midpoint"], model_digest=header["model_digest"]),
        header["separation"],
        LayeredProbe(
            tuple(
                LinearProbe(*each)
                for each in zip(header["harm_layers"], tensors["harm"], header["harm_biases"], strict=True)
            )
        ),
        LinearProbe(deep, tensors["refusal"], header["refusal_bias"]),
        Openings.from_json(header["openings"]),
        tuple(header["languages"]),
        tensors["scale"],
        tensors["weights"],
    )


def describe(boundary: Boundary) -> dict[str, Any]:
    """What a reader wants to know of a boundary."""
    return {"target": boundary.target, "layer": boundary.direction.layer, "separation": round(boundary.separation, 4),
            "languages": list(boundary.languages), "model": boundary.model_digest,
            "refusal_layer": boundary.refusal.layer,
            "weights": dict(zip(("intercept", *SIGNALS, *boundary.languages, *(f"{code} slope" for code in boundary.languages)),
                                (round(float(value), 3) for value in boundary.weights[0]), strict=True))}  # fmt: skip
