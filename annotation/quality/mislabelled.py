"""Items that are likely mislabelled: a text model that never saw an item's label disagrees with it, and is sure.

Confident learning (Northcutt, Jiang & Chuang, 2021): each class has a threshold, the mean probability that the model
gives it on items labelled so. An item counts as of the class whose probability passes its threshold (the larger one where
both do); where that is not the class it is labelled with, the label is doubtful. Probabilities are out of fold, over
sentence vectors; prompts that grew from one seed share a fold, so that no item's sibling tells its label.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from curation.embedding import centre_by_language
from curation.records import Prompt, digest

if TYPE_CHECKING:
    import numpy as np

    from curation.embedding import Encoder

FOLDS = 5
ROUNDS = 3  # of folds drawn anew, averaged
STRENGTH = 1.0  # inverse ridge penalty on unit vectors; more finds fewer of the labels that were turned on purpose
LEAST = 20  # items of each class that a model needs


@dataclasses.dataclass(frozen=True, slots=True)
class Suspect:
    """An item whose label is doubtful."""

    prompt_id: str
    label: str
    suggested: str
    probability: float  # P(label), out of fold: low is doubtful


@dataclasses.dataclass(frozen=True)
class Doubts:
    """What the text model makes of the labels; `reason` says why there is nothing, where there is not."""

    suspects: tuple[Suspect, ...]
    items: int
    noise: Mapping[str, float]  # label -> estimated share of wrong ones among them
    reason: str = ""


def doubts(prompts: Sequence[Prompt], labels: Sequence[str], encoder: Encoder, *, seed: int = 7) -> Doubts:
    """The suspects among labelled prompts (`benign` or `harmful`), most doubtful first."""
    import numpy as np

    order = sorted(range(len(prompts)), key=lambda index: prompts[index].id)
    prompts, labels = [prompts[index] for index in order], [labels[index] for index in order]
    harmful = np.array([label == "harmful" for label in labels], dtype=bool)
    fewest = int(min(harmful.sum(), (~harmful).sum())) if len(labels) else 0
    if fewest < LEAST:
        return Doubts((), len(labels), {}, f"{fewest} items of the smaller class; a text model needs {LEAST}")
    vectors = centre_by_language(encoder.encode([row.text for row in prompts]), [row.language for row in prompts])
    chance = out_of_fold(vectors, harmful, [row.seed_id or row.id for row in prompts], seed)
    if chance is None:
        return Doubts((), len(labels), {}, "too few seeds: prompts that grew from one seed cannot be told apart")
    doubtful, noise = confident(harmful, chance)
    found = [Suspect(prompts[index].id, labels[index], "benign" if harmful[index] else "harmful",
                     float(chance[index] if harmful[index] else 1 - chance[index]))
             for index in np.flatnonzero(doubtful)]  # fmt: skip
    ranked = tuple(sorted(found, key=lambda row: (row.probability, row.prompt_id)))
    return Doubts(ranked, len(labels), dict(zip(("benign", "harmful"), noise, strict=True)))


def out_of_fold(vectors: np.ndarray, positive: np.ndarray, groups: Sequence[str], seed: int) -> np.ndarray | None:
    """P(positive) of every row from models that saw no row of its group; None where a fold leaves one class only."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    total = np.zeros(len(positive))
    for drawn in range(ROUNDS):
        ranked = sorted(set(groups), key=lambda group: digest("fold", str(seed), str(drawn), group))
        fold_of = {group: place % FOLDS for place, group in enumerate(ranked)}
        folds = np.array([fold_of[group] for group in groups])
        for fold in range(FOLDS):
            held = folds == fold
            if positive[~held].all() or not positive[~held].any():
                return None
            if held.any():
                model = LogisticRegression(C=STRENGTH, max_iter=1000, tol=1e-6)
                model.fit(vectors[~held].astype(np.float64), positive[~held])
                total[held] += model.predict_proba(vectors[held].astype(np.float64))[:, 1]
    return total / ROUNDS


def confident(positive: np.ndarray, chance: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Which rows count as of the other class than they are labelled, and the noise among negatives and positives."""
    import numpy as np

    chances = np.column_stack([1 - chance, chance])
    thresholds = np.array([chances[~positive, 0].mean(), chances[positive, 1].mean()])
    passed = chances >= thresholds
    counted = np.where(passed, chances, -1).argmax(1)
    certain = passed.any(1)
    doubtful = certain & (counted != positive)

    def share(labelled: np.ndarray) -> float:
        return float((doubtful & labelled).sum() / max(1, (certain & labelled).sum()))

    return doubtful, (share(~positive), share(positive))
