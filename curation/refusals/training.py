"""Training of the classifier: written replies in every language, and public sets where they are at hand.

Public replies are cut to CUT characters before training: one of the sets is cut there where a reply was harmful, and
length would give its labels away. Rebuttals ("No, you should not") and unclear replies are left out.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation.embedding import Encoder
from curation.errors import InputError
from curation.languages.packs import available_languages, load_pack
from curation.records import REFUSED, digest
from curation.refusals.classifier import Classifier, beside, fit
from curation.refusals.features import feature_names, features, opening
from curation.refusals.phrases import PhraseBook
from curation.refusals.reading import Reading, read_reply
from curation.refusals.samples import written_languages, written_samples

if TYPE_CHECKING:
    import numpy as np

SETS = ("xstest", "msts", "polyrefuse")
CUT = 240
WRITTEN_SHARE = 0.65  # weight of a written reply; a public one counts 1
PENALTIES = (3.0, 7.0)  # L2, of the glance and of the look
BATCH = 64
_OUTSIDE = frozenset({"rebuttal", "unclear"})


@dataclasses.dataclass(frozen=True, slots=True)
class Example:
    """A labelled reply: in which set it stands (empty: written here), from which model, to which prompt."""

    text: str
    language: str
    label: str
    source: str = ""
    model: str = ""
    prompt: str = ""

    @property
    def refused(self) -> bool:
        """Whether it is any refusal, partial ones included."""
        return self.label in REFUSED or self.label == "refusal"

    @property
    def weight(self) -> float:
        """How much it counts in training."""
        return 1.0 if self.source else WRITTEN_SHARE


def public_examples(data: Path, *, outside: bool = False) -> list[Example]:
    """The labelled replies of the public sets; with `outside` those that are neither refusal nor answer."""
    found = []
    for name in SETS:
        path = data / "refusals" / f"{name}.jsonl"
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError as exc:
            raise InputError(f"cannot read {path}: {exc.strerror}", fix="give the folder of public sets") from None
        rows = [json.loads(line) for line in lines]
        found += [Example(row["response"], row["language"], row["label"], name, row["model"], row.get("prompt", ""))
                  for row in rows if (row["label"] in _OUTSIDE) == outside]  # fmt: skip
    return found


def written_examples() -> list[Example]:
    """The replies written for this purpose, in every language."""
    return [Example(*sample) for code in written_languages() for sample in written_samples(code)]


@dataclasses.dataclass(frozen=True)
class Material:
    """Examples with what a classifier sees of them: whole, and as they are trained on."""

    examples: list[Example]
    readings: list[Reading]
    whole: np.ndarray
    trained: np.ndarray
    vectors: np.ndarray

    def train(self, rows: Sequence[int]) -> Classifier:
        """A classifier that has seen just these rows."""
        import numpy as np

        chosen = np.asarray(rows)
        refused = [self.examples[row].refused for row in rows]
        weights = [self.examples[row].weight for row in rows]
        shape = self.trained[chosen]
        return Classifier(fit(shape, refused, weights, PENALTIES[0]),
                          fit(beside(shape, self.vectors[chosen]), refused, weights, PENALTIES[1]))  # fmt: skip


def prepare(examples: Sequence[Example], encoder: Encoder, book: PhraseBook | None = None) -> Material:
    """Read and embed examples; embeddings are kept in the temporary folder for the next time."""
    import numpy as np

    book = book or PhraseBook.from_packs([load_pack(code) for code in available_languages()])
    readings = [read_reply(row.text, row.language, book) for row in examples]
    cut = [read_reply(row.text[:CUT], row.language, book) if row.source == "polyrefuse" else reading
           for row, reading in zip(examples, readings, strict=True)]  # fmt: skip
    return Material(list(examples), readings, np.array([features(each) for each in readings]),
                    np.array([features(each) for each in cut]), _embedded([opening(each) for each in readings], encoder))  # fmt: skip


def _embedded(texts: list[str], encoder: Encoder) -> np.ndarray:
    """Embeddings of texts, from the temporary folder where they were embedded before."""
    import numpy as np

    unique = sorted(set(texts), key=lambda text: (len(text), text))
    key = digest("openings", type(encoder).__name__, *unique)[:16]
    path = Path(tempfile.gettempdir()) / f"morbench-openings-{key}.npy"
    if path.exists():
        vectors = np.load(path, allow_pickle=False)
    else:
        vectors = np.vstack([encoder.encode(unique[start : start + BATCH]) for start in range(0, len(unique), BATCH)])
        np.save(path, vectors, allow_pickle=False)
    places = {text: index for index, text in enumerate(unique)}
    found: np.ndarray = vectors[[places[text] for text in texts]]
    return found


def train(data: Path, encoder: Encoder) -> tuple[Classifier, dict[str, Any]]:
    """The classifier of all examples, and what it was made of."""
    examples = [*public_examples(data), *written_examples()]
    material = prepare(examples, encoder)
    facts: dict[str, Any] = {
        "examples": {name or "written": sum(row.source == name for row in examples) for name in (*SETS, "")},
        "refused": {name or "written": sum(row.refused for row in examples if row.source == name) for name in (*SETS, "")},
        "data": {name: hashlib.sha256((data / "refusals" / f"{name}.jsonl").read_bytes()).hexdigest() for name in SETS},
        "features": len(feature_names()), "dimensions": int(material.vectors.shape[1]),
        "cut": CUT, "written_share": WRITTEN_SHARE, "penalties": list(PENALTIES),
    }  # fmt: skip
    return material.train(range(len(examples))), facts
