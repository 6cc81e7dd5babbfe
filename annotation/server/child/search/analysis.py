"""Words of a text, in any script, as the index stores them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

GAP = "\u2063"
"""A token that nobody types; it stands between two values so that no phrase spans them."""

# Scripts written without spaces: one token a character, matched as phrases.
_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Myanmar
    "\u1780-\u17ff"  # Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
_EMOJI = "\u2600-\u27bf\U0001f000-\U0001faff"
_BLANK = "\u0e2f\u0e46\u0e4f\u0e5a\u0e5b\u104a-\u104f\u17d4-\u17da\u30a0\u30fb"  # punctuation inside those blocks


def _marks() -> str:
    """Combining marks as a regex class: Python's ``\\w`` leaves them out and so would split Hindi words."""
    ranges: list[str] = []
    start = None
    for block in (range(0x300, 0x20000), range(0xE0100, 0xE01F1)):
        for point in block:
            is_mark = unicodedata.category(chr(point))[0] == "M"
            if is_mark and start is None:
                start = point
            elif not is_mark and start is not None:
                ranges.append(f"{chr(start)}-{chr(point - 1)}")
                start = None
    return "".join(ranges)


_LETTER = rf"[^\W{_UNSPACED}]|[{_marks()}]"
_TOKEN = re.compile(
    rf"[{_BLANK}]"
    rf"|(?P<char>[{_UNSPACED}])"
    rf"|(?P<word>(?:\d+(?:[.,]\d+)+(?=\W|$)|(?:{_LETTER})+(?:['\u2019](?:{_LETTER})+)*))"
    rf"|(?P<emoji>[{_EMOJI}])",
)
# FTS5's ascii tokenizer cuts at ASCII punctuation: carry what belongs to a word in characters it keeps.
_CARRIED = str.maketrans({"'": "\u02bc", "\u2019": "\u02bc", ".": "\u00b7", ",": "\u201a", "_": "\u203f"})


def tokens(text: str) -> Iterator[tuple[str, bool]]:
    """Yield (token, is one character of an unspaced script) in the order of the text."""
    for match in _TOKEN.finditer(unicodedata.normalize("NFC", text).lower()):
        if match["char"]:
            yield match["char"], True
        elif match["word"]:
            yield match["word"].translate(_CARRIED), False
        elif match["emoji"]:
            yield match["emoji"], False


def indexed(text: str) -> str:
    """The text as the index keeps it: its tokens with one space between."""
    return " ".join(token for token, _ in tokens(text))


def phrases(word: str) -> list[list[str]]:
    """What one typed word asks for: runs of characters of an unspaced script stay together, the rest stands alone."""
    found: list[list[str]] = []
    previous_unspaced = False
    for token, unspaced in tokens(word):
        if unspaced and previous_unspaced:
            found[-1].append(token)
        else:
            found.append([token])
        previous_unspaced = unspaced
    return found
