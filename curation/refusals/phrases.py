"""Phrase books: how refusals are worded in each language, and where in a reply a phrase stands."""

from __future__ import annotations

import dataclasses
import functools
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from curation.languages.packs import Pack
from curation.records import canonical, digest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# What a phrase says; where several lists hold the same phrase, the first kind is taken.
# exception: only looks like a refusal ("I can't help but smile"), and is passed over; disclaimer: "I'm no doctor";
# full: a refusal wherever it stands; refusal, lacking: the model declines, or has no access, where a reply begins;
# rebuke: it corrects or warns the asker there; partial, help: help is offered instead; still: an answer may follow all
# the same; proceed: it does follow; opinion: the model holds none; rights: everyone deserves respect; premise: the question rests on what is not so, or is not understood; hedging: a warning that is no refusal;
# concern: a word of law, morals or harm.
KINDS = ("exception", "disclaimer", "full", "refusal", "lacking", "rebuke", "partial", "help", "proceed", "still",
         "opinion", "premise", "hedging", "rights", "concern")  # fmt: skip
BEGINNINGS = ("apology", "agree")  # looked up at the very beginning only: it is sorry, or sets out to answer
DECLINES = frozenset({"full", "refusal", "lacking"})
_OPENINGS = Path(__file__).parent / "openings"
_UNSPACED = frozenset({"Hans", "Hant", "Jpan", "Kore", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"})  # no word boundaries
_GAP = object()  # `...` in a phrase: up to 40 characters of the same sentence
_QUOTES = (("’", "'"), ("‘", "'"), ("“", '"'), ("”", '"'), ("„", '"'), ("«", '"'), ("»", '"'), ("ʼ", "'"), ("´", "'"), ("`", "'"))  # fmt: skip
# NUL, and signs that are not seen: soft hyphens, zero-width spaces, marks of direction
_UNSEEN = "\x00\u00ad\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\ufeff"
_ARABIC = str.maketrans({**dict.fromkeys("أإآٱ", "ا"), "ى": "ي", "ـ": None})  # letters that writers interchange
_HARAKAT = re.compile("[\u064b-\u0652\u0670]")  # Arabic vowel marks, which writers leave out or put in as they like
_BLANKS = re.compile(r"[^\S\n]{2,}|\t")

Trie = dict[Any, Any]  # next characters, or _GAP; under "" the number of the phrase that ends here


class Hit(NamedTuple):
    """A phrase found in a folded reply: where it begins and ends, what it says, and the words themselves."""

    start: int
    end: int
    kind: str
    phrase: str


@dataclasses.dataclass(frozen=True)
class Phrases:
    """The phrases of one language as one pattern; each ends in an empty group whose number tells its kind."""

    pattern: re.Pattern[str]
    kinds: tuple[str, ...]
    apologies: tuple[str, ...]
    agreements: tuple[str, ...]
    script: str
    spaced: bool

    @classmethod
    def from_pack(cls, pack: Pack) -> Phrases:
        """The pack's phrases with the wordings known for its language."""
        spaced = pack.script not in _UNSPACED
        trie: Trie = {}
        kinds: list[str] = []
        for kind, phrases in _phrases_of(pack).items():
            for phrase in phrases:
                node = trie
                for atom in _atoms(phrase):
                    node = node.setdefault(atom, {})
                if "" not in node:
                    kinds.append(kind)
                    node[""] = len(kinds)
        order: list[str] = []  # kinds in the order in which groups stand in the pattern
        body = _regex(trie, kinds, order, spaced)
        # A separator is part of the match where words are spaced: the search then stops at separators only.
        pattern = re.compile(rf"[^\w]{body}" if spaced else body)
        apologies, agreements = (_beginnings(pack, kind) for kind in BEGINNINGS)
        return cls(pattern, tuple(order), apologies, agreements, pack.script, spaced)

    def hits(self, folded: str, end: int | None = None) -> list[Hit]:
        """The phrases in a folded text (up to a place), in order; they do not overlap."""
        text, skip, found = f"\n{folded[:end]}", int(self.spaced), []
        for match in self.pattern.finditer(text):
            kind = self.kinds[(match.lastindex or 1) - 1]
            if kind != "exception":
                start, stop = match.span()
                start += skip
                found.append(Hit(start - 1, stop - 1, kind, text[start:stop]))
        return found


@dataclasses.dataclass(frozen=True)
class PhraseBook:
    """Phrases by language; `digest` changes whenever any of them does."""

    languages: dict[str, Phrases]
    digest: str

    @classmethod
    def from_packs(cls, packs: Mapping[str, Pack] | Iterable[Pack]) -> PhraseBook:
        """Collect the phrases of some packs."""
        found = sorted(packs.values() if isinstance(packs, Mapping) else packs, key=lambda pack: pack.code)
        facts = [(pack.code, pack.script, _phrases_of(pack), wordings(pack.code)) for pack in found]
        return cls({pack.code: Phrases.from_pack(pack) for pack in found}, digest("phrases", canonical(facts))[:16])


def fold(text: str) -> str:
    """A reply as phrases are looked up in it: NFKC, case folded, straight quotes, no markup, single spaces."""
    if text.isascii():
        text = text.lower().replace("`", "'").replace("\x00", "")
    else:
        text = unicodedata.normalize("NFKC", text).casefold()
        for quote, plain in _QUOTES:
            if quote in text:  # asking first is several times faster than replacing at once
                text = text.replace(quote, plain)
        for sign in _UNSEEN:
            if sign in text:
                text = text.replace(sign, "")
        if "ا" in text or "أ" in text:
            text = _HARAKAT.sub("", text.translate(_ARABIC))
    for mark in "*_#>":
        if mark in text:
            text = text.replace(mark, "")
    if "\n" in text or "\r" in text:
        lines = text.replace("\r", "\n").split("\n")  # twice as fast as a pattern
        text = "\n".join([line for each in lines if (line := each.strip())])
    return (_BLANKS.sub(" ", text) if "  " in text or "\t" in text else text).strip()


def _phrases_of(pack: Pack) -> dict[str, tuple[str, ...]]:
    packed = {"full": pack.full_refusals, "partial": pack.partial_refusals, "hedging": pack.hedging}
    known = wordings(pack.code)
    return {kind: packed.get(kind) or known.get(kind, ()) for kind in KINDS}


def _beginnings(pack: Pack, kind: str) -> tuple[str, ...]:
    """Folded phrases that are looked up at the very beginning only."""
    return tuple("".join(_atoms(phrase)) for phrase in wordings(pack.code).get(kind, ()))


@functools.lru_cache(maxsize=64)
def wordings(code: str) -> dict[str, tuple[str, ...]]:
    """How replies are worded in a language beyond its pack's phrases; nothing where that is not known."""
    path = _OPENINGS / f"{code}.toml"
    raw = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {kind: tuple(phrases) for kind, phrases in raw.items()}


def _atoms(phrase: str) -> list[Any]:
    """The characters of a folded phrase and its gaps; a space at its end is kept, for it ends the word there."""
    parts = phrase.split("...")
    atoms: list[Any] = []
    for index, part in enumerate(parts):
        atoms += [_GAP] if index else []
        atoms += [" "] if index and part.startswith(" ") else []
        atoms += fold(part)
        atoms += [" "] if part.endswith(" ") and index == len(parts) - 1 else []
    return atoms


def _regex(node: Trie, kinds: list[str], order: list[str], spaced: bool) -> str:
    """A trie as a pattern that prefers longer phrases; one branch a character keeps the search short."""
    letters = sorted(atom for atom in node if isinstance(atom, str) and atom)
    branches = [re.escape(letter) + _regex(node[letter], kinds, order, spaced) for letter in letters]
    if _GAP in node:
        # in spaced text a gap holds whole words and may be empty; the space after it is an atom of its own
        gap = r"(?: [^.!?\n]{0,40}?)??" if spaced else r"[^.!?。！？\n]{0,40}?"
        branches.append(gap + _regex(node[_GAP], kinds, order, spaced))
    if "" in node:
        order.append(kinds[node[""] - 1])
        branches.append("()")
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"
