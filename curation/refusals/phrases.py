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

# What a phrase says. full: a refusal wherever it stands. Of the others, that count only where a reply begins:
# refusal: the model declines; rebuke: it corrects or warns the asker; agree: it sets out to answer.
# partial, help: help follows; hedging: a warning that is no refusal; premise: the question rests on something that is
# not so, or is not understood; exception: words that only look like a refusal ("I can't help but smile").
KINDS = ("exception", "disclaimer", "full", "refusal", "rebuke", "partial", "help", "still", "premise", "hedging", "agree", "concern")
_WORDINGS = ("refusal", "rebuke", "help", "still", "disclaimer", "premise", "exception", "agree", "concern", "apology")  # the lists of an openings file
_OPENINGS = Path(__file__).parent / "openings"
_UNSPACED = frozenset({"Hans", "Hant", "Jpan", "Kore", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"})  # no word boundaries
_GAP = object()  # `...` in a phrase: up to 40 characters of the same sentence
_QUOTES = (("’", "'"), ("‘", "'"), ("“", '"'), ("”", '"'), ("„", '"'), ("«", '"'), ("»", '"'), ("ʼ", "'"), ("´", "'"), ("`", "'"))
_ARABIC = str.maketrans({**dict.fromkeys("أإآٱ", "ا"), "ى": "ي", "ـ": None})  # letters that writers interchange
_HARAKAT = re.compile("[\u064b-\u0652\u0670]")  # Arabic vowel marks, which writers leave out or put in as they like
_BREAKS = re.compile(r"\s*[\n\r]\s*")
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
    script: str

    @classmethod
    def from_pack(cls, pack: Pack) -> Phrases:
        """The pack's phrases with the wordings known for its language; of equal phrases the first kind holds."""
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
        apologies = tuple(fold(phrase) for phrase in _wordings(pack.code)["apology"])
        # A separator is part of the match where words are spaced: the search then stops at separators only.
        return cls(re.compile(rf"[^\w]{body}" if spaced else body), tuple(order), apologies, pack.script)

    def hits(self, folded: str, end: int | None = None) -> list[Hit]:
        """The phrases in a folded text (up to a place), in order; they do not overlap."""
        text = f"\n{folded}" if end is None else f"\n{folded[:end]}"
        skip = 1 if self.script not in _UNSPACED else 0
        found = []
        for match in self.pattern.finditer(text):
            kind = self.kinds[(match.lastindex or 1) - 1]
            if kind != "exception":
                start = match.start() + skip
                found.append(Hit(start - 1, match.end() - 1, kind, text[start : match.end()]))
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
        facts = [(pack.code, pack.script, sorted((_phrases_of(pack) | _wordings(pack.code)).items())) for pack in found]
        return cls({pack.code: Phrases.from_pack(pack) for pack in found}, digest("phrases", canonical(facts))[:16])


def fold(text: str) -> str:
    """A reply as phrases are looked up in it: NFKC, case folded, straight quotes, no markup, single spaces."""
    if text.isascii():
        text = text.lower().replace("`", "'")
    else:
        text = unicodedata.normalize("NFKC", text).casefold()
        for quote, plain in _QUOTES:
            if quote in text:
                text = text.replace(quote, plain)
        if "ا" in text or "أ" in text:
            text = _HARAKAT.sub("", text.translate(_ARABIC))
    for mark in "*_#>":
        if mark in text:  # asking first is several times faster than replacing at once
            text = text.replace(mark, "")
    if "\n" in text or "\r" in text:
        text = _BREAKS.sub("\n", text)
    return (_BLANKS.sub(" ", text) if "  " in text or "\t" in text else text).strip()


def _phrases_of(pack: Pack) -> dict[str, tuple[str, ...]]:
    known = _wordings(pack.code)
    packed = {"full": pack.full_refusals, "partial": pack.partial_refusals, "hedging": pack.hedging}
    return {kind: packed.get(kind) or known.get(kind, ()) for kind in KINDS}


@functools.lru_cache(maxsize=64)
def _wordings(code: str) -> dict[str, tuple[str, ...]]:
    """How replies begin in a language beyond its pack's phrases; empty lists where nothing is known."""
    path = _OPENINGS / f"{code}.toml"
    raw = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {kind: tuple(raw.get(kind, ())) for kind in _WORDINGS}


def _atoms(phrase: str) -> list[Any]:
    """The characters of a folded phrase and its gaps; a space at its end is kept, for it ends the word there."""
    atoms: list[Any] = []
    for index, part in enumerate(phrase.split("...")):
        folded = fold(part)
        atoms += [_GAP] if index else []
        atoms += [" "] if index and part.startswith(" ") else []
        atoms += folded
        atoms += [" "] if part.endswith(" ") and index == phrase.count("...") else []
    return atoms


def _regex(node: Trie, kinds: list[str], order: list[str], spaced: bool) -> str:
    """A trie as a pattern that prefers longer phrases; one branch a character keeps the search short."""
    branches = [re.escape(atom) + _regex(node[atom], kinds, order, spaced) for atom in sorted(a for a in node if isinstance(a, str) and a)]
    if _GAP in node:
        # in spaced text a gap holds whole words and may be empty; the space after it is an atom of its own
        gap = r"(?: [^.!?\n]{0,40}?)??" if spaced else r"[^.!?。！？\n]{0,40}?"
        branches.append(gap + _regex(node[_GAP], kinds, order, spaced))
    if "" in node:
        order.append(kinds[node[""] - 1])
        branches.append("()")
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"
