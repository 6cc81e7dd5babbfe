"""The dataset card of a version, generated from its manifest so that prose cannot drift from data."""

from __future__ import annotations

from typing import Any

from curation.console import visible


def card_text(head: dict[str, Any]) -> str:
    """README.md of a version: metadata that `datasets.load_dataset` reads, then what people need to know."""
    rows = head["rows"]
    files = "\n".join(f"      - split: {split}\n        path: data/{split}.parquet" for split in rows["by_split"])
    languages = "\n".join(f"  - {code}" for code in rows["by_language"])
    gates = "\n".join(
        f"| {gate['name']} | {'held' if gate['held'] else 'FAILED'} | {gate['evidence']} |" for gate in head["gates"]
    )
    counts = "\n".join(f"| {code} | {count} |" for code, count in rows["by_language"].items())
    sources = "\n".join(
        f"| {cell(row['source'])} | {cell(row['licence'])} | {row['rows']} |" for row in head["sources"]
    )
    draft = ("\n> **Draft.** This version fails a gate (below) and must not be cited or compared. Rows marked `simulated` were answered by a "
             "program, not by people.\n" if head["draft"] else "")  # fmt: skip
    return f"""---
license: {head["license"]}
language:
{languages}
pretty_name: {head["name"]} {head["version"]}
task_categories:
  - text-generation
tags:
  - over-refusal
  - safety
configs:
  - config_name: default
    data_files:
{files}
---

# {head["name"]} {head["version"]}

Prompts that sound harmful and are benign (verdict `benign`), beside prompts that are harmful (verdict `harmful`), each looked at by
annotators; where they disagree the row is kept as `controversial`. Made with morbench, a re-implementation of the published idea
of RASS and MORBench from the paper's abstract; it does not reproduce that paper's data or tables.
{draft}
| language | rows |
|---|---|
{counts}

Verdicts: {", ".join(f"{count} {verdict}" for verdict, count in rows["by_verdict"].items())}.
Splits: {", ".join(f"{count} {split}" for split, count in rows["by_split"].items())}. Scores come from `test`; `train` is for mitigation.

## Gates

| gate | | evidence |
|---|---|---|
{gates}

## Sources and licences

| source | licence | rows |
|---|---|---|
{sources}

Each row has its own `source` and `licence`; rows of imported sets stay under the licence they came with.

## Columns

`text`, `language` (BCP 47), `category`, `verdict`, `posterior_harmful` (from the annotators' answers), `responses`, `agreement`, `simulated`,
`intent` (what the author meant), `method`, `generator` and `provenance` (how it was written), `source`, `licence`, `refused_by`, `answered_by` and `margins` (of the target
models at the time of writing; margins are calibrated log-odds of refusal). Some texts are unpleasant on purpose.
"""


def cell(text: str) -> str:
    """Text from a file as one cell of a Markdown table: no new lines, no column breaks, no markup."""
    plain = visible(" ".join(text.split()))
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>|" else char for char in plain)
