"""py3langid's model over many texts at once: its automaton walked in step, its classes weighed in one sparse product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

BATCH = 4096  # texts that are walked together
ALONE = 48  # texts still running; below, a step over arrays costs more than Python's own loop over the rest


class Scorer:
    """The class probabilities of a loaded py3langid model, equal to those that it gives for each text alone."""

    def __init__(self, model: Any) -> None:
        import numpy as np

        self._model = model
        self._moves = np.frombuffer(model.tk_nextmove, dtype=f"u{model.tk_nextmove.itemsize}")
        self._rows = np.asarray(model.tk_row, dtype=np.int64) << 8
        self._features = np.asarray(model.tk_output, dtype=np.int32)
        self.classes: list[str] = list(model.nb_classes)

    def shares(self, texts: Sequence[str]) -> np.ndarray:
        """Probabilities of shape (texts, classes); rows of a text in which the model sees nothing are 0."""
        import numpy as np

        batches = [self._batch(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        return np.concatenate(batches) if batches else np.zeros((0, len(self.classes)))

    def _batch(self, texts: Sequence[str]) -> np.ndarray:
        import numpy as np

        encoded = [self._model._encode(text) for text in texts]
        lengths = np.array([len(each) for each in encoded], dtype=np.int64)
        longest_first = np.argsort(-lengths, kind="stable")
        counts, used = self._counts([encoded[index] for index in longest_first], lengths[longest_first])
        scores = np.empty((len(texts), len(self.classes)))
        scores[longest_first] = counts @ self._model.nb_ptc[used].astype(np.float32) + self._model.nb_pc
        scores /= np.sqrt(np.maximum(lengths, 1))[:, None]  # the temperature that py3langid normalises with
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        shares[longest_first[np.diff(counts.indptr) == 0]] = 0.0
        return shares

    def _counts(self, encoded: Sequence[bytes], lengths: np.ndarray) -> tuple[Any, np.ndarray]:
        """(log of 1 + how often, as a sparse matrix of texts by features; the features that its columns stand for)."""
        import numpy as np
        from scipy.sparse import csr_matrix

        texts, features = self._walk(encoded, lengths)
        used, columns = np.unique(features, return_inverse=True)
        cells, times = np.unique(texts * max(1, len(used)) + columns, return_counts=True)
        rows = cells // max(1, len(used))
        starts = np.searchsorted(rows, np.arange(len(encoded) + 1))
        weights = np.log1p(times).astype(np.float32)
        shape = (len(encoded), len(used))
        return csr_matrix((weights, cells - rows * len(used), starts), shape=shape), used

    def _walk(self, encoded: Sequence[bytes], lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(text, feature) of every feature met, texts given longest first: all take a byte in step, the last ones alone."""
        import numpy as np

        joined = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        starts = np.cumsum(lengths) - lengths
        states = np.zeros(len(encoded), dtype=np.int64)
        texts: list[np.ndarray] = [np.zeros(0, dtype=np.int64)]
        features: list[np.ndarray] = [np.zeros(0, dtype=np.int64)]
        step = 0
        while (running := int(np.searchsorted(-lengths, -step))) >= ALONE:
            states[:running] = self._moves[self._rows[states[:running]] + joined[starts[:running] + step]]
            found = self._features[states[:running]]
            hits = np.flatnonzero(found >= 0)
            texts.append(hits)
            features.append(found[hits])
            step += 1
        for index in range(running):
            met = self._walk_alone(encoded[index][step:], int(states[index]))
            texts.append(np.full(len(met), index))
            features.append(np.array(met, dtype=np.int64))
        return np.concatenate(texts), np.concatenate(features)

    def _walk_alone(self, rest: bytes, state: int) -> list[int]:
        moves, rows, out = self._model.tk_nextmove, self._model._rowbase, self._model.tk_output
        met = []
        for byte in rest:
            state = moves[rows[state] + byte]
            if out[state] >= 0:
                met.append(out[state])
        return met
