"""Dawid and Skene's model: each annotator has a confusion matrix, learnt with the items' true classes by EM.

Dawid & Skene, Maximum likelihood estimation of observer error-rates using the EM algorithm (1979). Start (majority
vote), smoothing and stopping are those of crowd-kit, so that the posteriors are the same; the sums over answers are
products with one sparse matrix of items by (annotator, label).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_matrix

    from annotation.quality.ratings import Ratings

ROUNDS = 100
TOLERANCE = 1e-5
TINY = 1e-10


@dataclasses.dataclass(frozen=True)
class DawidSkene:
    """The fitted model; classes are the labels of the ratings."""

    posterior: np.ndarray  # (items, classes)
    prior: np.ndarray  # (classes,)
    confusion: np.ndarray  # (annotators, labels, classes): P(label | class); 0 for labels that one never gave
    rounds: int


def dawid_skene(ratings: Ratings, *, rounds: int = ROUNDS, tolerance: float = TOLERANCE) -> DawidSkene:
    """Fit by EM from majority votes; stops when the bound on the likelihood of one answer grows by less than this."""
    import numpy as np

    size = len(ratings.labels)
    if not len(ratings):
        return DawidSkene(np.zeros((0, size)), np.zeros(size), np.zeros((0, size, size)), 0)
    given = _by_annotator_and_label(ratings)
    by_label = given.T.tocsr()
    answers = np.asarray(given.sum(1))
    posterior = ratings.counts()
    posterior /= posterior.sum(1, keepdims=True)
    prior = posterior.mean(0)
    confusion = _confusion(by_label, posterior, size)
    evidence = given @ _log(confusion)
    bound, done = -np.inf, 0
    for done in range(1, rounds + 1):  # noqa: B007 - the number of rounds is reported
        logs = np.log(np.maximum(prior, TINY)) + evidence
        posterior = np.exp(logs - logs.max(1, keepdims=True))
        posterior /= posterior.sum(1, keepdims=True)
        prior = posterior.mean(0)
        confusion = _confusion(by_label, posterior, size)
        evidence = given @ _log(confusion)
        before, bound = bound, _bound(posterior, prior, evidence, answers) / len(ratings)
        if bound - before < tolerance:
            break
    return DawidSkene(posterior, prior, confusion.reshape(len(ratings.annotators), size, size), done)


def _by_annotator_and_label(ratings: Ratings) -> csr_matrix:
    """1 where an item got a label from an annotator: sparse (items, annotators x labels)."""
    import numpy as np
    from scipy.sparse import csr_matrix

    size = len(ratings.labels)
    ends = np.concatenate([[0], np.bincount(ratings.item, minlength=len(ratings.items)).cumsum()])
    columns = ratings.annotator * size + ratings.label
    return csr_matrix(
        (np.ones(len(ratings)), columns, ends), shape=(len(ratings.items), len(ratings.annotators) * size)
    )


def _confusion(by_label: csr_matrix, posterior: np.ndarray, size: int) -> np.ndarray:
    """P(label | class) of every annotator: (annotators x labels, classes)."""
    import numpy as np

    seen = np.diff(by_label.indptr) > 0  # a label that an annotator never gave has no row in crowd-kit either
    expected = np.maximum(by_label @ posterior, TINY) * seen[:, None]
    totals = expected.reshape(-1, size, posterior.shape[1]).sum(1)
    return np.asarray(expected / np.repeat(totals, size, axis=0))


def _log(confusion: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.log(np.where(confusion > 0, confusion, 1))  # the zeros belong to labels that were never given


def _bound(posterior: np.ndarray, prior: np.ndarray, evidence: np.ndarray, answers: np.ndarray) -> float:
    """The evidence lower bound as crowd-kit computes it: the class prior counts once for each answer, not each item."""
    import numpy as np

    joint = (posterior * (evidence + answers * np.log(np.maximum(prior, TINY)))).sum()
    held = np.maximum(posterior, TINY)
    return float(joint - (held * np.log(held)).sum())
