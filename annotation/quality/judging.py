"""The item tables of an audit: what each method makes of the answers, and what one more answer would be worth."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from annotation.aggregation import ACCURACY
from annotation.quality.evidence import Answer, Evidence
from annotation.quality.models.glad import glad
from annotation.quality.models.methods import LEAST_MAJORITY, METHODS, Judged, judge_all, on_scale
from annotation.quality.models.worth import entropy, expected_gain, one_coin
from annotation.quality.people.pace import gaps
from annotation.quality.tables import Prompted, Table
from curation.rates import wilson

LEARNT = ("dawid-skene", "glad")
TEXT = {"posterior": "fixed accuracy", "majority": "majority", "dawid-skene": "Dawid-Skene", "glad": "GLAD"}


Outcomes = Mapping[str, Judged]  # by prompt id


class Abilities(NamedTuple):
    """Parameters of GLAD."""

    difficulty: Mapping[str, float]  # prompt id -> 1 on average; more is harder
    ability: Mapping[tuple[str, str], float]  # (annotator, language) -> 1 on average; 0 guesses


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    """One item with its answers under the project's method."""

    answers: tuple[Answer, ...]
    judged: Judged
    gain: float  # bits that one more answer is expected to bring
    settled: str  # why one more answer is not wanted; empty where it may be

    @property
    def id(self) -> str:
        """The prompt's id."""
        return self.answers[0].prompt.id

    @property
    def language(self) -> str:
        """The prompt's language."""
        return self.answers[0].prompt.language


def judge_by_all(evidence: Evidence) -> dict[str, Outcomes]:
    """What every method makes of every item, a language at a time."""
    ratings = [[row.rating for row in evidence.of(language)] for language in evidence.languages]
    return {method: {key: found for rows in ratings for key, found in judge_all(method, rows).items()}
            for method in METHODS}  # fmt: skip


def abilities(evidence: Evidence) -> Abilities:
    """What GLAD learns beside the posteriors: the difficulty of items, and the ability of people in each language."""
    difficulty: dict[str, float] = {}
    ability: dict[tuple[str, str], float] = {}
    for language in evidence.languages:
        ratings = on_scale([row.rating for row in evidence.of(language)])
        fitted = glad(ratings)
        difficulty |= {key: math.exp(-easiness) for key, easiness in zip(ratings.items, fitted.easiness, strict=True)}
        ability |= {
            (name, language): float(found) for name, found in zip(ratings.annotators, fitted.ability, strict=True)
        }
    return Abilities(difficulty, ability)


def items(evidence: Evidence, judged: Outcomes) -> list[Item]:
    """Every answered item, the most worth asking about first; ties by id."""
    import numpy as np

    found = []
    for language in evidence.languages:
        rows: dict[str, list[Answer]] = defaultdict(list)
        for row in evidence.of(language):
            rows[row.prompt.id].append(row)
        harmful = np.array([judged[key].posterior for key in rows])
        gains = expected_gain(np.column_stack([1 - harmful, harmful]), one_coin(ACCURACY, 2))
        found += [Item(tuple(rows[key]), judged[key], float(gain), _settled(evidence, key, rows[key]))
                  for key, gain in zip(rows, gains, strict=True)]  # fmt: skip
    return sorted(found, key=lambda item: (bool(item.settled), -round(item.gain, 9), item.id))


def _settled(evidence: Evidence, prompt_id: str, rows: Sequence[Answer]) -> str:
    """Why an item wants no more answers, whatever its posterior."""
    if prompt_id in evidence.adjudicated:
        return "adjudicated"
    if prompt_id in evidence.gold:
        return "gold"
    depends = sum(row.answer == "depends" for row in rows)
    if len(rows) > 1 and depends >= LEAST_MAJORITY * len(rows):
        return "agreed that it depends"
    return ""


