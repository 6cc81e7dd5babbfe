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


def run_step(step: Step, inputs: Sequence[Any], output: Table, rejects: Table) -> Outcome:
    """Run a step over `inputs`, computing only the shards that are not there yet."""
    size = step.shard_rows or max(1, len(inputs))
    shards = [list(inputs[start : start + size]) for start in range(0, len(inputs), size)]
    head = canonical([step.name, step.version, step.settings])
    work: Work | None = None
    rows: list[Any] = []
    dropped: list[Reject] = []
    listed: list[tuple[str, str, int]] = []
    listed_rejects: list[tuple[str, str, int]] = []
    computed = 0
    with progress_bar(step.title or step.name, total=len(inputs)) as advance:
        for shard in shards:
            key = digest(head, *(repr(dataclasses.astuple(row)) for row in shard))[:32]
            path, reject_path = output.shard_path(key), rejects.shard_path(key)
            if path.exists() and reject_path.exists():
                kept, lost = read_shard(path, output.kind), read_shard(reject_path, Reject)
            else:
                work = work or step.prepare()
                kept, lost = work(shard)
                write_shard(reject_path, Reject, lost)
                write_shard(path, output.kind, kept)
                computed += 1
            rows.extend(kept)
            dropped.extend(lost)
            listed.append((path.name, file_digest(path), len(kept)))
            listed_rejects.append((reject_path.name, file_digest(reject_path), len(lost)))
            advance(len(shard))
    Manifest(step.name, step.version, step.settings, tuple(listed_rejects)).write(rejects.folder)
    Manifest(step.name, step.version, step.settings, tuple(listed)).write(output.folder)
    return Outcome(rows, dropped, computed)
