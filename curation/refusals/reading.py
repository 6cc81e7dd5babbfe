"""Reading a reply once for all labellers: what is shown of it, whether it says anything, and the phrases in it."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence

from curation.languages.scripts import letter_count, script_share
from curation.refusals.phrases import DECLINES, Hit, PhraseBook, fold

HEAD = 120  # characters in which an opening refusal begins, if its first sentence is no longer
HEAD_UNSPACED = 60  # the same where words are not spaced and a character says more
LONGEST_SENTENCE = 300
FOREIGN_LETTERS = 12  # letters of another script that make a reply one in another language
GLANCE = 120  # characters that tell the script of a text if they are clear
OTHER_LANGUAGE = "en"  # models that fall out of a language mostly fall into this one
DENSE = frozenset({"zh", "ja", "ko", "th"})  # languages in which a character says about twice as much
_THOUGHTS = re.compile(r"<(think|thinking|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_TAIL_OF_THOUGHT = re.compile(r"\A.*</(?:think|thinking|reasoning)>", re.DOTALL | re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?؟।](?=\s|\Z|[\"'])|[。！？\n]")
_LIST_ITEM = re.compile(r"^(?:\d{1,2}[.):、]|[-•–+]\s|步骤)", re.MULTILINE)
_SAYS = re.compile(r"[^\W_]")
_CODE = "```"


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """A reply as labellers see it. `empty` and `unread` say why it is no answer, or has no phrases to be read with."""

    shown: str
    folded: str
    language: str  # the language whose phrases were found: the reply's own, or the one it fell into
    hits: tuple[Hit, ...] = ()
    head: int = 0  # where the opening ends
    list_items: int = 0
    has_code: bool = False
    apologises: bool = False  # it begins with an apology
    empty: str = ""
    unread: str = ""
    list_start: int = -1  # where its first list begins
    agrees: bool = False  # it begins by setting out to answer

    @property
    def density(self) -> int:
        """How many letters of a spaced language a character stands for."""
        return 2 if self.language in DENSE else 1

    def first(self, *kinds: str) -> Hit | None:
        """The first phrase of these kinds that begins in the opening."""
        for hit in self.hits:
            if hit.start >= self.head:
                return None
            if hit.kind in kinds:
                return hit
        return None


def visible_reply(text: str) -> str:
    """A reply without its hidden chain of thought, closed, left open, or with its beginning cut off."""
    if "<" not in text:
        return text.strip()
    return _TAIL_OF_THOUGHT.sub("", _THOUGHTS.sub("", text)).strip()


def read_reply(text: str, language: str, book: PhraseBook) -> Reading:
    """Read one reply given with the language it should be in."""
    shown = visible_reply(text)
    phrases = book.languages.get(language)
    if phrases is None:
        return Reading(shown, "", language, unread=f"no language pack for {language}")
    folded = fold(shown)
    if not _SAYS.search(folded):
        return Reading(shown, folded, language, empty="no letters or digits" if folded else "empty")
    head = _head(folded, phrases.spaced)
    if not _is_in_script(folded, phrases.script):
        return _read_foreign(shown, folded, head, language, book)
    hits = phrases.hits(folded)
    if language != OTHER_LANGUAGE and not any(hit.kind in DECLINES for hit in hits):
        fallen = _refusal_in(OTHER_LANGUAGE, folded, head, book) if phrases.script == "Latn" else []
        if fallen:
            return Reading(shown, folded, OTHER_LANGUAGE, tuple(fallen), head)
    refused = any(hit.kind == "full" and hit.start < head for hit in hits)
    empty = "" if refused or not is_degenerate(folded) else "repeats itself"
    places = [item.start() for item in _LIST_ITEM.finditer(folded)] if "\n" in folded else []
    sorry, agrees = folded.startswith(phrases.apologies), folded.startswith(phrases.agreements)
    first = places[0] if places else -1
    return Reading(shown, folded, language, tuple(hits), head, len(places), _CODE in shown, sorry, empty,
                   list_start=first, agrees=agrees)  # fmt: skip


def _read_foreign(shown: str, folded: str, head: int, language: str, book: PhraseBook) -> Reading:
    """A reply in another script: a plain refusal in another known language is still one, anything else is no answer."""
    for code in sorted(book.languages):
        hits = _refusal_in(code, folded, head, book) if code != language else []
        if hits:
            return Reading(shown, folded, code, tuple(hits), head)
    return Reading(shown, folded, language, empty=f"mostly another script than {book.languages[language].script}")


def _refusal_in(code: str, folded: str, head: int, book: PhraseBook) -> list[Hit]:
    """The phrases that begin a text in another language, if a plain refusal is among them."""
    other = book.languages.get(code)
    hits = other.hits(folded, head + LONGEST_SENTENCE) if other else []
    return hits if any(hit.kind == "full" and hit.start < head for hit in hits) else []


def _is_in_script(folded: str, script: str) -> bool:
    """Whether enough of the letters are in a script; a glance at the beginning settles most."""
    glance = folded[:GLANCE]
    if script == "Latn" and (glance.isascii() or len(glance.encode("ascii", "ignore")) > 0.7 * len(glance)):
        return True
    if script_share(glance, script) > 0.6:
        return True
    return letter_count(folded) < FOREIGN_LETTERS or script_share(folded, script) >= 0.3


def _head(folded: str, spaced: bool) -> int:
    """Where the opening of a reply ends: with its first sentence, but not before some characters."""
    end = _SENTENCE_END.search(folded, 0, LONGEST_SENTENCE)
    return max(HEAD if spaced else HEAD_UNSPACED, end.start() if end else min(len(folded), LONGEST_SENTENCE))


def is_degenerate(text: str) -> bool:
    """Whether a text is mostly one short piece over and over."""
    size = len(text)
    if size < 24:
        return False
    words = text.split()
    units: Sequence[str] = words if len(words) * 8 > size else "".join(words)
    # each new unit begins a new run of three, so that many units mean many runs
    if len(units) >= 16 and len(set(units)) - 2 > 0.3 * len(units):
        return False
    squeezed = "".join(words)
    if Counter(squeezed).most_common(1)[0][1] > 0.6 * len(squeezed):
        return True
    if len(units) < 16:
        return False
    return len(set(zip(units, units[1:], units[2:], strict=False))) < 0.3 * (len(units) - 2)
