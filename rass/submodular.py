"""Choosing few of many so that they are good, and spread over meanings and categories.

    F(S) = sum_v q_v max_{j in S} s(v, j) / sum_v q_v  +  sum_c sqrt(sum_{j in S and c} q_j) / sum_c sqrt(sum_{j in c} q_j)

q is a candidate's quality, s the similarity of two (0 to 1), c runs over the groups. The first term (facility location) is how well the
chosen stand for all candidates, the second (a concave function of each group's chosen quality) pays less for each further one of
the same group. Both grow from 0 to 1, are monotone and submodular, so that the greedy choice reaches at least 1 - 1/e of the
best (Nemhauser, Wolsey and Fisher, 1978).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np


class Chosen(NamedTuple):
    """A chosen candidate (its place in the list) and what it added to the objective."""

    place: int
    gain: float


def objective(chosen: Sequence[int], similarity: np.ndarray, quality: np.ndarray, groups: Sequence[str]) -> float:
    """F of a set of indices; similarity (n, n) in 0 to 1, quality (n,) above 0, groups (n,)."""
    import numpy as np

    if not len(chosen):
        return 0.0
    members = _members(groups)
    inside = np.zeros(len(quality))
    inside[list(chosen)] = quality[list(chosen)]
    covered = float(quality @ similarity[:, list(chosen)].max(1)) / float(quality.sum())
    return covered + float(np.sqrt(members @ inside).sum() / np.sqrt(members @ quality).sum())


def choose(similarity: np.ndarray, quality: np.ndarray, groups: Sequence[str], count: int,
           fixed: Sequence[int] = ()) -> list[Chosen]:  # fmt: skip
    """Greedily the `count` candidates of the largest gain beside those that are fixed; ties by position."""
    import numpy as np

    members, total = _members(groups), float(quality.sum())
    spread = float(np.sqrt(members @ quality).sum()) if len(quality) else 1.0
    best = np.zeros(len(quality))  # of each candidate: its similarity to the nearest chosen one
    filled = np.zeros(len(members))  # of each group: the quality chosen so far
    left = np.ones(len(quality), dtype=bool)
    found: list[Chosen] = []

    def take(index: int) -> None:
        nonlocal best, filled
        best = np.maximum(best, similarity[:, index])
        filled = filled + members[:, index] * quality[index]
        left[index] = False

    for index in fixed:
        take(index)
    for _ in range(min(count, int(left.sum()))):
        covering = quality @ np.maximum(similarity - best[:, None], 0) / total
        grouping = (np.sqrt(members.T @ filled + quality) - np.sqrt(members.T @ filled)) / spread
        gains = np.where(left, covering + grouping, -np.inf)
        index = int(gains.argmax())
        found.append(Chosen(index, float(gains[index])))
        take(index)
    return found


def _members(groups: Sequence[str]) -> np.ndarray:
    """Which candidate is of which group: (groups, n), 0 or 1."""
    import numpy as np

    names = sorted(set(groups))
    return np.array([[float(group == name) for group in groups] for name in names]).reshape(len(names), len(groups))
