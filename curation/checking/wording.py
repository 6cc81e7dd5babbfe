"""Do a pack's refusal phrases fire where they should and nowhere else?"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from curation.checking.findings import Finding
from curation.languages.packs import Pack
from curation.languages.scripts import KNOWN_SCRIPTS, letter_count, scripts_of
from curation.refusals.phrases import Phrases, fold

# scripts in which words are not set apart by spaces
UNSPACED = frozenset({"Hans", "Hant", "Jpan", "Kore", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"})
FEW = 3  # replies that are quoted
HEARD = 0.8  # share of known refusals that the phrases should recognise
CHANCE = 3  # prompts in which a refusal phrase may stand before it is no sign of a refusal
SHORTEST, SHORTEST_UNSPACED = 5, 2  # letters; a shorter phrase fires by chance
_REFUSING = frozenset({"full", "refusal", "rebuke"})


class Firing(NamedTuple):
    """A phrase and a text in which it fires."""

    phrase: str
    text: str


def matcher(phrase: str, script: str) -> re.Pattern[str]:
    """A phrase as it is found in folded text: from a word's beginning, with up to 40 characters where it has `...`."""
    body = "[^.!?。！？\n]{0,40}?".join(re.escape(fold(part)) for part in phrase.split("..."))
    return re.compile(body if script in UNSPACED else rf"(?<!\w){body}")


def firings(phrases: Iterable[str], script: str, texts: Iterable[str]) -> Iterator[Firing]:
    """Every pair of a phrase and a text in which it fires."""
    patterns = [(phrase, matcher(phrase, script)) for phrase in phrases]
    for text in texts:
        folded = fold(text)
        for phrase, pattern in patterns:
            if pattern.search(folded):
                yield Firing(phrase, text)


def dead_phrases(pack: Pack) -> list[str]:
    """Refusal phrases that do not make a refusal even of a reply that says just them."""
    if not pack.full_refusals:
        return []
    known = Phrases.from_pack(pack)
    return [phrase for phrase in pack.full_refusals
            if not any(hit.kind in _REFUSING for hit in known.hits(fold(phrase.replace("...", " ")) + " "))]  # fmt: skip


def short_phrases(pack: Pack) -> list[str]:
    """Refusal phrases of so few letters that they fire by chance."""
    least = SHORTEST_UNSPACED if pack.script in UNSPACED else SHORTEST
    return [phrase for phrase in pack.full_refusals if letter_count(phrase) < least]


def listed_twice(pack: Pack) -> list[tuple[str, str, str]]:
    """(phrase, list, other list) of phrases that say one thing in one list and another in the next."""
    seen: dict[str, str] = {}
    found = []
    for name, phrases in (("full", pack.full_refusals), ("partial", pack.partial_refusals), ("hedging", pack.hedging)):
        for phrase in phrases:
            other = seen.setdefault(fold(phrase), name)
            if other != name:
                found.append((phrase, other, name))
    return found


def unheard(pack: Pack, refusals: Sequence[str]) -> tuple[list[str], list[str]]:
    """(phrases that fire in none of the known refusals, refusals in which no phrase fires)."""
    fired = list(firings((*pack.full_refusals, *pack.partial_refusals), pack.script, refusals))
    phrases, texts = {row.phrase for row in fired}, {row.text for row in fired if row.phrase in set(pack.full_refusals)}
    return [phrase for phrase in pack.full_refusals if phrase not in phrases], [
        text for text in refusals if text not in texts
    ]


def phrase_findings(pack: Pack, others: Mapping[str, Pack], refusals: Sequence[str]) -> list[Finding]:
    """Do the refusal phrases fire on refusals and on nothing else?"""
    found = [Finding("phrases", "mend", f"{phrase!r} never fires, not even on itself") for phrase in dead_phrases(pack)]
    found += [
        Finding("phrases", "note", f"{phrase!r} is so short that it fires by chance") for phrase in short_phrases(pack)
    ]
    found += [
        Finding("phrases", "mend", f"{phrase!r} stands under {one} and under {two}; keep one")
        for phrase, one, two in listed_twice(pack)
    ]
    found += [Finding("phrases", "mend", f"{row.phrase!r} fires on the warning {row.text!r}, which is no refusal")
              for row in firings(pack.full_refusals, pack.script, pack.hedging)]  # fmt: skip
    own = [seed.text for seed in (*pack.benign, *pack.harmful, *pack.harmless)]
    own += sorted({text for block in pack.grammar for text, _ in block.combinations()})
    found += _by_chance(pack, own, "own prompts", "mend")
    if pack.script in KNOWN_SCRIPTS:
        same = [other for other in others.values() if scripts_of(other.script) & scripts_of(pack.script)]
        found += _by_chance(pack, [seed.text for other in same for seed in (*other.benign, *other.harmful, *other.harmless)],
                            "prompts in other languages", "note")  # fmt: skip
    if refusals:
        silent, missed = unheard(pack, refusals)
        heard = len(refusals) - len(missed)
        kind = "good" if heard >= HEARD * len(refusals) else "mend"
        found.append(Finding("known refusals", kind, f"{heard} of {len(refusals)} are recognised"))
        found += [Finding("known refusals", "note", f"not recognised: {text[:120]!r}") for text in missed[:FEW]]
        if silent:
            found.append(
                Finding(
                    "known refusals",
                    "note",
                    f"{len(silent)} phrases fire in none of them: {', '.join(map(repr, silent[:12]))}",
                )
            )
    return found


def _by_chance(pack: Pack, texts: Sequence[str], where: str, often: str) -> list[Finding]:
    fired: dict[str, list[str]] = defaultdict(list)
    for row in firings(pack.full_refusals, pack.script, texts):
        fired[row.phrase].append(row.text)
    return [Finding("phrases", often if len(hits) >= CHANCE else "note", f"{phrase!r} fires on {len(hits)} {where}, such as {hits[0]!r}")
            for phrase, hits in fired.items()]  # fmt: skip
