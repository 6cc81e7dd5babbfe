"""How writers are run: one step for each writer and language, each candidate with its provenance, each reject with its reason."""

from __future__ import annotations

import dataclasses
import importlib
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

from curation.config import FILE_NAME, TargetSection, WriterSection
from curation.endpoint import is_endpoint
from curation.errors import ConfigError
from curation.languages.packs import Pack
from curation.records import Margin, Prompt
from curation.steps import Outcome, Output, Step
from curation.workspace import Workspace
from rass.boundary import Boundary, measure
from rass.generators import Generator, load_generator, weights_name
from rass.models import ChatModel
from rass.pool import loaded, model_digest
from rass.probing import boundary_for, boundary_key
from rass.reference.carriers import CARRIERS, WITHOUT_ADAPTER
from rass.writers.screening import Screen

WRITERS = {
    "mutation": "rass.writers.mutation",
    "evolution": "rass.writers.evolution",
    "debugging": "rass.writers.debugging",
    "sampling": "rass.writers.sampling",
    "rewriting": "rass.writers.rewriting",
    "contrast": "rass.writers.contrast",
    "translation": "rass.writers.translation",
}  # name in morbench.toml -> module with VERSION, settings(task) and write(task)


@dataclasses.dataclass(frozen=True)
class Task:
    """What one writer is asked for in one language."""

    workspace: Workspace
    section: WriterSection
    language: str
    seeds: list[Prompt]  # every seed of the language: benign, harmful and harmless

    @property
    def pack(self) -> Pack:
        """The language's pack."""
        return self.workspace.packs[self.language]

    @property
    def step(self) -> str:
        """Name of the step, under which the candidates and the rejects are kept."""
        return step_name(self.section.name, self.language)

    @property
    def seed(self) -> int:
        """The seed of everything random."""
        return self.workspace.config.project.seed

    @property
    def benign(self) -> list[Prompt]:
        """The benign seeds that sound harmful."""
        return [row for row in self.seeds if row.intent == "benign" and row.category != "harmless"]

    @property
    def harmful(self) -> list[Prompt]:
        """The harmful seeds."""
        return [row for row in self.seeds if row.intent == "harmful"]

    @property
    def targets(self) -> list[TargetSection]:
        """The targets that are asked prompts of the language."""
        return self.workspace.config.targets_for(self.language)

    @cached_property
    def target(self) -> TargetSection:
        """The target toward whose boundary a writer writes: the first that is asked in the language."""
        if not self.targets:
            raise ConfigError(
                f"{self.workspace.root / FILE_NAME}: no target is asked prompts in {self.language!r}",
                fix="add that language to a target, or take it out of project.languages",
            )
        return self.targets[0]

    @property
    def boundary(self) -> Boundary:
        """The boundary of the first target."""
        return boundary_for(self.workspace, self.target)

    @property
    def generator_name(self) -> str:
        """The model that writes: the section's own, else the target without what taught it to refuse."""
        return without_adapter(self.section.generator or self.target.model)

    @property
    def generator(self) -> ChatModel:
        """The loaded model that writes, for a writer that works inside it."""
        if is_endpoint(self.generator_name):
            raise ConfigError(
                f"{self.workspace.root / FILE_NAME}: the writer {self.section.name!r} works inside its generator, "
                f"{self.generator_name} is an endpoint",
                fix="give it a model by folder or hub name, or leave `generator` empty",
            )
        return loaded(weights_name(self.generator_name))

    @property
    def pen(self) -> Generator:
        """What writes: a model, loaded, or an endpoint."""
        return load_generator(self.generator_name)

    @cached_property
    def screen(self) -> Screen:
        """The checks for candidates of the language; fluency is measured by the generator, or by the target for an endpoint."""
        config = self.workspace.config
        remote = is_endpoint(self.generator_name)
        scorer = loaded(without_adapter(self.target.model)) if remote else self.generator
        return Screen.build(self.pack, self.seeds, scorer,
                            max_perplexity_ratio=config.candidates.max_perplexity_ratio,
                            scripts={code: pack.script for code, pack in self.workspace.packs.items()},
                            min_script_share=config.language_check.min_script_share)  # fmt: skip

    def margins(self, rows: Sequence[Prompt], title: str) -> dict[str, list[Margin]]:
        """Each prompt's margins in every target that is asked in the language."""
        return measure_all(self.workspace, rows, title)


class Writer(Protocol):
    """A module in `WRITERS`."""

    VERSION: int

    def settings(self, task: Task) -> dict[str, Any]:
        """Beside the section, the boundary, the seeds and the project's seed: all that decides what is written."""

    def write(self, task: Task) -> Output:
        """Candidates, sorted by id, and rejects with their reasons."""


def without_adapter(model: str) -> str:
    """A reference model's base, any other model as it is: with the adapter, three samples in four were refusals to go on."""
    return model + WITHOUT_ADAPTER if model in CARRIERS else model


def step_name(writer: str, language: str) -> str:
    """The step under which a writer's candidates in a language are kept."""
    return f"write-{writer}-{language}"


def measure_all(workspace: Workspace, rows: Sequence[Prompt], title: str) -> dict[str, list[Margin]]:
    """Margins of prompts in every target that is asked in their language."""
    found: dict[str, list[Margin]] = defaultdict(list)
    for target in workspace.config.targets:
        languages = target.languages or workspace.config.project.languages
        asked = [row for row in rows if row.language in languages]
        if asked:
            for margin in measure(
                loaded(target.model), boundary_for(workspace, target), asked, f"{title}, {target.name}"
            ):
                found[margin.prompt_id].append(margin)
    return found


def run_generate(workspace: Workspace) -> list[Outcome]:
    """Run every writer of morbench.toml in each of its languages."""
    seeds = workspace.table(Prompt).rows(("seeds",))
    return [
        _run(Task(workspace, section, language, [row for row in seeds if row.language == language]))
        for section in workspace.config.writers
        for language in section.languages or workspace.config.project.languages
    ]


def _run(task: Task) -> Outcome:
    writer: Writer = importlib.import_module(WRITERS[task.section.name])  # type: ignore[assignment]
    settings = {
        "writer": task.section.model_dump(mode="json"),
        "seed": task.seed,
        "boundaries": {target.name: boundary_key(task.workspace, target) for target in task.targets},
        **writer.settings(task),
    }
    rows = task.seeds if task.section.count else []
    step = Step(task.step, writer.VERSION, settings, lambda: lambda _rows: writer.write(task),
                title=f"{task.section.name}, {task.language}")  # fmt: skip
    return task.workspace.run(step, rows, Prompt)


def generator_digest(task: Task) -> str:
    """Changes with the weights of the model that writes; for a writer's settings."""
    return model_digest(weights_name(task.generator_name))
