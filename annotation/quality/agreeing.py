"""The agreement tables of an audit: by language, category and session, and for every pair of annotators."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from annotation.quality.agreement import nominal_agreement, ordered_agreement, pair_agreement
from annotation.quality.evidence import Answer, Evidence
from annotation.quality.models.methods import CLASSES
from annotation.quality.ratings import Ratings
from annotation.quality.tables import Table
from curation.records import ANSWERS

LEAST_MET = 5  # items that two people must both have answered
MOST_PAIRS = 200

COLUMNS = ("by", "group", "items", "answers", "raw", "alpha", "alpha ordinal", "alpha interval", "Fleiss", "AC1")


def agreement_table(evidence: Evidence, resamples: int) -> Table:
    """Every coefficient over all answers, and by language, category and session."""
    used = [answer for answer in ANSWERS if any(row.answer == answer for row in evidence.answers)]
    groups: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for row in evidence.answers:
        prompt = row.prompt
        keys = (("all", ""), ("language", prompt.language), ("category", prompt.category), ("session", row.session))
        for key in keys:
            groups[key].append(row)
    order = ("all", "language", "category", "session")
    rows = [
        _row(key, groups[key], used, resamples) for key in sorted(groups, key=lambda key: (order.index(key[0]), key))
    ]
    return Table.of(
        "agreement", "Agreement", COLUMNS, rows,
        "Items with two answers or more; 95 % bootstrap intervals over items. Nominal: all four answers. Ordinal and "
        "interval: benign < depends < harmful, unsure as missing. n/a: nobody met, or all answers are equal, so that "
        "agreement beyond chance is not defined.",
    )  # fmt: skip


def _row(key: tuple[str, str], rows: Sequence[Answer], used: Sequence[str], resamples: int) -> list[object]:
    ratings = Ratings.of([row.rating for row in rows], used)
    nominal = nominal_agreement(ratings, *key, resamples=resamples)
    ordered = ordered_agreement(Ratings.of([row.rating for row in rows], CLASSES), *key, resamples=resamples)
    met = int((ratings.counts().sum(1) > 1).sum())
    return [*key, met, len(ratings), nominal["raw"], nominal["alpha"], ordered["alpha_ordinal"],
            ordered["alpha_interval"], nominal["fleiss"], nominal["ac1"]]  # fmt: skip


def pair_table(evidence: Evidence, resamples: int) -> Table:
    """Raw agreement, Cohen's kappa and alpha of every two people who met on enough items, by language."""
    rows = []
    for language in evidence.languages:
        ratings = Ratings.of([row.rating for row in evidence.of(language)])
        for one, other in met_pairs(ratings):
            names = ratings.annotators[one], ratings.annotators[other]
            met, found = pair_agreement(ratings, one, other, language, *names, resamples=resamples)
            rows.append([language, *names, met, found["raw"], found["cohen"], found["alpha"]])
    rows.sort(key=lambda row: (row[0], _low_first(row[5]), row[1], row[2]))
    return Table.of(
        "pairs", "Agreement of pairs", ("language", "one", "other", "items", "raw", "Cohen", "alpha"), rows,
        f"Two people who both answered {LEAST_MET} items or more, the least agreeing first; of many pairs, the "
        f"{MOST_PAIRS} of a language that met most.",
    )  # fmt: skip


def met_pairs(ratings: Ratings) -> list[tuple[int, int]]:
    """The pairs of annotators who met on enough items, those who met most first."""
    import numpy as np
    from scipy.sparse import csr_matrix

    shape = (len(ratings.items), len(ratings.annotators))
    given = csr_matrix((np.ones(len(ratings)), (ratings.item, ratings.annotator)), shape=shape)
    met = (given.T @ given).tocoo()
    pairs = [(-int(count), int(one), int(other)) for one, other, count in zip(met.row, met.col, met.data, strict=True)
             if one < other and count >= LEAST_MET]  # fmt: skip
    return [(one, other) for _, one, other in sorted(pairs)[:MOST_PAIRS]]


def _low_first(found: object) -> float:
    value = float(getattr(found, "value", math.nan))
    return math.inf if math.isnan(value) else value
