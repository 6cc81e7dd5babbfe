"""A project on disk: its settings, language packs, tables and lock."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from curation.config import FILE_NAME, Config, config_text, load_config
from curation.errors import ConfigError, InputError, WorkspaceError
from curation.languages.packs import Pack, available_languages, load_pack
from curation.records import Prompt, Reject
from curation.steps import Outcome, Step, run_step
from curation.storage import storage_errors, write_text
from curation.tables import TABLES, Table

IMPORT = "import-"  # steps that import sets are called this and the import's name
CHECKED = ("identify", "dedup")  # the steps that drop what is no candidate
CHOSEN = (*CHECKED, "select")  # the same, and what selection passed over
QUEUED = "queued"  # the prompts that people were ever asked about: they stay, whatever is generated later


@dataclasses.dataclass(frozen=True)
class Workspace:
    """The folder that `morbench init` makes."""

    root: Path

    @classmethod
    def open(cls, root: Path) -> Workspace:
        """Open an existing project; its settings and packs are checked at once."""
        workspace = cls(root.resolve())
        known = available_languages(workspace.languages_folder)
        for language in workspace.config.project.languages:
            if language not in known:
                raise ConfigError(
                    f"{root / FILE_NAME}: no language pack {language!r} in project.languages",
                    fix=f"known: {', '.join(known)}; a new pack goes into {workspace.languages_folder}",
                )
        config = workspace.config
        named = [(f"target {row.name!r}", row.languages) for row in config.targets]
        named += [(f"writer {row.name!r}", row.languages) for row in config.writers]
        for place, languages in [*named, ("queue.quotas", tuple(config.queue.quotas))]:
            for language in sorted(set(languages) - set(known)):
                raise ConfigError(
                    f"{root / FILE_NAME}: no language pack {language!r} in {place}", fix=f"known: {', '.join(known)}"
                )
        return workspace

    @classmethod
    def create(cls, root: Path, languages: tuple[str, ...], seed: int = 7) -> Workspace:
        """Make a project folder with a complete morbench.toml; an existing project is never changed."""
        if (root / FILE_NAME).exists():
            raise InputError(
                f"{root / FILE_NAME} exists already", fix="choose another folder, or use this project as it is"
            )
        if not languages:
            raise InputError(f"no language for {root}", fix="give codes such as --languages en,es")
        known = available_languages(root / "languages")
        for language in languages:
            if language not in known:
                raise InputError(f"no language pack {language!r}", fix=f"known: {', '.join(known)}")
        name = "".join(
            char if char.isascii() and (char.isalnum() or char in "._-") else "-" for char in root.resolve().name
        )
        with storage_errors(root):
            (root / "languages").mkdir(parents=True, exist_ok=True)
        name = name.strip("-._")[:64] or "benchmark"
        write_text(root / FILE_NAME, config_text(name, tuple(dict.fromkeys(languages)), seed))
        return cls.open(root)

    @cached_property
    def config(self) -> Config:
        """The project's settings."""
        return load_config(self.root / FILE_NAME)

    @property
    def languages_folder(self) -> Path:
        """Where the project's own language packs lie; they come before the built-in ones."""
        return self.root / "languages"

    @cached_property
    def packs(self) -> dict[str, Pack]:
        """The language packs of the project's languages."""
        return {code: load_pack(code, self.languages_folder) for code in self.config.project.languages}

    def table(self, kind: type) -> Table:
        """The table that holds this kind of record."""
        return Table(self.root / TABLES[kind], kind)

    def rejects(self, step: str) -> Table:
        """Where a step's dropped rows go."""
        return Table(self.root / TABLES[Reject] / step, Reject)

    def all_rejects(self) -> list[Reject]:
        """Every dropped row of every step."""
        folders = sorted((self.root / TABLES[Reject]).glob("*/"))
        return [row for folder in folders for row in Table(folder, Reject).rows()]

    def prompts(self) -> dict[str, Prompt]:
        """Every prompt of the project by id; where two steps wrote the same one, the first."""
        found: dict[str, Prompt] = {}
        for row in self.table(Prompt).rows():
            found.setdefault(row.id, row)
        return found

    def writing_steps(self) -> dict[str, str]:
        """The steps under which candidates are written, and the writer of each."""
        return {f"write-{writer.name}-{language}": writer.name for writer in self.config.writers
                for language in writer.languages or self.config.project.languages}  # fmt: skip

    def import_steps(self) -> list[str]:
        """The steps that imported sets, by name."""
        return sorted(path.stem for path in (self.root / TABLES[Prompt]).glob(f"{IMPORT}*.json"))

    def alive(self, after: tuple[str, ...]) -> list[Prompt]:
        """The prompts that none of the given steps has dropped, each once, in the order they were written."""
        dropped = {row.prompt_id for step in after for row in self.rejects(step).rows()}
        steps = ("seeds", *self.writing_steps(), *self.import_steps(), QUEUED)
        languages = set(self.config.project.languages)
        found: dict[str, Prompt] = {}
        for row in self.table(Prompt).rows(steps):
            # an import was made for the languages that the project had then
            if row.id not in dropped and (row.method != "import" or row.language in languages):
                found.setdefault(row.id, row)
        return list(found.values())

    def run(self, step: Step, inputs: Sequence[Any], kind: type) -> Outcome:
        """Run a step of the recipe in this project."""
        return run_step(step, inputs, self.table(kind), self.rejects(step.name))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the project's lock; a second command that writes fails at once."""
        from filelock import FileLock, Timeout

        lock = FileLock(self.root / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise WorkspaceError(
                f"another morbench command is working in {self.root}",
                fix="wait until it ends; the lock goes with its process",
            ) from None
        try:
            yield
        finally:
            lock.release()
