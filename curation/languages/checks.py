"""Is a language pack ready for use: counts, and seeds and grammar in the pack's own language and script."""

from __future__ import annotations

import re
from typing import NamedTuple

from curation.languages.packs import Pack
from curation.languages.scripts import script_share, scripts_of

BENIGN, CATEGORIES, HARMFUL, HARMLESS, PHRASES, COMBINATIONS = (
    40,
    10,
    30,
    40,
    25,
    100,
)  # what a pack should have at least
_BRACES = re.compile(r"[{}]")


class PackCounts(NamedTuple):
    """What a pack holds."""

    code: str
    language: str
    script: str
    benign: int
    categories: int
    harmful: int
    harmless: int
    phrases: int
    combinations: int
    origin: str


class Finding(NamedTuple):
    """One thing found in a pack: its topic, its kind (good, mend, note), and what it is."""

    topic: str
    kind: str
    text: str


def describe_pack(pack: Pack, *, own: bool = False) -> PackCounts:
    """Count a pack's parts; combinations are distinct filled texts."""
    combinations = {text for block in pack.grammar for text, _ in block.combinations()}
    return PackCounts(pack.code, pack.name, pack.script, len(pack.benign), len({seed.category for seed in pack.benign}),
                      len(pack.harmful), len(pack.harmless), len(pack.full_refusals), len(combinations),
                      "project" if own else "built in")  # fmt: skip


def check_pack(pack: Pack) -> list[Finding]:
    """Everything that should be known before a pack is used; `mend` where it is not ready."""
    from curation.languages.identification import detect, load_identifier, verdict_on

    scripts_of(pack.script)
    counts = describe_pack(pack)
    needs = {
        "benign seeds": (counts.benign, BENIGN), "benign categories": (counts.categories, CATEGORIES),
        "harmful seeds": (counts.harmful, HARMFUL), "harmless seeds": (counts.harmless, HARMLESS),
        "refusal phrases": (counts.phrases, PHRASES), "grammar combinations": (counts.combinations, COMBINATIONS),
    }  # fmt: skip
    found = [
        Finding(name, "good", str(count))
        if count >= least
        else Finding(name, "mend", f"{count}, at least {least} are needed")
        for name, (count, least) in needs.items()
    ]
    identifier = load_identifier()
    scripts = {pack.code: pack.script}
    texts = [("seed", seed.text) for seed in (*pack.benign, *pack.harmful, *pack.harmless)]
    texts += [("combination", text) for block in pack.grammar for text, _ in block.combinations()]
    for kind, text in texts:
        if kind == "combination" and _BRACES.search(text):
            found.append(Finding(kind, "mend", f"a slot is left open: {text}"))
        wrong = verdict_on(
            text,
            pack.code,
            pack.script,
            detect(text, identifier, scripts),
            script_share(text, pack.script),
            0.5,
            identifier,
        )
        if wrong:
            found.append(Finding(kind, "note", f"{wrong[1]}: {text}"))
    return found
