"""How many imported rows say what another row says already, counted in memory that does not grow with the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from curation.tables import Manifest, Table

if TYPE_CHECKING:
    import numpy as np

IDS_A_PASS = 1_000_000


class Repeats(NamedTuple):
    """Rows that repeat an earlier row of the import, and prompts that other steps have written as well."""

    within: int
    elsewhere: int


def count_repeats(table: Table, step: str, ids_a_pass: int = IDS_A_PASS) -> Repeats:
    """Compare the ids of one step with each other and with those of all other steps, a part of the ids at a time."""
    import numpy as np

    manifests = table.manifests()
    mine = [manifest for manifest in manifests if manifest.step == step]
    others = [manifest for manifest in manifests if manifest.step != step]
    passes = 1 + sum(rows for manifest in manifests for _, _, rows in manifest.shards) // ids_a_pass
    within = elsewhere = 0
    for turn in range(passes):
        found = _ids(table, mine, turn, passes)
        distinct = np.unique(found)
        within += len(found) - len(distinct)
        elsewhere += int(np.isin(distinct, _ids(table, others, turn, passes)).sum())
    return Repeats(within, elsewhere)


def _ids(table: Table, manifests: list[Manifest], turn: int, passes: int) -> np.ndarray:
    """The ids (as numbers) whose turn it is."""
    import numpy as np
    import pyarrow.parquet as pq

    found = [np.empty(0, dtype=np.uint64)]
    for manifest in manifests:
        for name, _, _ in manifest.shards:
            column = pq.read_table(table.folder / "shards" / name, columns=["id"]).column("id").to_pylist()
            ids = np.array([int(key, 16) for key in column], dtype=np.uint64)
            found.append(ids[ids % np.uint64(passes) == turn])
    return np.concatenate(found)
