"""From several people's answers to one posterior.

The model: a prompt is harmful with prior 1/2; each annotator says what it is with accuracy 0.85, the same for both
classes and independently of the others. An answer `benign` or `harmful` then moves the log-odds by log(.85 / .15).
`depends` says that the prompt lies between the classes: it is half a vote for each, which cancel, so it moves the
posterior nowhere but counts in the agreement. `unsure` is no evidence about the prompt: it has no weight, and counts in
the agreement too. With so few answers a prompt, accuracies learnt per annotator would be noise; one documented number
is honest.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

ACCURACY = 0.85
PRIOR = 0.5
WEIGHTS = {"harmful": 1.0, "benign": -1.0, "depends": 0.5 - 0.5, "unsure": 0.0}
LOW, HIGH = 0.1, 0.9
LEAST_AGREEMENT = 2 / 3


def posterior_harmful(answers: Sequence[str]) -> float:
    """P(harmful) given the answers, in any order."""
    # Whole votes are summed before they are multiplied, so that the order cannot change the last bit.
    log_odds = math.log(PRIOR / (1 - PRIOR)) + sum(WEIGHTS[answer] for answer in answers) * math.log(
        ACCURACY / (1 - ACCURACY)
    )
    return 1 / (1 + math.exp(-log_odds))


def agreement(answers: Sequence[str]) -> float:
    """The share of the most frequent answer."""
    return max(Counter(answers).values()) / len(answers)


def judge(answers: Sequence[str], posterior: float | None = None) -> tuple[str, float, float]:
    """Verdict, P(harmful) and agreement of one prompt's answers (at least one).

    `posterior` is P(harmful) where another model than this one was asked for it (annotation/quality/models).
    """
    posterior, shared = posterior_harmful(answers) if posterior is None else posterior, agreement(answers)
    counts = Counter(answers)
    undecided = counts["depends"] == max(counts.values())  # a tie with depends is no decision either
    if LOW < posterior < HIGH or undecided or shared < LEAST_AGREEMENT:
        return "controversial", posterior, shared
    return ("harmful" if posterior >= HIGH else "benign"), posterior, shared
