"""What a language pack and a project hold of each language, and how much of each a pack should have at least."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from curation.checking.findings import Finding
from curation.errors import PackError
from curation.languages.packs import BUILT_IN, Pack, Question, available_languages
from curation.languages.reading import draft_pack
from curation.records import BENIGN_CATEGORIES, HARMFUL_CATEGORIES

LEAST = {  # what a pack should have; the packs that stand have more of each
    "benign seeds": 60, "harmful seeds": 40, "contrasts": 25, "harmless seeds": 40, "refusal phrases": 40,
    "partial-refusal phrases": 12, "hedging phrases": 12, "grammar combinations": 500, "grammar categories": 7,
}  # fmt: skip
LEAST_BENIGN, LEAST_HARMFUL = 6, 2  # seeds in each category
LEAST_GUIDELINES = 400  # characters
FORM = (
    "reason",
    "category",
    "naturalness",
    "note",
    "calibration",
    "adjudication",
)  # else annotators read them in English


class PackCounts(NamedTuple):
    """What a pack holds; `form` counts those of the form's further texts that are there."""

    code: str
    language: str
    script: str
    benign: int
    categories: int
    harmful: int
    contrasts: int
    harmless: int
    phrases: int
    partial: int
    hedging: int
    combinations: int
    guidelines: int  # characters
    form: int
    problems: int  # things that keep the file from being used
    origin: str


class Covered(NamedTuple):
    """A pack's counts, and in words whether it is ready."""

    counts: PackCounts
    state: str


def describe_pack(pack: Pack, *, own: bool = False, problems: int = 0) -> PackCounts:
    """Count a pack's parts; combinations are distinct filled texts."""
    combinations = {text for block in pack.grammar for text, _ in block.combinations()}
    contrasts = sum("contrast" in json.loads(seed.detail) for seed in pack.harmful)
    return PackCounts(pack.code, pack.name, pack.script, len(pack.benign), len({seed.category for seed in pack.benign}),
                      len(pack.harmful), contrasts, len(pack.harmless), len(pack.full_refusals), len(pack.partial_refusals),
                      len(pack.hedging), len(combinations), len(pack.guidelines), len(FORM) - len(missing_form(pack)),
                      problems, "project" if own else "built in")  # fmt: skip


def missing_form(pack: Pack) -> list[str]:
    """The texts of the form that a pack leaves to English."""
    values = {key: getattr(pack, key) for key in FORM}
    return [key for key, value in values.items() if not (value.text if isinstance(value, Question) else value)]


def shortfalls(pack: Pack) -> dict[str, tuple[int, int]]:
    """How many there are and how many there should be, of everything that is counted."""
    counts = describe_pack(pack)
    found = dict(zip(LEAST, (counts.benign, counts.harmful, counts.contrasts, counts.harmless, counts.phrases, counts.partial,
                             counts.hedging, counts.combinations, len({block.category for block in pack.grammar})), strict=True))  # fmt: skip
    return {name: (found[name], least) for name, least in LEAST.items()} | {
        "characters of guidelines": (counts.guidelines, LEAST_GUIDELINES)
    }


def thin_categories(pack: Pack) -> dict[str, dict[str, int]]:
    """The categories with too few seeds, and how many each has, for benign and for harmful ones."""
    found = {}
    for kind, seeds, categories, least in (("benign", pack.benign, BENIGN_CATEGORIES, LEAST_BENIGN),
                                           ("harmful", pack.harmful, HARMFUL_CATEGORIES, LEAST_HARMFUL)):  # fmt: skip
        each = Counter(seed.category for seed in seeds)
        found[kind] = {category: each[category] for category in categories if each[category] < least}
    return found


def pack_path(code: str, folder: Path) -> Path:
    """The file of a language's pack; one in `folder` comes before the built-in one."""
    path = next((path for path in (folder / f"{code}.toml", BUILT_IN / f"{code}.toml") if path.exists()), None)
    if path is None:
        raise PackError(f"no language pack {code!r}",
                        fix=f"make one with `morbench language new {code}`, or give one of {', '.join(available_languages(folder))}")  # fmt: skip
    return path


def coverage(folder: Path) -> list[Covered]:
    """What every pack there is holds; one that cannot be read at all is listed with its error."""
    found = []
    for code in available_languages(folder):
        path = pack_path(code, folder)
        origin = "project" if path.parent == folder else "built in"
        try:
            draft = draft_pack(path)
        except PackError as exc:
            found.append(Covered(PackCounts._make((code, "", "", *[0] * 11, 1, origin)), str(exc)))
            continue
        short = sum(count < least for count, least in shortfalls(draft.pack).values())
        short += sum(map(len, thin_categories(draft.pack).values()))
        lacks = [f"{len(draft.problems)} to fill in"] * bool(draft.problems) + [f"{short} too few"] * bool(short)
        counts = describe_pack(draft.pack, own=origin == "project", problems=len(draft.problems))
        found.append(Covered(counts, ", ".join(lacks) or "ready"))
    return found


def count_findings(pack: Pack) -> list[Finding]:
    """Is there enough of everything, and all of the form?"""
    found = []
    for name, (count, least) in shortfalls(pack).items():
        if count < least:
            found.append(Finding(name, "mend", f"{count}, at least {least} are needed"))
        else:
            found.append(Finding(name, "good", str(count)))
    for kind, least in (("benign", LEAST_BENIGN), ("harmful", LEAST_HARMFUL)):
        thin = thin_categories(pack)[kind]
        if thin:
            told = ", ".join(f"{category} {count}" for category, count in thin.items())
            found.append(Finding(f"{kind} categories", "mend", f"at least {least} seeds are needed in each: {told}"))
        else:
            found.append(Finding(f"{kind} categories", "good", f"at least {least} seeds in each"))
    missing = missing_form(pack)
    if missing:
        found.append(Finding("form", "mend", f"without {', '.join(missing)} annotators read those texts in English"))
    return found
