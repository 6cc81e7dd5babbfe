"""The steps of curation on plain files, outside any project."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from curation.config import DuplicatesSection, LanguageCheckSection
from curation.errors import InputError
from curation.files import check_output, read_rows, write_rows
from curation.languages.packs import available_languages, load_pack
from curation.records import Prompt

ANCHORED = 100  # rows of a language that give a mean of their own

Counts = dict[str, dict[str, int]]


def identify_file(file: Path, out: Path | None, language: str | None, identifier: str = "py3langid") -> Counts:
    """Write every row with what was detected and the decision: accepted, ask or rejected; without a pack the script is not checked."""
    from curation.languages.identifiers import load_identifier
    from curation.languages.judging import judge_texts

    target = check_output(out, file)
    rows = read_rows(file, required=("prompt",), language=language)
    codes = [row["language"] for row in rows]
    known = set(available_languages())
    scripts = {code: load_pack(code).script for code in sorted(set(codes)) if code in known}
    minimum = LanguageCheckSection().min_script_share  # type: ignore[call-arg]
    judged = judge_texts([row["prompt"] for row in rows], codes, scripts, load_identifier(identifier), minimum)
    counts: Counts = {}
    for row, found in zip(rows, judged, strict=True):
        row.update(detected=found.detected, confidence=found.confidence, script_share=found.script_share)
        row.update(
            accepted=found.decision == "accepted", decision=found.decision, reason=found.reason, evidence=found.evidence
        )
        _count(counts, row["language"], found.reason if found.decision == "rejected" else found.decision)
    write_rows(target, rows)
    return counts


def dedup_file(file: Path, out: Path | None, language: str | None, threshold: float | None) -> Counts:
    """Write kept rows to `out` and removed rows, with witness and similarity, beside it."""
    from curation.duplicates.removal import duplicates_of
    from curation.embedding import load_encoder

    target = check_output(out, file)
    config = DuplicatesSection()  # type: ignore[call-arg]
    rows = read_rows(file, required=("prompt",), language=language)
    keys = [f"{number:09d}" for number in range(len(rows))]  # ids of a file may repeat: that is what is looked for
    prompts = [Prompt(key, row["prompt"], row["language"], "imported", "unknown", "import", "", "", "{}")
               for key, row in zip(keys, rows, strict=True)]  # fmt: skip
    encoder = load_encoder(config.embedding)
    found_rows = duplicates_of(
        prompts, threshold or config.threshold, encoder, _anchors([row["language"] for row in rows])
    )
    gone = {row.prompt_id: row for row in found_rows}
    kept: list[dict[str, Any]] = []
    removed: list[dict[str, Any]] = []
    counts: Counts = {}
    for key, row in zip(keys, rows, strict=True):
        found = gone.get(key)
        if found is None:
            kept.append(row)
        else:
            witness = rows[int(found.witness_id)]
            why = {"similarity": found.similarity, "relation": found.relation}
            removed.append(row | {"witness_id": witness["id"], "witness": witness["prompt"]} | why)
        _count(counts, row["language"], found.relation if found else "accepted")
    write_rows(target, kept)
    write_rows(target.with_name(f"{target.stem}.removed{target.suffix}"), removed)
    return counts


def _anchors(languages: list[str]) -> list[tuple[str, str]]:
    """Seeds that place the mean of languages with few rows: two rows alone would lie on opposite sides of theirs."""
    known = set(available_languages())
    few = sorted(code for code, count in Counter(languages).items() if count < ANCHORED)
    packs = {code: load_pack(code if code in known else "en") for code in few}
    return [(seed.text, code) for code, pack in packs.items() for seed in (*pack.benign, *pack.harmless)]


def label_file(file: Path, out: Path | None, language: str | None, labeller: str = "cascade") -> Counts:
    """Write every row with label, score, labeller and evidence; a column `prompt` is shown to a judge."""
    from curation.refusals.labellers import load_labeller
    from curation.refusals.labelling import Answer
    from curation.refusals.phrases import PhraseBook

    target = check_output(out, file)
    rows = read_rows(file, required=("response",), language=language)
    if not rows:
        raise InputError(f"{file} holds no rows", fix="give a file with replies in a column `response`")
    judge = load_labeller(labeller, PhraseBook.from_packs([load_pack(code) for code in available_languages()]))
    answers = [Answer(row["response"], row["language"], row.get("prompt") or "") for row in rows]
    counts: Counts = {}
    for row, found in zip(rows, judge.label(answers), strict=True):
        row.update(label=found.label, score=found.score, labeller=judge.name, evidence=found.evidence)
        _count(counts, row["language"], found.label)
    write_rows(target, rows)
    return counts


def _count(counts: Counts, group: str, kind: str) -> None:
    row = counts.setdefault(group, {})
    row[kind] = row.get(kind, 0) + 1
