"""The kernel: which rows repeat a kept one, found exactly and independently of the rows' order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

BLOCK = 512  # rows compared at once; memory is BLOCK x kept rows


class Pair(NamedTuple):
    """A removed row and the kept row that says the same."""

    removed: str
    witness: str
    similarity: float


def find_duplicates(
    ids: Sequence[str],
    vectors: np.ndarray,
    groups: Sequence[Hashable],
    threshold: float,
    preference: Sequence[int],
    *,
    protected: Sequence[bool] | None = None,
    sides: Sequence[int] | None = None,
) -> list[Pair]:
    """Rows to remove, so that no two rows of a group that stay are as similar as `threshold`.

    Rows are kept greedily in the order of (preference, id). The witness is the most similar kept row, so a removed row
    is never a witness. Protected rows always stay. Rows on opposite sides (+1 and -1) are never compared.
    """
    import numpy as np

    members: dict[Hashable, list[int]] = defaultdict(list)
    for index in sorted(range(len(ids)), key=lambda index: (preference[index], ids[index])):
        members[groups[index]].append(index)
    found: list[Pair] = []
    for order in members.values():
        side = np.array([sides[index] if sides else 0 for index in order], dtype=np.int8)
        safe = np.array([bool(protected and protected[index]) for index in order])
        for row, (witness, similarity) in _sweep(vectors[order], side, safe, threshold).items():
            found.append(Pair(ids[order[row]], ids[order[witness]], similarity))
    return sorted(found)


def _sweep(vectors: np.ndarray, side: np.ndarray, safe: np.ndarray, threshold: float) -> dict[int, tuple[int, float]]:
    """Greedy pass over rows that are in order already; returns removed row -> (witness row, cosine)."""
    import numpy as np

    kept: list[int] = []
    removed: dict[int, tuple[int, float]] = {}
    for start in range(0, len(vectors), BLOCK):
        block = np.arange(start, min(start + BLOCK, len(vectors)))
        inside = _cosines(vectors, side, block, block)
        best, witness = np.full(len(block), -2.0), np.full(len(block), -1)
        if kept:
            before = np.array(kept)
            earlier = _cosines(vectors, side, block, before)
            place = earlier.argmax(axis=1)
            best, witness = earlier[np.arange(len(block)), place].astype(np.float64), before[place]
        for position, row in enumerate(block.tolist()):
            # Rounded, so that the last bits of a matrix product, which depend on its shape, decide nothing.
            similarity = round(float(best[position]), 6)
            if similarity >= threshold and not safe[row]:
                removed[row] = (int(witness[position]), similarity)
                continue
            kept.append(row)
            nearer = inside[position] > best
            best[nearer], witness[nearer] = inside[position][nearer], row
    return removed


def _cosines(vectors: np.ndarray, side: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    import numpy as np

    cosines: np.ndarray = vectors[rows] @ vectors[columns].T
    if side.any():
        cosines[np.multiply.outer(side[rows], side[columns]) == -1] = -2.0
    return cosines
