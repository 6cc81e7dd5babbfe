"""Steered sampling: a model writes more of a list of seeds while the harm direction is added to its residual stream.

Which layer, and how strongly, is searched: all settings write a few texts each, the better half of them a few more, and so
on; the last one writes the rest. A text counts for its setting when it is fluent, does not lean to harm, and lies on the
refusing side of a target's boundary, but not as deep in it as plainly harmful seeds. The direction is the generator's own,
from its states on the pack's seeds. Who meant what is unknown (`intent = unknown`): people decide what gets further.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import statistics
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from curation.records import Prompt, canonical
from curation.steps import Output
from rass.activations import collect
from rass.directions import Direction
from rass.generators import Request
from rass.steering import steered
from rass.writers import leaning
from rass.writers.leaning import check_leaning
from rass.writers.mutation import choose_near
from rass.writers.requests import (
    DECODING,
    Order,
    draw_shots,
    instruction,
    instruction_digest,
    need,
    seeded,
    shot_digests,
    write_drafts,
)
from rass.writers.running import Task, generator_digest
from rass.writers.screening import Draft, sort_out

VERSION = 4
SHOTS = 6
DEPTHS = (0.3, 0.45, 0.6)  # of the generator, where a direction is added
RUNG = 8  # texts that a setting writes before the better half goes on
AIM = 2.0  # logits on the refusing side: P(refuses) of .88, beyond doubt and yet near


class Setting(NamedTuple):
    """Where the direction is added, and how strongly."""

    layer: int
    coefficient: float


@dataclasses.dataclass
class Trial:
    """What one setting wrote so far."""

    setting: Setting
    drafts: list[Draft] = dataclasses.field(default_factory=list)
    near: set[str] = dataclasses.field(default_factory=set)  # texts that passed and lie where they should

    @property
    def order(self) -> tuple[float, float, int]:
        """Best first: by yield, then the gentler setting."""
        return (-len(self.near) / max(1, len(self.drafts)), self.setting.coefficient, self.setting.layer)

    def row(self) -> list[float]:
        """Layer, coefficient, texts written, texts near: as the provenance keeps it."""
        return [self.setting.layer, self.setting.coefficient, len(self.drafts), len(self.near)]


def settings(task: Task) -> dict[str, Any]:
    """What decides the result beside the section and the boundaries."""
    config = task.workspace.config.candidates
    need(task.benign, SHOTS + 1, "[[benign]] seeds", task)
    return {"steering": list(config.steering), "max_perplexity_ratio": config.max_perplexity_ratio, "depths": list(DEPTHS),
            "decoding": list(DECODING), "shots": SHOTS, "rung": RUNG, "aim": AIM, "leaning": leaning.settings(task),
            "instruction": instruction_digest("sampling"), "generator": generator_digest(task)}  # fmt: skip


def write(task: Task) -> Output:
    """The candidates of one language that lie nearest the stretch where a target refuses what is not plainly harmful."""
    sampler = Sampler(task)
    trials = [Trial(setting) for setting in sampler.grid()]
    best = search(trials, sampler.draw, max(1, min(RUNG, task.section.count // len(trials))))
    sampler.draw(best, task.section.count - len(best.drafts))
    return sampler.choose(trials)


def search(trials: Sequence[Trial], draw: Callable[[Trial, int], None], rung: int) -> Trial:
    """The best of some settings by successive halving: each writes `rung` texts, the better half as many more, and so on."""
    alive = list(trials)
    while len(alive) > 1:
        for trial in alive:
            draw(trial, rung)
        alive = sorted(alive, key=lambda trial: trial.order)[: (len(alive) + 1) // 2]
    return alive[0]


class Sampler:
    """Draws texts at a setting, and knows which lie near the boundary."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.coefficients = task.workspace.config.candidates.steering
        depth = len(task.generator.layers)
        self.layers = sorted({min(depth - 1, int(depth * share)) for share in DEPTHS})
        self.directions = self._directions()
        self.shots = self._near_seeds()
        self.margin: dict[str, float] = {}  # of every text that passed: in the target where it is nearest the aim
        harmful = task.margins(task.harmful, "harmful seeds")
        self.deep = statistics.median(max(margin.margin for margin in margins) for margins in harmful.values())

    def _directions(self) -> dict[int, Direction]:
        """The generator's own harm direction in each layer of the grid."""
        seeds = self.task.seeds
        seen = collect(
            self.task.generator, [row.text for row in seeds], self.layers, title="directions of the generator"
        )
        harmful = [index for index, row in enumerate(seeds) if row.intent == "harmful"]
        harmless = [index for index, row in enumerate(seeds) if row.category == "harmless"]
        return {layer: Direction.from_activations(layer, seen.hidden[layer][harmful], seen.hidden[layer][harmless])
                for layer in self.layers}  # fmt: skip

    def _near_seeds(self) -> list[Prompt]:
        """The half of the benign seeds that lies nearest the aim, but never fewer than a list of shots needs."""
        margin = self._margins(self.task.benign, "benign seeds")
        ranked = sorted(self.task.benign, key=lambda row: (abs(margin[row.id] - AIM), row.id))
        return ranked[: max(SHOTS + 1, len(ranked) // 2)]

    def _margins(self, rows: Sequence[Prompt], title: str) -> dict[str, float]:
        """Each prompt's margin in the target where it is nearest the aim."""
        found = self.task.margins(rows, title) if rows else {}
        return {
            row.id: min((margin.margin for margin in found[row.id]), key=lambda margin: abs(margin - AIM))
            for row in rows
        }

    def grid(self) -> list[Setting]:
        """Unsteered once, and every other coefficient in each layer."""
        unsteered = [Setting(self.layers[0], 0.0)] if 0.0 in self.coefficients else []
        return unsteered + [Setting(layer, coefficient) for layer in self.layers for coefficient in self.coefficients
                            if coefficient]  # fmt: skip

    def draw(self, trial: Trial, count: int) -> None:
        """Have a setting write more; the n-th text of every setting has the same shots."""
        if count <= 0:
            return
        start = len(trial.drafts)
        layer, coefficient = trial.setting
        orders = [self._order(number, trial.setting) for number in range(start, start + count)]
        unsteered = contextlib.nullcontext()
        with steered(self.task.generator, self.directions[layer], coefficient) if coefficient else unsteered:
            drafts = write_drafts(self.task, orders, seeded(self.task, DECODING, start))
        drafts = check_leaning(self.task, self.task.screen.check(drafts))
        self.margin |= self._margins([draft.prompt for draft in drafts if not draft.reason], "samples")
        passed = [draft.prompt.id for draft in drafts if not draft.reason]
        trial.near |= {key for key in passed if 0 < self.margin[key] <= self.deep}
        trial.drafts += drafts

    def _order(self, number: int, setting: Setting) -> Order:
        shots = [
            row.text for row in draw_shots(self.shots, SHOTS, str(self.task.seed), self.task.language, str(number))
        ]
        request = Request(instruction("sampling", language=self.task.pack.name), tuple(shots))
        detail = {"writer": f"sampling/{VERSION}", **setting._asdict(), "shots": shot_digests(*shots)}
        return Order(request, "unsorted", None, detail)

    def choose(self, trials: Sequence[Trial]) -> Output:
        """As many as the section asks for out of the refused side, nearest the aim; every other with its reason."""
        table = [trial.row() for trial in trials]
        drafts = [
            draft._replace(prompt=_with_detail(draft.prompt, pilot=table)) for trial in trials for draft in trial.drafts
        ]
        passed = {draft.prompt.id: draft.prompt for draft in drafts if not draft.reason}
        refused = [row for row in passed.values() if self.margin[row.id] > 0]
        distance = {row.id: abs(self.margin[row.id] - AIM) for row in refused}
        chosen = {row.id for row in choose_near(refused, distance, self.task.section.count)}
        return sort_out([self._placed(draft, chosen) for draft in drafts], self.task.step)

    def _placed(self, draft: Draft, chosen: set[str]) -> Draft:
        if draft.reason:
            return draft
        margin = round(self.margin[draft.prompt.id], 4)
        if draft.prompt.id in chosen:
            return draft._replace(prompt=_with_detail(draft.prompt, margin=margin))
        reason = "farther_from_boundary" if margin > 0 else "answered_side"
        return draft._replace(reason=reason, evidence={"margin": margin})


def _with_detail(row: Prompt, **more: Any) -> Prompt:
    return dataclasses.replace(row, detail=canonical(json.loads(row.detail) | more))