def seconds_per_answer(evidence: Evidence, language: str) -> float:
    """The median time of one answer in a language; nan where no time is known."""
    import numpy as np

    rows = evidence.of(language)
    people = sorted({row.annotator for row in rows})
    found = [gap.seconds for name in people for gap in gaps(row for row in rows if row.annotator == name)]
    return float(np.median(found)) if found else math.nan


def item_table(
    evidence: Evidence, found: Sequence[Item], by_method: Mapping[str, Outcomes], difficulty: Mapping[str, float]
) -> Table:
    """Every item with its posterior by each method, its difficulty, and the worth of one more answer."""
    pace = {language: seconds_per_answer(evidence, language) for language in evidence.languages}
    rows = [[Prompted(item.id), item.language, item.judged.answers, item.judged.verdict, item.judged.posterior,
             item.judged.agreement, *(by_method[method][item.id].posterior for method in LEARNT),
             difficulty.get(item.id), item.gain, 60 * item.gain / pace[item.language], item.settled]
            for item in found]  # fmt: skip
    return Table.of(
        "items", "What one more answer is worth",
        ("prompt", "language", "answers", "outcome", "P(harmful)", "agreement", *(TEXT[method] for method in LEARNT),
         "difficulty", "gain", "gain a minute", "settled"),
        rows, "P(harmful) by the project's method, then by the two that learn about people; difficulty by GLAD. "
        f"Gain: bits that one more answer, right with {ACCURACY:g}, is expected to take off the entropy of the "
        "posterior; a minute of people's time at the median pace of the language. Settled items want no more answers.",
    )  # fmt: skip


def cost_table(evidence: Evidence, found: Sequence[Item]) -> Table:
    """By language: what is still open, and what an answer costs and brings."""
    import numpy as np

    rows = []
    for language in evidence.languages:
        here = [item for item in found if item.language == language and not item.settled]
        harmful = np.array([item.judged.posterior for item in here])
        bits = float(entropy(np.column_stack([1 - harmful, harmful])).sum())
        seconds = seconds_per_answer(evidence, language)
        doubtful = [item.gain for item in here if item.judged.verdict == "controversial"]
        rows.append([language, len(here), len(doubtful), bits, seconds, max((item.gain for item in here), default=0.0),
                     float(np.mean([item.gain for item in here])) if here else 0.0, sum(doubtful),
                     len(doubtful) * seconds / 60])  # fmt: skip
    return Table.of(
        "cost", "What is open, and what it costs",
        ("language", "items", "controversial", "entropy left", "seconds an answer", "best gain", "mean gain",
         "gain of one more on each controversial", "minutes for that"),
        rows, "Entropy and gains in bits. The mean gain is that of asking anywhere; asking at the top of the list "
        "brings the best gain.",
    )  # fmt: skip


def method_table(evidence: Evidence, judged: Mapping[str, Outcomes], method: str) -> Table:
    """Outcomes of every method side by side, and how they fare against gold and what authors meant."""
    rows = []
    for name, found in judged.items():
        outcomes = Counter(row.verdict for row in found.values())
        differ = sum(row.verdict != judged[method][key].verdict for key, row in found.items())
        rows.append([TEXT[name] + (" (this project's)" if name == method else ""), *(outcomes[kind] for kind in
                     ("benign", "harmful", "controversial")), differ, _right(found, evidence.gold),
                     _right(found, evidence.meant)])  # fmt: skip
    return Table.of(
        "methods", "Verdicts by method",
        ("method", "benign", "harmful", "controversial", "differ", "gold", "as the author meant"), rows,
        "From the blind answers, without adjudication. Gold and author: the share of the items that each knows and the "
        "method decided. With few answers a person, learnt accuracies are noise: the fixed one is the default.",
    )  # fmt: skip


def _right(found: Outcomes, key: Mapping[str, str]) -> object:
    decided = [found[item].verdict == answer for item, answer in key.items()
               if item in found and found[item].verdict != "controversial"]  # fmt: skip
    return wilson(sum(decided), len(decided))
