"""Phrase books: how refusals are worded in each language, and where in a reply a phrase stands."""

from __future__ import annotations

import dataclasses
import functools
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from curation.languages.packs import Pack
from curation.languages.scripts import letter_script
from curation.records import canonical, digest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LONGEST_PHRASE = 200  # characters, gaps included
_OPENINGS = Path(__file__).parent / "openings.toml"
_UNSPACED = frozenset({"Hani", "Hira", "Kana", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"})  # no spaces between words
_SAME = str.maketrans(  # quotes of all kinds, and letters that Arabic writers interchange
    {**dict.fromkeys("’‘‛ʼ´`", "'"), **dict.fromkeys("“”„«»", '"'), **dict.fromkeys("أإآٱ", "ا"), "ى": "ي", "ـ": None}
)
_HARAKAT = re.compile("[\u064b-\u0652\u0670]")  # Arabic vowel marks, which writers leave out or put in as they like
_MARKUP = re.compile(r"[*_#>]+")


class Hit(NamedTuple):
    """A phrase found in a folded reply: where it begins and ends, and which."""

    start: int
    end: int
    phrase: str


class Openings(NamedTuple):
    """How refusals begin beyond a pack's phrases: the model declines, or corrects the asker in place of an answer."""

    refusal: tuple[str, ...] = ()
    rebuke: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Phrases:
    """The phrases of one language, ready to be found in folded text; `openings` count only where a reply begins."""

    full: re.Pattern[str]
    partial: re.Pattern[str]
    openings: re.Pattern[str]
    rebukes: re.Pattern[str] | None
    script: str

    @classmethod
    def from_pack(cls, pack: Pack) -> Phrases:
        """The pack's phrases, with the openings known for its language."""
        known = _known_openings().get(pack.code, Openings())
        openings = _pattern((*pack.full_refusals, *known.refusal))
        rebukes = _pattern(known.rebuke) if known.rebuke else None
        return cls(_pattern(pack.full_refusals), _pattern(pack.partial_refusals), openings, rebukes, pack.script)


@dataclasses.dataclass(frozen=True)
class PhraseBook:
    """Phrases by language; `digest` changes whenever any of them does."""

    languages: dict[str, Phrases]
    digest: str

    @classmethod
    def from_packs(cls, packs: Mapping[str, Pack] | Iterable[Pack]) -> PhraseBook:
        """Collect the phrases of some packs."""
        found = sorted(packs.values() if isinstance(packs, Mapping) else packs, key=lambda pack: pack.code)
        known = _known_openings()
        facts = [
            (pack.code, pack.script, pack.full_refusals, pack.partial_refusals, known.get(pack.code)) for pack in found
        ]
        return cls({pack.code: Phrases.from_pack(pack) for pack in found}, digest("phrases", canonical(facts))[:16])


def fold(text: str) -> str:
    """A reply as phrases are looked up in it: NFKC, case folded, straight quotes, no markup, single spaces."""
    text = unicodedata.normalize("NFKC", text).casefold().translate(_SAME)
    text = _MARKUP.sub("", _HARAKAT.sub("", text))
    return "\n".join(filter(None, (" ".join(line.split()) for line in text.splitlines())))


def find_first(pattern: re.Pattern[str] | None, text: str, before: int) -> Hit | None:
    """The first phrase in folded text that begins before a place."""
    match = pattern.search(text, 0, min(len(text), before + LONGEST_PHRASE)) if pattern else None
    return Hit(match.start(), match.end(), match[0]) if match and match.start() < before else None


@functools.lru_cache(maxsize=1)
def _known_openings() -> dict[str, Openings]:
    raw = tomllib.loads(_OPENINGS.read_text(encoding="utf-8"))
    return {code: Openings(tuple(section["refusal"]), tuple(section["rebuke"])) for code, section in raw.items()}


def _pattern(phrases: Sequence[str]) -> re.Pattern[str]:
    """One alternation, longest phrase first; a phrase begins at a word's beginning where words are spaced."""
    folded = sorted({fold(phrase) for phrase in phrases}, key=lambda phrase: (-len(phrase), phrase))
    return re.compile("|".join(_bounded(phrase) for phrase in folded))


def _bounded(phrase: str) -> str:
    body = r"\s".join(re.escape(part) for part in phrase.split(" ")).replace(r"\s\.\.\.\s", r"\s(?:[^.!?\n]{0,40}?\s)?")
    return body if letter_script(phrase[0]) in _UNSPACED or not phrase[0].isalpha() else rf"(?<![^\W\d_]){body}"
