"""Writing systems: which share of a text's letters is in the script that a language is written in."""

from __future__ import annotations

import bisect
import functools
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from curation.errors import PackError

if TYPE_CHECKING:
    import numpy as np

# Letters by Unicode block, sorted by first code point; blocks of one script may be many. ISO 15924 names.
_BLOCKS: tuple[tuple[int, int, str], ...] = (
    (0x0041, 0x024F, "Latn"), (0x0250, 0x02AF, "Latn"), (0x0370, 0x03FF, "Grek"), (0x0400, 0x052F, "Cyrl"),
    (0x0530, 0x058F, "Armn"), (0x0590, 0x05FF, "Hebr"), (0x0600, 0x06FF, "Arab"), (0x0700, 0x074F, "Syrc"),
    (0x0750, 0x077F, "Arab"), (0x0780, 0x07BF, "Thaa"), (0x07C0, 0x07FF, "Nkoo"), (0x0860, 0x086F, "Syrc"),
    (0x0870, 0x08FF, "Arab"), (0x0900, 0x097F, "Deva"), (0x0980, 0x09FF, "Beng"), (0x0A00, 0x0A7F, "Guru"),
    (0x0A80, 0x0AFF, "Gujr"), (0x0B00, 0x0B7F, "Orya"), (0x0B80, 0x0BFF, "Taml"), (0x0C00, 0x0C7F, "Telu"),
    (0x0C80, 0x0CFF, "Knda"), (0x0D00, 0x0D7F, "Mlym"), (0x0D80, 0x0DFF, "Sinh"), (0x0E00, 0x0E7F, "Thai"),
    (0x0E80, 0x0EFF, "Laoo"), (0x0F00, 0x0FFF, "Tibt"), (0x1000, 0x109F, "Mymr"), (0x10A0, 0x10FF, "Geor"),
    (0x1100, 0x11FF, "Hang"), (0x1200, 0x139F, "Ethi"), (0x13A0, 0x13FF, "Cher"), (0x1400, 0x167F, "Cans"),
    (0x1780, 0x17FF, "Khmr"), (0x1800, 0x18AF, "Mong"), (0x1C80, 0x1C8F, "Cyrl"), (0x1C90, 0x1CBF, "Geor"),
    (0x1D00, 0x1DBF, "Latn"), (0x1E00, 0x1EFF, "Latn"), (0x1F00, 0x1FFF, "Grek"), (0x2C60, 0x2C7F, "Latn"),
    (0x2D00, 0x2D2F, "Geor"), (0x2D30, 0x2D7F, "Tfng"), (0x2DE0, 0x2DFF, "Cyrl"), (0x3005, 0x3007, "Hani"),
    (0x3041, 0x309F, "Hira"), (0x30A0, 0x30FF, "Kana"), (0x3100, 0x312F, "Bopo"), (0x3130, 0x318F, "Hang"),
    (0x31F0, 0x31FF, "Kana"), (0x3400, 0x4DBF, "Hani"), (0x4E00, 0x9FFF, "Hani"), (0xA000, 0xA4CF, "Yiii"),
    (0xA640, 0xA69F, "Cyrl"), (0xA720, 0xA7FF, "Latn"), (0xA960, 0xA97F, "Hang"), (0xAB30, 0xAB6F, "Latn"),
    (0xAC00, 0xD7FF, "Hang"), (0xF900, 0xFAFF, "Hani"), (0xFB00, 0xFB06, "Latn"), (0xFB13, 0xFB17, "Armn"),
    (0xFB1D, 0xFB4F, "Hebr"), (0xFB50, 0xFDFF, "Arab"), (0xFE70, 0xFEFF, "Arab"), (0xFF21, 0xFF5A, "Latn"),
    (0xFF66, 0xFF9F, "Kana"), (0x1E900, 0x1E95F, "Adlm"), (0x20000, 0x323AF, "Hani"),
)  # fmt: skip
_STARTS = [block[0] for block in _BLOCKS]
_MIXED: dict[str, frozenset[str]] = {
    "Hans": frozenset({"Hani"}), "Hant": frozenset({"Hani", "Bopo"}), "Jpan": frozenset({"Hani", "Hira", "Kana"}),
    "Kore": frozenset({"Hang", "Hani"}), "Hrkt": frozenset({"Hira", "Kana"}),
}  # fmt: skip
KNOWN_SCRIPTS = frozenset({block[2] for block in _BLOCKS} | set(_MIXED))


@functools.lru_cache(maxsize=1 << 16)
def letter_script(char: str) -> str:
    """The script of a letter, "Zyyy" for letters of no known script, "" for anything that is no letter."""
    if unicodedata.category(char)[0] != "L":
        return ""
    point = ord(char)
    index = bisect.bisect_right(_STARTS, point) - 1
    return _BLOCKS[index][2] if index >= 0 and point <= _BLOCKS[index][1] else "Zyyy"


def scripts_of(script: str) -> frozenset[str]:
    """The scripts whose letters count as written in an ISO 15924 script (Jpan: kanji and both kana)."""
    if script not in KNOWN_SCRIPTS:
        raise PackError(
            f"unknown script {script!r}", fix="give an ISO 15924 code such as Latn, Cyrl, Arab, Hans, Jpan, Deva"
        )
    return _MIXED.get(script, frozenset({script}))


def letter_count(text: str) -> int:
    """How many letters a text has."""
    return sum(1 for char in text if letter_script(char))


def script_share(text: str, script: str) -> float:
    """Share of the text's letters in `script`; 0 for text without letters."""
    wanted = scripts_of(script)
    found = [name for char in text if (name := letter_script(char))]
    return sum(name in wanted for name in found) / len(found) if found else 0.0


class Letters(NamedTuple):
    """How many letters of each script texts have: one row a text, one column a script."""

    scripts: list[str]
    counts: np.ndarray

    @property
    def totals(self) -> np.ndarray:
        """Letters of each text."""
        return self.counts.sum(axis=1)

    def share(self, script: str) -> np.ndarray:
        """`script_share` of each text."""
        import numpy as np

        wanted = scripts_of(script)
        columns = [index for index, name in enumerate(self.scripts) if name in wanted]
        totals = self.totals
        share: np.ndarray = self.counts[:, columns].sum(axis=1) / np.maximum(totals, 1)
        return share


def count_letters(texts: Sequence[str]) -> Letters:
    """Count the letters of many texts by script at once."""
    import numpy as np

    joined = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    owner = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    points, place = np.unique(joined, return_inverse=True)
    named = [letter_script(chr(point)) for point in points.tolist()]
    scripts = sorted(set(named) - {""})
    column = np.array([scripts.index(name) if name else -1 for name in named], dtype=np.int64)[place]
    width = max(1, len(scripts))
    cells = owner[column >= 0] * width + column[column >= 0]
    counts = np.bincount(cells, minlength=len(texts) * width)
    return Letters(scripts, counts.reshape(len(texts), width)[:, : len(scripts)])
