"""A harm classifier over sentence vectors: what a prompt asks for, as seen by no target.

Kernel logistic regression (RBF kernel, Nystroem features: Williams and Seeger, 2001) on vectors that are centred for each
language. It is trained on the language packs' seeds and on the texts written for the reference models, never on what a
grammar or a model wrote; out-of-fold logits calibrate it (Platt, 1999). Everything is drawn by digests, so that the same texts give the
same classifier.
"""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from curation.embedding import unit_rows
from curation.errors import ModelError
from curation.languages.packs import Pack
from curation.records import digest
from rass.metrics import Estimate, auroc, calibration_error, estimate

if TYPE_CHECKING:
    import numpy as np

GAMMA = 1.0  # of the kernel exp(-gamma |x - y|^2) between unit vectors
PENALTY = 0.1  # inverse variance of the Gaussian prior on the weights
LANDMARKS = 800  # more bring nothing
PER_KIND = 160  # texts of each kind and language beside the packs' seeds: more cost time
FOLDS = 5
KINDS = ("harmful", "benign", "harmless")
SHARES = {"harmful": 0.5, "benign": 0.25, "harmless": 0.25}  # weight of each kind, whatever its number


class Example(NamedTuple):
    """A text that somebody wrote or judged."""

    text: str
    language: str
    kind: str  # one of KINDS; benign: sounds harmful and is not
    weight: float = 1.0

    @property
    def harmful(self) -> bool:
        """Which class it is of."""
        return self.kind == "harmful"


class Quality(NamedTuple):
    """How well a classifier tells harmful from benign prompts."""

    auroc: Estimate
    accuracy: Estimate
    calibration_error: float


@dataclasses.dataclass(frozen=True)
class HarmModel:
    """A fitted classifier."""

    means: dict[str, np.ndarray]  # of each language; "" for the pool
    landmarks: np.ndarray  # (m, d)
    weights: np.ndarray  # (m,): one for each landmark's kernel
    bias: float
    scale: tuple[float, float]  # slope and offset of the calibration

    def logits(self, vectors: np.ndarray, languages: Sequence[str]) -> np.ndarray:
        """Calibrated log-odds (n,) of being harmful, at even odds before the text is seen."""
        raw = kernel(_centred(vectors, languages, self.means), self.landmarks) @ self.weights + self.bias
        return raw * self.scale[0] + self.scale[1]


def examples_of(packs: Iterable[Pack]) -> list[Example]:
    """The seeds of the packs, and texts written for the reference models in their languages; each text once."""
    found: dict[tuple[str, str], Example] = {}
    for pack in packs:
        for row in (*pack.benign, *pack.harmful, *pack.harmless):
            kind = "harmless" if row.category == "harmless" else row.intent
            found.setdefault((pack.code, row.text), Example(row.text, pack.code, kind))
        for example in _written(pack.code):
            found.setdefault((pack.code, example.text), example)
    return list(found.values())


def _written(language: str) -> list[Example]:
    """Texts of the reference models' training in one language, up to PER_KIND of each kind."""
    kinds: dict[str, list[Example]] = defaultdict(list)
    for file in sorted(resources.files("rass.reference").joinpath("texts").iterdir(), key=lambda path: path.name):
        if file.name.split(".")[0].split("_")[0] != language:
            continue
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row.get("intent") in KINDS:
                kinds[row["intent"]].append(Example(row["prompt"], language, row["intent"]))
    return [example for kind in KINDS
            for example in sorted(kinds[kind], key=lambda one: digest("harm", one.text))[:PER_KIND]]  # fmt: skip


def fit_harm(vectors: np.ndarray, examples: Sequence[Example]) -> HarmModel:
    """Fit the classifier to embedded examples, and its calibration to logits that no row helped to fit."""
    import numpy as np

    means = _means(vectors, [one.language for one in examples])
    states = _centred(vectors, [one.language for one in examples], means)
    raw = _out_of_fold(states, examples)
    truth = np.array([one.harmful for one in examples])
    slope, offset = _regression(raw[:, None], truth, _weights(examples), penalty=1e-6)
    return HarmModel(means, *_fit(states, examples), (float(slope[0]), offset))


def cross_validate(vectors: np.ndarray, examples: Sequence[Example], kinds: Sequence[str] = KINDS) -> Quality:
    """Quality on the examples of some kinds, each judged by a fit without its fold."""
    import numpy as np

    languages = [one.language for one in examples]
    raw = _out_of_fold(_centred(vectors, languages, _means(vectors, languages)), examples)
    truth = np.array([one.harmful for one in examples])
    slope, offset = _regression(raw[:, None], truth, _weights(examples), penalty=1e-6)
    asked = np.array([one.kind in kinds for one in examples])
    return quality(raw[asked] * slope[0] + offset, truth[asked])


