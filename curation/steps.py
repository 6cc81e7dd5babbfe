"""Steps: rows in, rows out. A step's work is cut into shards, each kept under the digest of all that led to it.

A shard's key covers the step's name, version and settings and the shard's input rows. A rerun therefore computes just the
shards that are missing, after a kill as after new input. Shards are cut from the whole input, never from what is left,
so that resuming changes no batch and no floating-point sum.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from curation.progress import progress_bar
from curation.records import Reject, canonical, digest
from curation.storage import file_digest
from curation.tables import Manifest, Table, read_shard, write_shard


class Output(NamedTuple):
    """What a step makes of one shard: the rows that go on, and those it drops with a reason each."""

    rows: list[Any]
    rejects: list[Reject] = []  # noqa: RUF012 - never mutated


Work = Callable[[list[Any]], Output]


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of the recipe.

    `prepare` returns the work function and is called at most once, only when a shard is missing: a finished step loads
    no model. `shard_rows` of 0 means that the step needs its whole input at once.
    """

    name: str
    version: int
    settings: dict[str, Any]
    prepare: Callable[[], Work]
    shard_rows: int = 0
    title: str = ""


class Outcome(NamedTuple):
    """What a run of a step left: all its rows, its rejects, and how many shards were computed now."""

    rows: list[Any]
    rejects: list[Reject]
    computed: int


class Shards:
    """The shards of one run of a step, in order: each is read where it was made before, else computed and written."""

    def __init__(self, step: Step, output: Table, rejects: Table) -> None:
        self.step = step
        self.output = output
        self.rejects = rejects
        self.computed = 0
        self.listed: list[tuple[str, str, int]] = []
        self.listed_rejects: list[tuple[str, str, int]] = []
        self._head = canonical([step.name, step.version, step.settings])
        self._work: Work | None = None

    def run(self, shard: list[Any]) -> Output:
        """What the step makes of the next shard."""
        key = digest(self._head, *(repr(row if isinstance(row, tuple) else dataclasses.astuple(row)) for row in shard))[
            :32
        ]
        path, reject_path = self.output.shard_path(key), self.rejects.shard_path(key)
        if path.exists() and reject_path.exists():
            kept, lost = read_shard(path, self.output.kind), read_shard(reject_path, Reject)
        else:
            self._work = self._work or self.step.prepare()
            kept, lost = self._work(shard)
            write_shard(reject_path, Reject, lost)
            write_shard(path, self.output.kind, kept)
            self.computed += 1
        self.listed.append((path.name, file_digest(path), len(kept)))
        self.listed_rejects.append((reject_path.name, file_digest(reject_path), len(lost)))
        return Output(kept, lost)

    def manifest(self) -> Manifest:
        """What the table will list for this step."""
        return Manifest(self.step.name, self.step.version, self.step.settings, tuple(self.listed))

    def close(self) -> None:
        """Write the manifests, last of all: from now on the rows count."""
        step = self.step
        Manifest(step.name, step.version, step.settings, tuple(self.listed_rejects)).write(self.rejects.folder)
        self.manifest().write(self.output.folder)


def run_step(step: Step, inputs: Sequence[Any], output: Table, rejects: Table) -> Outcome:
    """Run a step over `inputs`, computing only the shards that are not there yet."""
    size = step.shard_rows or max(1, len(inputs))
    shards = Shards(step, output, rejects)
    rows: list[Any] = []
    dropped: list[Reject] = []
    with progress_bar(step.title or step.name, total=len(inputs)) as advance:
        for start in range(0, len(inputs), size):
            shard = list(inputs[start : start + size])
            kept, lost = shards.run(shard)
            rows.extend(kept)
            dropped.extend(lost)
            advance(len(shard))
    shards.close()
    return Outcome(rows, dropped, shards.computed)
