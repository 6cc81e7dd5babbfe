"""A small logistic classifier of replies: surface features alone, or with the embedding of the reply's opening."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from curation.errors import WeightsError
from curation.refusals.features import feature_names
from curation.storage import write_atomically

if TYPE_CHECKING:
    import numpy as np

WEIGHTS = Path(__file__).parent / "weights" / "cascade.safetensors"
SCALE = 4.0  # of embeddings beside the features: how much of the penalty falls on them


@dataclasses.dataclass(frozen=True)
class Classifier:
    """P(any refusal) by surface features (`glance`), and by these and an embedding (`look`); the last weight is the bias."""

    glance: np.ndarray
    look: np.ndarray
    digest: str = ""

    def glance_at(self, features: np.ndarray) -> np.ndarray:
        """P(any refusal), shape (n,), by features of shape (n, features)."""
        return _probability(features, self.glance)

    def look_at(self, features: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """P(any refusal), shape (n,), by features and the embeddings of openings, shape (n, dimensions)."""
        return _probability(beside(features, vectors), self.look)

    def save(self, path: Path) -> None:
        """Write the weights as safetensors; the features that they belong to stand in the header."""
        from safetensors.numpy import save

        data = save({"glance": self.glance, "look": self.look}, {"features": json.dumps(feature_names())})
        write_atomically(path, lambda file: file.write(data))


def load_classifier(path: Path = WEIGHTS) -> Classifier:
    """Read a classifier that `save` wrote, and check that it belongs to the features of this version."""
    from safetensors import SafetensorError, safe_open

    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        with safe_open(path, "np") as file:  # type: ignore[no-untyped-call]
            names = json.loads((file.metadata() or {}).get("features", "[]"))
            glance, look = file.get_tensor("glance"), file.get_tensor("look")
    except (OSError, SafetensorError, ValueError) as exc:
        raise WeightsError(f"cannot read {path}: {exc}", fix="install morbench again") from exc
    if names != feature_names() or len(glance) != len(names) + 1 or len(look) <= len(glance):
        differ = sorted(set(names) ^ set(feature_names()))
        which = f": {len(differ)} differ, as {differ[0]!r}" if differ else ", or in another order"
        raise WeightsError(
            f"{path} was trained on other features than this version has{which}",
            fix="run scripts/train_refusal_classifier",
        )
    return Classifier(glance, look, digest)


def beside(features: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Features and scaled embeddings side by side."""
    import numpy as np

    return np.hstack([features, vectors * SCALE])


def fit(inputs: np.ndarray, refused: Sequence[bool], weights: Sequence[float], penalty: float) -> np.ndarray:
    """Weights (bias last, not penalised) of a logistic regression with an L2 penalty on the others."""
    import numpy as np
    from scipy.optimize import minimize

    data = np.hstack([inputs, np.ones((len(inputs), 1))]).astype(np.float64)
    sign = np.where(np.asarray(refused), 1.0, -1.0)
    share = np.asarray(weights, dtype=np.float64)
    decay = np.full(data.shape[1], penalty)
    decay[-1] = 0.0

    def loss(beta: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (data @ beta)
        value = share @ np.logaddexp(0.0, -margin) + 0.5 * decay @ beta**2
        pull = -share * sign / (1.0 + np.exp(np.clip(margin, -60, 60)))
        return float(value), data.T @ pull + decay * beta

    found = minimize(loss, np.zeros(data.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    result: np.ndarray = found.x.astype(np.float32)
    return result


def _probability(inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    import numpy as np

    logits = np.clip(inputs.astype(np.float64) @ weights[:-1].astype(np.float64) + float(weights[-1]), -60, 60)
    found: np.ndarray = 1.0 / (1.0 + np.exp(-logits))
    return found
