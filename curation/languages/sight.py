"""What can be seen of texts: how likely each language is, how far one leads, and in which scripts they are written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from curation.languages.identifiers import LanguageIdentifier, Shares, bcp47, primary, shares_of
from curation.languages.prose import prose
from curation.languages.scripts import Letters, count_letters
from curation.languages.thresholds import thresholds_for

if TYPE_CHECKING:
    import numpy as np

READ = 8000  # characters; what comes later in a text changes its language no more
SHORT = 25  # letters; below, statistics of letters err and the project's own languages are asked first
SHORT_LEAD = math.log(
    0.25
)  # a short text is its project language's when that is at least a quarter as likely as the best
FLOOR = 1e-9  # a probability below this is no evidence of anything
WINDOW = 28  # letters of a piece in which another language is looked for
WINDOW_UNSPACED = 14  # the same where words are not spaced and a character says more
WINDOWS = 40  # pieces of one text; a longer text is looked into at its beginning


class Detection(NamedTuple):
    """A detected language (BCP 47, "und" for text without letters) and how sure it is."""

    detected: str
    confidence: float


class Sight(NamedTuple):
    """What an identifier and the letters say of some texts."""

    shares: Shares
    letters: Letters  # of the prose in each text
    written: np.ndarray  # letters of the whole text, program text too

    @classmethod
    def take(cls, texts: Sequence[str], identifier: LanguageIdentifier, languages: Sequence[str]) -> Sight:
        """Look at texts; each is judged for itself, whatever else is in the list."""
        read = [text[:READ] for text in texts]
        plain = [prose(text) for text in read]
        letters = count_letters(plain)
        same = all(one is other for one, other in zip(read, plain, strict=True))
        written = letters.totals if same else count_letters(read).totals
        return cls(shares_of(plain, identifier, languages), letters, written)

    def rivals(self, code: str) -> list[str]:
        """The likeliest language besides this one, for each text."""
        others = [index for index, other in enumerate(self.shares.codes) if other != primary(code)]
        best = self.shares.matrix[:, others].argmax(axis=1).tolist() if others else []
        return [self.shares.codes[others[place]] for place in best] or [""] * len(self.written)

    def leads(self, code: str) -> np.ndarray:
        """How much likelier a language is than the likeliest other one, in nats, for each text."""
        import numpy as np

        own = self.shares.column(primary(code))
        others = [index for index, other in enumerate(self.shares.codes) if other != primary(code)]
        best = self.shares.matrix[:, others].max(axis=1) if others else np.zeros(len(own))
        leads: np.ndarray = np.log(np.maximum(own, FLOOR)) - np.log(np.maximum(best, FLOOR))
        return leads

    def detections(self, scripts: Mapping[str, str], *, claimed: bool = True) -> list[Detection]:
        """The language of each text; `scripts` gives the script of each language that is expected (`claimed`: by a project)."""
        import numpy as np

        if not self.shares.codes:
            return [Detection("und", 0.0)] * len(self.written)
        totals = self.letters.totals.tolist()
        expected = {primary(code): code for code in scripts}
        written = {code: self.letters.share(script) > 0.5 for code, script in scripts.items()}
        columns = {code: self.shares.column(primary(code)) for code in scripts}
        best = self.shares.matrix.argmax(axis=1)
        tops = np.take_along_axis(self.shares.matrix, best[:, None], axis=1)[:, 0]
        found = []
        for index, (place, top) in enumerate(zip(best.tolist(), tops.tolist(), strict=True)):
            code = self.shares.codes[place]
            if not totals[index] or not top:
                found.append(Detection("und", 0.0))
            elif code in expected:
                found.append(Detection(expected[code], round(top, 6)))
            else:
                fitting = [each for each in scripts if written[each][index] and columns[each][index] > 0]
                mine = max(fitting, key=lambda each: (columns[each][index], each), default=None)
                share = float(columns[mine][index]) if mine else 0.0
                least = least_lead(mine or code, totals[index] if claimed else SHORT)
                if mine and math.log(share / top) >= least:
                    found.append(Detection(mine, round(share, 6)))
                else:
                    found.append(Detection(bcp47(code), round(top, 6)))
        return found


def least_lead(language: str, letters: int) -> float:
    """The lead with less than which a text of so many letters is not in a language."""
    reject = thresholds_for(primary(language)).reject
    return min(reject, SHORT_LEAD) if letters < SHORT else reject


def detect(text: str, identifier: LanguageIdentifier, scripts: Mapping[str, str]) -> Detection:
    """The language of one text; see `identify_texts`."""
    return Sight.take([text], identifier, list(scripts)).detections(scripts)[0]


def windows(text: str) -> list[str]:
    """A text in pieces of some words each; none where it is too short for two of them."""
    words, size, gap = text.split(), WINDOW, " "
    if len(words) * 12 < len(text):  # no spaces between words
        size, gap = WINDOW_UNSPACED, ""
        words = [word[start : start + size] for word in words for start in range(0, len(word), size)]
    pieces: list[str] = []
    held: list[str] = []
    for word in words:
        held.append(word)
        if sum(map(len, held)) >= size:
            pieces.append(gap.join(held))
            held = []
            if len(pieces) == WINDOWS:
                break
    if held and pieces:
        pieces[-1] = gap.join([pieces[-1], *held])
    return pieces if len(pieces) > 1 else []
