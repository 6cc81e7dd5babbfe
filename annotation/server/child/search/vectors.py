"""Exact nearest neighbours by cosine, on normalised float32 rows kept in memory once a field was asked for."""

from __future__ import annotations

import array
import sqlite3
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def packed(value: Iterable[float]) -> bytes:
    """A vector as float32 bytes."""
    return array.array("f", value).tobytes()


class Vectors:
    """The vectors of one store; ``forget`` after every write to them."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._rows: dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] = {}

    def forget(self, field: str | None = None) -> None:
        """Drop what is in memory, of one field or of all."""
        if field is None:
            self._rows.clear()
        else:
            self._rows.pop(field, None)

    def nearest(
        self, field: str, value: Sequence[float], k: int, among: Iterable[int] | None = None
    ) -> list[tuple[int, float]]:
        """The k best (document, (1 + cosine) / 2), best first, ties by document."""
        import numpy as np

        docs, rows = self._loaded(field)
        if among is not None:
            chosen = np.isin(docs, np.fromiter(among, dtype=np.int64))
            docs, rows = docs[chosen], rows[chosen]
        wanted = np.asarray(value, dtype=np.float32)
        if not len(docs) or k <= 0 or rows.shape[1] != wanted.shape[0]:
            return []
        norm = float(np.linalg.norm(wanted))
        scores = (1.0 + rows @ (wanted / norm if norm else wanted)) / 2.0
        best = np.lexsort((docs, -scores))[:k] if k >= len(docs) else self._top(scores, docs, k)
        return [(int(docs[at]), float(scores[at])) for at in best]

    @staticmethod
    def _top(scores: np.ndarray[Any, Any], docs: np.ndarray[Any, Any], k: int) -> np.ndarray[Any, Any]:
        import numpy as np

        threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
        candidates = np.flatnonzero(scores >= threshold)
        order = np.lexsort((docs[candidates], -scores[candidates]))
        return candidates[order][:k]

    def _loaded(self, field: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        import numpy as np

        if field not in self._rows:
            found = self._db.execute("SELECT doc, value FROM vectors WHERE field = ? ORDER BY doc", (field,)).fetchall()
            width = max((len(value) for _, value in found), default=0)
            kept = [(doc, value) for doc, value in found if len(value) == width]
            docs = np.fromiter((doc for doc, _ in kept), dtype=np.int64, count=len(kept))
            rows = np.frombuffer(b"".join(value for _, value in kept), dtype=np.float32)
            rows = rows.reshape(len(kept), width // 4) if kept else rows.reshape(0, 0)
            norms = np.linalg.norm(rows, axis=1, keepdims=True) if kept else np.ones((0, 1), dtype=np.float32)
            self._rows[field] = (docs, rows / np.where(norms == 0, 1, norms))
        return self._rows[field]
