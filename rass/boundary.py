"""The boundary: a calibrated model of P(this target refuses | prompt), seen from inside the target.

Four signals go in: the projection onto the harm direction in one layer, the score of a harm probe trained in several
layers, the logit of a probe for the target's own refusals, and the refusal score (log-odds by how the reply would begin). A logistic regression with
an offset and a slope of its own per language is fitted to the target's labelled replies; its Gaussian prior pulls every
language toward the pool, so that small languages borrow strength. Probe logits of the rows that it is fitted on come
from probes that never saw them. The margin is the logit of that probability, so margins of several targets are on one
scale.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from curation.errors import ModelError
from curation.records import Margin, Prompt
from rass.activations import Activations, collect
from rass.directions import Direction, pooled_by_language, separation
from rass.metrics import auroc
from rass.models import ChatModel, check_same_model
from rass.openings import Openings, first_tokens, learn_openings
from rass.probes import LayeredProbe, LinearProbe, fit_layered, fit_probe, folds_of, out_of_fold

if TYPE_CHECKING:
    import numpy as np

BOOTSTRAPS = 100
LAYER_SPAN = (0.3, 0.8)  # the share of the depth in which the direction is sought (Arditi et al.: layer < 0.8 L)
SIGNALS = ("projection", "harm_probe", "refusal_probe", "refusal_score")
HARM_LAYERS, HARM_FROM = 4, 0.6
LARGEST = 6.0  # signals are clipped at so many deviations: odd text must not leave the range that was fitted
# Gaussian priors, 1 / variance of each kind of weight; chosen by the held-out likelihood of the packs' seeds
PENALTY = {"signal": 1.0, "offset": 1.0, "slope": 1.0}


@dataclasses.dataclass(frozen=True)
class Boundary:
    """A fitted boundary of one target."""

    target: str
    model_digest: str
    direction: Direction
    separation: float  # AUROC of the direction on harmful against harmless seeds
    harm: LayeredProbe  # harmful against harmless
    refusal: LinearProbe  # refused against answered
    openings: Openings
    languages: tuple[str, ...]
    scale: np.ndarray  # (signals, 2): mean and deviation of each signal
    weights: np.ndarray  # (1 + BOOTSTRAPS, columns of `design`): the fit on all rows first, then on resampled rows

    def layers(self) -> list[int]:
        """The layers whose states the margin needs."""
        return sorted({self.direction.layer, self.refusal.layer, *self.harm.layers})

    def signals(self, seen: Activations) -> np.ndarray:
        """The four signals (signals, prompts) of collected prompts."""
        import numpy as np

        return np.stack([self.direction.project(seen.hidden[self.direction.layer]), self.harm.logits(seen.hidden),
                         self.refusal.logits(seen.hidden[self.refusal.layer]), seen.refusal_score])  # fmt: skip

    def margins(self, prompts: Sequence[Prompt], seen: Activations) -> list[Margin]:
        """Signed margins with 95 % intervals."""
        import numpy as np

        signals = self.signals(seen)
        columns = design(signals, [row.language for row in prompts], self.languages, self.scale)
        logits = columns @ self.weights.T  # (prompts, 1 + BOOTSTRAPS)
        low, high = np.quantile(logits[:, 1:], (0.025, 0.975), axis=1)
        probability = 1 / (1 + np.exp(-logits[:, 0]))
        return [Margin(row.id, self.target, float(margin), float(min(a, margin)), float(max(b, margin)), float(p), float(proj), float(score))
                for row, margin, a, b, p, proj, score in zip(prompts, logits[:, 0], low, high, probability, signals[0],
                                                             seen.refusal_score, strict=True)]  # fmt: skip


def measure(chat: ChatModel, boundary: Boundary, prompts: Sequence[Prompt], title: str = "margins") -> list[Margin]:
    """Margins of prompts under a boundary that was fitted to this very model."""
    check_same_model(f"the boundary of {boundary.target!r}", boundary.model_digest, chat.digest)
    if not prompts:
        return []
    seen = collect(chat, [row.text for row in prompts], boundary.layers(), openings=boundary.openings, title=title)
    return boundary.margins(prompts, seen)


def fit_boundary(target: str, chat: ChatModel, prompts: Sequence[Prompt], refused: Sequence[bool], known: Sequence[int],
                 *, seed: int) -> Boundary:  # fmt: skip
    """Collect the prompts' states and fit the boundary to them.

    `prompts` are seeds of every kind (and whatever else people have judged); `refused` says how the target answered each;
    `known` are tokens with which the packs' refusals begin.
    """
    texts = [row.text for row in prompts]
    openings = learn_openings(first_tokens(chat, texts), refused, known)
    layers = candidate_layers(len(chat.layers))
    seen = collect(chat, texts, layers, openings=openings, title=f"boundary of {target}")
    return fit_to_states(target, chat.digest, prompts, refused, seen, openings, seed=seed)


def candidate_layers(depth: int) -> list[int]:
    """The layers in which direction and probes are sought: the span of the direction, and those of the harm probe."""
    return sorted({*range(int(depth * LAYER_SPAN[0]), max(int(depth * LAYER_SPAN[1]), 1)), *harm_layers(depth)})


def harm_layers(depth: int) -> list[int]:
    """The layers of the harm probe: HARM_LAYERS of them, evenly from HARM_FROM of the depth to the last."""
    last, first = depth - 1, round(depth * HARM_FROM)
    return sorted({first + round(step * (last - first) / (HARM_LAYERS - 1)) for step in range(HARM_LAYERS)})


def fit_to_states(target: str, digest: str, prompts: Sequence[Prompt], refused: Sequence[bool], seen: Activations,
                  openings: Openings, *, seed: int) -> Boundary:  # fmt: skip
    """Choose the layers, take direction and probes, and fit P(refuses) to the replies.

    The direction's layer is the one (of the span) whose harm direction tells best what the target itself does: that, not
    harm as such, is its boundary. The refusal probe's layer is the one with the best out-of-fold AUROC.
    """
    import numpy as np

    harmful = np.array([row.intent == "harmful" for row in prompts])
    harmless = np.array([row.category == "harmless" for row in prompts])
    languages = np.array([row.language for row in prompts])
    answers = np.array(refused, dtype=bool)
    if answers.all() or not answers.any():
        raise ModelError(
            f"{target} {'refused' if answers.all() else 'answered'} every seed: it has no boundary to find",
            fix="choose a target that refuses some prompts and answers others",
        )
    if not harmful.any() or not harmless.any():
        raise ModelError(
            "a boundary needs harmful and harmless prompts, one class is empty", fix="add prompts of that class"
        )
    hidden, depth = seen.hidden, max(seen.hidden) + 1
    span = [layer for layer in sorted(hidden) if layer < depth * LAYER_SPAN[1]] or [0]
    directions = {layer: pooled_by_language(layer, hidden[layer], harmful, harmless, languages, model_digest=digest)[""]
                  for layer in span}  # fmt: skip
    told = {layer: auroc(directions[layer].project(hidden[layer]), answers) for layer in span}
    layer = max(span, key=lambda candidate: (told[candidate], -candidate))
    direction, states = directions[layer], hidden[layer]
    folds = folds_of([row.id for row in prompts], harmful + 2 * answers)

    def fit_refusal(deep: int) -> Callable[[np.ndarray], Callable[[np.ndarray], np.ndarray]]:
        return lambda rows: lambda held: fit_probe(deep, hidden[deep][rows], answers[rows]).logits(hidden[deep][held])

    def fit_harm(rows: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        probe = fit_layered(hidden, harm_layers(depth), harmful, rows & (harmful | harmless))
        return lambda held: probe.logits({at: each[held] for at, each in hidden.items()})

    refusals = {deep: out_of_fold(fit_refusal(deep), folds) for deep in sorted({layer, depth - 1})}
    deep = max(refusals, key=lambda candidate: (auroc(refusals[candidate], answers), -candidate))
    signals = np.stack([direction.project(states), out_of_fold(fit_harm, folds), refusals[deep], seen.refusal_score])
    known = tuple(sorted(set(languages.tolist())))
    scale = np.stack([signals.mean(1), signals.std(1) + 1e-9], axis=1)
    columns = design(signals, languages.tolist(), known, scale)
    return Boundary(target, digest, direction, separation(direction, states[harmful], states[harmless]),
                    fit_layered(hidden, harm_layers(depth), harmful, harmful | harmless),
                    fit_probe(deep, hidden[deep], answers), openings, known, scale, _resampled(columns, answers, len(known), seed))  # fmt: skip


def _resampled(columns: np.ndarray, answers: np.ndarray, languages: int, seed: int) -> np.ndarray:
    """The fit on all rows, then on BOOTSTRAPS resamples of them that hold both classes."""
    import numpy as np

    random = np.random.default_rng(seed)
    weights = [fit_logistic(columns, answers, languages)]
    while len(weights) <= BOOTSTRAPS:
        drawn = random.integers(0, len(answers), len(answers))
        if answers[drawn].any() and not answers[drawn].all():
            weights.append(fit_logistic(columns[drawn], answers[drawn], languages))
    return np.stack(weights)


def design(
    signals: np.ndarray, row_languages: Sequence[str], languages: Sequence[str], scale: np.ndarray
) -> np.ndarray:
    """Columns: 1, the standardised signals, an offset for each language, and each language's slope on the signals' mean.

    Offsets and slopes are zero for a language never seen: such a prompt is judged by the pool.
    """
    import numpy as np

    features = np.clip((signals - scale[:, :1]) / scale[:, 1:], -LARGEST, LARGEST).T
    offsets = np.array([[language == known for known in languages] for language in row_languages], dtype=float)
    offsets = offsets.reshape(len(features), len(languages))
    return np.column_stack([np.ones(len(features)), features, offsets, offsets * features.mean(1, keepdims=True)])


def fit_logistic(columns: np.ndarray, answers: np.ndarray, languages: int) -> np.ndarray:
    """Ridge-penalised logistic regression by Newton's method; the penalty spares the intercept."""
    import numpy as np

    signals = columns.shape[1] - 1 - 2 * languages
    penalty = np.repeat(
        [1e-6, PENALTY["signal"], PENALTY["offset"], PENALTY["slope"]], [1, signals, languages, languages]
    )
    weights = np.zeros(columns.shape[1])
    for _ in range(40):
        probability = 1 / (1 + np.exp(-np.clip(columns @ weights, -30, 30)))
        gradient = columns.T @ (probability - answers) + penalty * weights
        curvature = (columns * (probability * (1 - probability))[:, None]).T @ columns + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        weights -= np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-10:
            break
    return weights
