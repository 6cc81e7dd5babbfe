"""What one more answer is worth: how much it is expected to lower the entropy of an item's posterior."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def entropy(posterior: np.ndarray) -> np.ndarray:
    """Entropy in bits over the last axis."""
    import numpy as np

    return -(posterior * np.log2(np.where(posterior > 0, posterior, 1))).sum(-1)


def expected_gain(posterior: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    """Bits that one more answer is expected to take off the entropy of each item.

    `posterior` is (items, classes), `confusion` (labels, classes) holds P(label | class) of the one who will answer.
    """
    joint = posterior[:, None, :] * confusion[None, :, :]  # (items, labels, classes)
    chance = joint.sum(-1)
    after = joint / _positive(chance)[..., None]
    gain: np.ndarray = entropy(posterior) - (chance * entropy(after)).sum(-1)
    return gain.clip(min=0)  # what is below zero is rounding


def one_coin(accuracy: float, size: int) -> np.ndarray:
    """The confusion matrix of one who is right with `accuracy`, and otherwise takes any wrong label alike."""
    import numpy as np

    wrong = (1 - accuracy) / max(1, size - 1)
    return np.full((size, size), wrong) + np.eye(size) * (accuracy - wrong)


def _positive(values: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.where(values > 0, values, 1)