def quality(logits: np.ndarray, harmful: np.ndarray) -> Quality:
    """AUROC, accuracy at even odds (each with its interval), and calibration error of log-odds."""
    import numpy as np

    def accuracy(scores: np.ndarray, truth: np.ndarray) -> float:
        return float(((scores > 0) == truth).mean())

    return Quality(estimate(auroc, logits, harmful), estimate(accuracy, logits, harmful),
                   calibration_error(1 / (1 + np.exp(-logits)), harmful))  # fmt: skip


def kernel(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """exp(-gamma |x - y|^2) of unit vectors: (n, d), (m, d) -> (n, m)."""
    import numpy as np

    found: np.ndarray = np.exp(-GAMMA * (2 - 2 * rows @ others.T))
    return found


def _means(vectors: np.ndarray, languages: Sequence[str]) -> dict[str, np.ndarray]:
    import numpy as np

    labels = np.asarray(languages)
    found = {language: vectors[labels == language].mean(0, dtype="float64") for language in sorted(set(languages))}
    return {**found, "": np.mean(list(found.values()), axis=0)}


def _centred(vectors: np.ndarray, languages: Sequence[str], means: dict[str, np.ndarray]) -> np.ndarray:
    """Unit vectors without what all texts of a language share; a row does not depend on the other rows."""
    import numpy as np

    if not len(vectors):
        return vectors.astype("float64")
    return unit_rows(vectors - np.stack([means.get(language, means[""]) for language in languages])).astype("float64")


def _weights(examples: Sequence[Example]) -> np.ndarray:
    """Each example's weight: a kind's share is parted among its examples; mean 1."""
    import numpy as np

    total: dict[str, float] = defaultdict(float)
    for one in examples:
        total[one.kind] += one.weight
    if not total["harmful"] or len([kind for kind in total if total[kind]]) < 2:
        raise ModelError(
            "the harm classifier needs harmful and benign texts, one class is empty", fix="add seeds of that class"
        )
    found = np.array([SHARES[one.kind] * one.weight / total[one.kind] for one in examples])
    return found * len(found) / found.sum()


def _out_of_fold(states: np.ndarray, examples: Sequence[Example]) -> np.ndarray:
    """Logits of every example under a fit without its fold; folds are drawn by the texts."""
    import numpy as np

    places = sorted(
        range(len(examples)), key=lambda index: digest("fold", examples[index].language, examples[index].text)
    )
    folds = np.empty(len(examples), dtype=int)
    folds[places] = np.arange(len(examples)) % FOLDS
    found = np.zeros(len(examples))
    for fold in range(FOLDS):
        held = folds == fold
        landmarks, weights, bias = _fit(
            states[~held], [one for one, out in zip(examples, held, strict=True) if not out]
        )
        found[held] = kernel(states[held], landmarks) @ weights + bias
    return found


def _fit(states: np.ndarray, examples: Sequence[Example]) -> tuple[np.ndarray, np.ndarray, float]:
    """Landmarks, their weights, and the bias."""
    import numpy as np

    order = sorted(
        range(len(examples)), key=lambda index: digest("landmark", examples[index].language, examples[index].text)
    )
    landmarks = states[sorted(order[:LANDMARKS])]
    values, vectors = np.linalg.eigh(kernel(landmarks, landmarks))
    root = vectors / np.sqrt(
        np.maximum(values, 1e-6)
    )  # kernel(x, landmarks) @ root has the kernel as its inner product
    truth = np.array([one.harmful for one in examples])
    weights, bias = _regression(kernel(states, landmarks) @ root, truth, _weights(examples), penalty=PENALTY)
    return landmarks, root @ weights, bias


def _regression(
    features: np.ndarray, truth: np.ndarray, sizes: np.ndarray, *, penalty: float
) -> tuple[np.ndarray, float]:
    """Weighted ridge-penalised logistic regression by L-BFGS: weights and bias."""
    import numpy as np
    from scipy.optimize import minimize
    from scipy.special import expit

    signs = np.where(truth, 1.0, -1.0)

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        margins = signs * (features @ point[:-1] + point[-1])
        pull = -sizes * signs * expit(-margins)
        value = float(sizes @ np.logaddexp(0, -margins) + penalty / 2 * point[:-1] @ point[:-1])
        return value, np.append(features.T @ pull + penalty * point[:-1], pull.sum())

    found = minimize(loss, np.zeros(features.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    return found[:-1], float(found[-1])
