"""Bench of the language check: accuracy and speed on public sets, close varieties, and how many texts people are asked about."""

from __future__ import annotations

import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from curation.languages.calibration import load_varieties
from curation.languages.identification import identify_texts
from curation.languages.identifiers import load_identifier, primary
from curation.languages.judging import judge_texts
from curation.languages.packs import available_languages, load_pack
from curation.rates import wilson
from releases.bench.rows import BenchRow, limit_row, rate_row

LEAST_ON_PROMPTS, LEAST_SPEED, LEAST_ON_TATOEBA = 99.4, 8000, 95.0
EVERY = 20  # of the prompts, one in so many for langdetect, which is slow
# ISO 639-3 of Tatoeba to BCP 47
TATOEBA = {
    "ara": "ar", "aze": "az", "ben": "bn", "bul": "bg", "ces": "cs", "cmn": "zh", "dan": "da", "deu": "de", "ell": "el", "est": "et",
    "fin": "fi", "fra": "fr", "heb": "he", "hin": "hi", "hun": "hu", "ind": "id", "ita": "it", "jpn": "ja", "kat": "ka", "kaz": "kk",
    "kor": "ko", "nld": "nl", "pes": "fa", "pol": "pl", "por": "pt", "ron": "ro", "rus": "ru", "spa": "es", "swe": "sv", "swh": "sw",
    "tam": "ta", "tel": "te", "tgl": "tl", "tha": "th", "tur": "tr", "ukr": "uk", "urd": "ur", "vie": "vi",
}  # fmt: skip
_SAME = {"nb": "no", "nn": "no"}  # two written forms that the identifier knows as one language

Texts = Mapping[str, Sequence[str]]  # by language


def bench_languages(data: Path | None) -> tuple[list[BenchRow], list[str]]:
    """All rows of this part; `data` names the folder of public sets, where there is one."""
    rows = variety_rows()
    if data is None:
        return rows, ["The public sets were not at hand: the language check was measured on close varieties only."]
    return [*prompt_rows(data), *tatoeba_rows(data), *rows], []


def prompt_rows(data: Path) -> list[BenchRow]:
    """Accuracy, speed and decisions on the public prompts in the languages of the packs."""
    packs = set(available_languages())
    texts: dict[str, list[str]] = defaultdict(list)
    for path in sorted((data / "prompts").glob("*.jsonl")):
        for row in _read(path):
            if row["language"] in packs:
                texts[row["language"]].append(row["prompt"])
    every = [text for language in sorted(texts) for text in texts[language]]
    identify_texts(every[:100])  # the model is loaded
    started = time.process_time()
    identify_texts(every)
    speed = len(every) / (time.process_time() - started)
    rows = _accuracy("public prompts", texts, at_least=LEAST_ON_PROMPTS)
    rows.append(
        limit_row("language identification, texts a second on one core", round(speed), "", at_least=LEAST_SPEED)
    )
    some = {language: each[::EVERY] for language, each in texts.items()}
    rows += _accuracy("public prompts, by langdetect", some, name="langdetect")[:1]
    return rows + _decisions("public prompts", texts)


def tatoeba_rows(data: Path) -> list[BenchRow]:
    """Accuracy on short sentences of 38 languages, and what becomes of those whose neighbour has a pack."""
    texts: dict[str, list[str]] = defaultdict(list)
    for row in _read(data / "language" / "tatoeba.jsonl"):
        texts[TATOEBA[row["language_iso639_3"]]].append(row["text"])
    packs = set(available_languages())
    own = {language: each for language, each in texts.items() if language in packs}
    rows = _accuracy("Tatoeba, all its languages", texts, at_least=LEAST_ON_TATOEBA)
    rows += _accuracy("Tatoeba, languages with a pack", own, at_least=LEAST_ON_TATOEBA)[:1]
    return rows + _decisions("Tatoeba", own)


def variety_rows() -> list[BenchRow]:
    """Close varieties: how often each is told from its neighbours, and how often it passes for one that has a pack."""
    rows = []
    scripts = _scripts()
    for variety in load_varieties():
        texts = list(variety.for_measuring)
        found = Counter(primary(row.detected) for row in identify_texts(texts))
        name = _SAME.get(variety.code, variety.code)
        others = ", ".join(f"{code} {count}" for code, count in found.most_common() if code != name)
        what = f"{variety.name} told from its neighbours" + (f" (else {others})" if others else "")
        rows.append(rate_row(what, wilson(found[name], len(texts))))
        for near in (code for code in variety.near if code in scripts):
            judged = judge_texts(texts, [near] * len(texts), scripts, load_identifier())
            count = Counter(row.decision for row in judged)
            what = f"{variety.name} passed off as {near}: accepted unseen (people are asked about {count['ask']})"
            rows.append(rate_row(what, wilson(count["accepted"], len(texts))))
    return rows


def _accuracy(where: str, texts: Texts, *, at_least: float | None = None, name: str = "py3langid") -> list[BenchRow]:
    """The mean over languages first, then each language that is not told apart completely."""
    rates = {}
    rows = []
    for language in sorted(texts):
        found = Counter(primary(row.detected) for row in identify_texts(texts[language], name=name))
        rate = rates[language] = wilson(found[language], len(texts[language]))
        if found[language] < rate.n:
            others = ", ".join(f"{code} {count}" for code, count in found.most_common(4) if code != language)
            rows.append(rate_row(f"{language} identified in {where} (else {others})", rate))
    macro = 100 * sum(rate.value for rate in rates.values()) / len(rates)
    error = 100 * math.sqrt(sum(rate.value * (1 - rate.value) / rate.n for rate in rates.values())) / len(rates)
    bar = f">= {at_least:g} %" if at_least is not None else ""
    head = BenchRow(f"language identified, mean over {len(rates)} languages: {where}", round(macro, 2), "%",
                    round(macro - 1.96 * error, 2), round(min(100.0, macro + 1.96 * error), 2),
                    sum(rate.n for rate in rates.values()), bar, macro >= at_least if at_least is not None else None)  # fmt: skip
    return [head, *rows]


def _decisions(where: str, texts: Texts) -> list[BenchRow]:
    """Texts that are in their language: how many are wrongly rejected, and how many people are asked about."""
    scripts = _scripts()
    rows = []
    for language in sorted(texts):
        each = list(texts[language])
        judged = judge_texts(each, [language] * len(each), scripts, load_identifier())
        count = Counter(row.decision for row in judged)
        for decision, what in (("rejected", "rejected though in it"), ("ask", "sent to people")):
            if count[decision]:
                rows.append(rate_row(f"{where}, {language}: {what}", wilson(count[decision], len(each))))
    return rows


def _scripts() -> dict[str, str]:
    return {code: load_pack(code).script for code in available_languages()}


def _read(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
