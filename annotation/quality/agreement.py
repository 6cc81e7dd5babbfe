"""Agreement beyond chance: Krippendorff's alpha, Fleiss' and Cohen's kappa, Gwet's AC1, and raw agreement.

Every coefficient is a function of sums over items (of coincidences, of shares), so one matrix product gives it for all
bootstrap draws at once. Missing answers are allowed everywhere; a coefficient that is not defined (all answers are
equal, nobody met on an item) is nan.

Krippendorff, Computing Krippendorff's Alpha-Reliability (2011); Fleiss (1971) in Gwet's form for missing answers;
Gwet, Computing inter-rater reliability in the presence of high agreement (2008); Cohen (1960).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotation.quality.bootstrap import RESAMPLES, Estimate, bootstrap

if TYPE_CHECKING:
    import numpy as np

    from annotation.quality.ratings import Ratings

NOMINAL = ("raw", "alpha", "fleiss", "ac1")
ORDERED = ("alpha_ordinal", "alpha_interval")
PAIR = ("raw", "cohen", "alpha")


def nominal_agreement(ratings: Ratings, *key: str, resamples: int = RESAMPLES) -> dict[str, Estimate]:
    """Raw agreement, nominal alpha, Fleiss' kappa and AC1 of labels without an order."""
    import numpy as np

    size = len(ratings.labels)

    def statistic(sums: np.ndarray) -> np.ndarray:
        shares, (met, answered, agreed) = sums[..., :size], np.moveaxis(sums[..., size : size + 3], -1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            observed = agreed / met
            shares = shares / answered[..., None]
            fleiss = (shares**2).sum(-1)
            gwet = (shares * (1 - shares)).sum(-1) / (size - 1) if size > 1 else np.full_like(observed, np.nan)
            return np.stack(
                [
                    observed,
                    alpha(sums[..., size + 3 :].reshape(*sums.shape[:-1], size, size)),
                    _beyond(observed, fleiss),
                    _beyond(observed, gwet),
                ],
                axis=-1,
            )

    counts = ratings.counts()
    parts = np.concatenate([_shares(counts), coincidences(counts).reshape(len(counts), size**2)], axis=1)
    return dict(zip(NOMINAL, bootstrap(parts, statistic, *key, resamples=resamples), strict=True))


def ordered_agreement(ratings: Ratings, *key: str, resamples: int = RESAMPLES) -> dict[str, Estimate]:
    """Ordinal and interval alpha of labels that stand in the order of the scale, at equal distances for the latter."""
    import numpy as np

    size = len(ratings.labels)

    def statistic(sums: np.ndarray) -> np.ndarray:
        pairs = sums.reshape(*sums.shape[:-1], size, size)
        return np.stack([alpha(pairs, ordinal_places(pairs)), alpha(pairs, np.arange(size, dtype=np.float64))], axis=-1)

    counts = ratings.counts()
    parts = coincidences(counts).reshape(len(counts), size**2)
    return dict(zip(ORDERED, bootstrap(parts, statistic, *key, resamples=resamples), strict=True))


def pair_agreement(
    ratings: Ratings, one: int, other: int, *key: str, resamples: int = RESAMPLES
) -> tuple[int, dict[str, Estimate]]:
    """How many items two annotators both answered, and raw agreement, Cohen's kappa and alpha on those."""
    import numpy as np

    size = len(ratings.labels)
    mine, theirs = ratings.of_annotator(one), ratings.of_annotator(other)
    both = (mine >= 0) & (theirs >= 0)
    table = np.zeros((int(both.sum()), size, size))
    table[np.arange(len(table)), mine[both], theirs[both]] = 1

    def statistic(sums: np.ndarray) -> np.ndarray:
        crossed = sums.reshape(*sums.shape[:-1], size, size)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = crossed / crossed.sum((-1, -2), keepdims=True)
            raw = np.trace(share, axis1=-2, axis2=-1)
            kappa = _beyond(raw, (share.sum(-1) * share.sum(-2)).sum(-1))
        return np.stack([raw, kappa, alpha(crossed + np.swapaxes(crossed, -1, -2))], axis=-1)

    found = bootstrap(table.reshape(len(table), size**2), statistic, *key, resamples=resamples)
    return len(table), dict(zip(PAIR, found, strict=True))


def coincidences(counts: np.ndarray) -> np.ndarray:
    """Each item's share in the coincidence matrix: (items, labels, labels); zeros where nobody met."""
    import numpy as np

    answers = counts.sum(1)
    pairs = counts[:, :, None] * counts[:, None, :]
    diagonal = np.arange(counts.shape[1])
    pairs[:, diagonal, diagonal] -= counts
    return np.asarray(pairs / np.maximum(answers - 1, 1)[:, None, None])


def alpha(coincidence: np.ndarray, places: np.ndarray | None = None) -> np.ndarray:
    """Krippendorff's alpha of coincidence matrices (..., labels, labels).

    The squared difference of two labels is that of their `places` (labels,) or (..., labels); without places it is 1.
    """
    import numpy as np

    marginal = coincidence.sum(-1)
    total = marginal.sum(-1)
    if places is None:
        distance = 1 - np.eye(coincidence.shape[-1])
    else:
        distance = (places[..., :, None] - places[..., None, :]) ** 2
    observed = (coincidence * distance).sum((-1, -2))
    expected = (marginal[..., :, None] * marginal[..., None, :] * distance).sum((-1, -2))
    with np.errstate(divide="ignore", invalid="ignore"):
        # Where all answers are equal, nothing could disagree: not defined, rather than perfect.
        return np.where(expected > 0, 1 - (total - 1) * observed / expected, np.nan)


def ordinal_places(coincidence: np.ndarray) -> np.ndarray:
    """Where labels lie on the ordinal scale: the middle of their ranks, so that differences are Krippendorff's."""
    marginal = coincidence.sum(-1)
    return marginal.cumsum(-1) - marginal / 2


def _shares(counts: np.ndarray) -> np.ndarray:
    """For each item: label shares, whether people met on it, whether it has answers, the share of pairs that agree."""
    import numpy as np

    answers = counts.sum(1)
    met = answers > 1
    agreed = (counts * (counts - 1)).sum(1) / np.maximum(answers * (answers - 1), 1)
    return np.column_stack([counts / np.maximum(answers, 1)[:, None], met, answers > 0, agreed * met])


def _beyond(observed: np.ndarray, by_chance: np.ndarray) -> np.ndarray:
    """(observed - chance) / (1 - chance), nan where chance alone gives all."""
    import numpy as np

    room = 1 - by_chance
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(room > 1e-12, (observed - by_chance) / room, np.nan)
