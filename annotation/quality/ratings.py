"""Who gave which label to which item, as arrays of codes: what agreement and aggregation compute on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np


class Rating(NamedTuple):
    """One answer of one annotator on one item."""

    item: str
    annotator: str
    label: str


@dataclasses.dataclass(frozen=True)
class Ratings:
    """Answers in canonical order (by item, then annotator), so that the order they came in changes no bit of a sum."""

    items: tuple[str, ...]
    annotators: tuple[str, ...]
    labels: tuple[str, ...]
    item: np.ndarray  # (answers,) index into items; as for the two that follow
    annotator: np.ndarray
    label: np.ndarray

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str, str]], labels: Sequence[str] | None = None) -> Ratings:
        """From (item, annotator, label); of several answers by one annotator on one item the last counts.

        With `labels`, these are the scale in its order, and answers off the scale count as missing. Without, the scale
        is every label that was given.
        """
        import numpy as np

        table = list(rows)
        if labels is not None:
            scale = set(labels)
            table = [row for row in table if row[2] in scale]
        items, item = _coded([row[0] for row in table])
        annotators, annotator = _coded([row[1] for row in table])
        names, label = _coded([row[2] for row in table], labels)
        key = item * max(1, len(annotators)) + annotator
        order = np.argsort(key, kind="stable")
        last = np.ones(len(order), dtype=bool)
        last[:-1] = key[order][1:] != key[order][:-1]
        kept = order[last]
        return cls(items, annotators, names, item[kept], annotator[kept], label[kept])

    def __len__(self) -> int:
        return len(self.item)

    def counts(self) -> np.ndarray:
        """How often each item got each label: float64 (items, labels)."""
        import numpy as np

        shape = (len(self.items), len(self.labels))
        flat = np.bincount(self.item * shape[1] + self.label, minlength=shape[0] * shape[1])
        return flat.reshape(shape).astype(np.float64)

    def of_annotator(self, index: int) -> np.ndarray:
        """The label that this annotator gave to each item, -1 where none: int64 (items,)."""
        import numpy as np

        found = np.full(len(self.items), -1, dtype=np.int64)
        mine = self.annotator == index
        found[self.item[mine]] = self.label[mine]
        return found


def _coded(values: Sequence[str], names: Sequence[str] | None = None) -> tuple[tuple[str, ...], np.ndarray]:
    """The sorted (or given) names and the index of each value among them."""
    import numpy as np

    known = tuple(sorted(set(values))) if names is None else tuple(names)
    place = {name: index for index, name in enumerate(known)}
    return known, np.array([place[value] for value in values], dtype=np.int64)
