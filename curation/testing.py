"""Fakes and small makers for tests, ours and those of users: no model, no network."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from curation.records import Prompt, Reply, make_prompt, reply_id

if TYPE_CHECKING:
    import numpy as np


class LetterEncoder:
    """Counts of character triples, hashed: near texts have near vectors, with no model to load."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 of shape (n, 256), rows of length 1."""
        import numpy as np

        vectors = np.zeros((len(texts), 256), dtype=np.float32)
        for row, text in enumerate(texts):
            for start in range(max(1, len(text) - 2)):
                vectors[row, zlib.crc32(text[start : start + 3].encode("utf-8", "replace")) % 256] += 1
        unit: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        return unit


def seed(text: str, language: str = "en", *, intent: str = "benign", category: str = "homonyms") -> Prompt:
    """A prompt as a language pack gives it."""
    return make_prompt(text, language, category=category, intent=intent, method="seed")


def mutation(text: str, language: str = "en", *, intent: str = "benign", category: str = "homonyms") -> Prompt:
    """A prompt as a grammar gives it."""
    return make_prompt(text, language, category=category, intent=intent, method="mutation")


def sample(text: str, language: str = "en") -> Prompt:
    """A prompt as a steered model gives it."""
    return make_prompt(text, language, category="homonyms", intent="unknown", method="sampling")


def reply(prompt: Prompt, text: str, target: str = "model") -> Reply:
    """What a target answered."""
    return Reply(reply_id(prompt.id, target, "{}"), prompt.id, target, text, "{}", True)


def tree(root: Path) -> dict[str, bytes]:
    """Every file under a folder with its bytes."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
