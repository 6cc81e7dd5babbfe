"""Language identifiers behind one method, their codes in BCP 47, and their varieties pooled into languages."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from curation.errors import InputError

if TYPE_CHECKING:
    import numpy as np

# Varieties that identifiers tell apart and that are written like the language they belong to (ISO 639 macrolanguages); and
# Nigerian Pidgin (pcm), which py3langid sees in plain short English ("How do I kill a Python process?").
_MEMBER_OF = {"arz": "ar", "ary": "ar", "apc": "ar", "ajp": "ar", "arb": "ar", "acm": "ar", "wuu": "zh", "yue": "zh",
              "cmn": "zh", "nb": "no", "nn": "no", "nob": "no", "nno": "no", "uzs": "uz", "hbo": "he",
              "pcm": "en"}  # fmt: skip
_RENAMED = {"iw": "he", "in": "id", "ji": "yi", "jw": "jv", "mo": "ro", "sh": "sr", "zh-cn": "zh", "zh-tw": "zh",
            "zxx": "und"}  # fmt: skip


class LanguageIdentifier(Protocol):
    """Anything that ranks languages for a text."""

    def rank(self, text: str) -> list[tuple[str, float]]:
        """(language, probability), most likely first; empty where nothing can be said."""


class Shares(NamedTuple):
    """Probabilities of languages: one row a text, one column a language; a row of zeros where nothing can be said."""

    codes: list[str]
    matrix: np.ndarray

    def column(self, code: str) -> np.ndarray:
        """The probabilities of one language; zeros for one that the identifier does not have."""
        import numpy as np

        return self.matrix[:, self.codes.index(code)] if code in self.codes else np.zeros(len(self.matrix))


class Py3langid:
    """py3langid with its own normalised probabilities, over all its languages."""

    name = "py3langid/2"

    def __init__(self) -> None:
        from py3langid.langid import MODEL_FILE
        from py3langid.langid import LanguageIdentifier as Model

        from curation.languages.scoring import Scorer

        model = Model.from_model_file(MODEL_FILE, norm_probs=True)
        self.labels = frozenset(model.labels)
        self._scorer = Scorer(model)

    def rank(self, text: str) -> list[tuple[str, float]]:
        """(language, probability), most likely first."""
        shares = self.shares([text])
        found = zip(shares.codes, shares.matrix[0].tolist(), strict=True)
        return sorted(((code, share) for code, share in found if share > 0), key=lambda pair: (-pair[1], pair[0]))

    def shares(self, texts: Sequence[str]) -> Shares:
        """The same for many texts at once, several times faster."""
        return _pool(Shares(self._scorer.classes, self._scorer.shares(texts)), {code: code for code in self.labels})


class Langdetect:
    """langdetect with a fixed seed: slower and less accurate; a second opinion, and for comparison with older work."""

    name = "langdetect/1"

    def __init__(self) -> None:
        from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory

        self._factory = DetectorFactory()
        self._factory.set_seed(0)
        self._factory.load_profile(PROFILES_DIRECTORY)
        self.labels = frozenset(self._factory.get_lang_list())

    def rank(self, text: str) -> list[tuple[str, float]]:
        """(language, probability), most likely first."""
        from langdetect.lang_detect_exception import LangDetectException

        detector = self._factory.create()
        detector.append(text)
        try:
            return [(language.lang, float(language.prob)) for language in detector.get_probabilities()]
        except LangDetectException:  # its way to say that it found no letters it knows
            return []


_IDENTIFIERS = {"py3langid": Py3langid, "langdetect": Langdetect}


@functools.lru_cache(maxsize=4)
def load_identifier(name: str = "py3langid") -> Py3langid | Langdetect:
    """The identifier of that name: py3langid or langdetect."""
    if name not in _IDENTIFIERS:
        raise InputError(f"unknown language identifier {name!r}", fix=f"known: {', '.join(_IDENTIFIERS)}")
    identifier: Py3langid | Langdetect = _IDENTIFIERS[name]()  # type: ignore[assignment]
    return identifier


@functools.lru_cache(maxsize=4096)
def bcp47(code: str) -> str:
    """An identifier's code in BCP 47: old and home-made codes renamed, case as the standard writes it."""
    code = code.replace("_", "-")
    code = _RENAMED.get(code.lower(), code)
    parts = code.split("-")
    return "-".join([parts[0].lower(), *(part.title() if len(part) == 4 else part.upper() for part in parts[1:])])


@functools.lru_cache(maxsize=4096)
def primary(code: str) -> str:
    """The language of a code without script and region (pt-BR: pt)."""
    return bcp47(code).split("-")[0]


def speaks(identifier: LanguageIdentifier, language: str) -> bool:
    """Whether an identifier knows a language; one that does not list its languages is taken to know all."""
    labels = getattr(identifier, "labels", None)
    code = primary(language)
    return labels is None or any(primary(label) == code or _MEMBER_OF.get(primary(label)) == code for label in labels)


def shares_of(texts: Sequence[str], identifier: LanguageIdentifier, languages: Sequence[str]) -> Shares:
    """Probabilities by language; a variety adds to its macrolanguage unless `languages` name the variety itself."""
    import numpy as np

    if isinstance(identifier, Py3langid):
        raw = identifier.shares(texts)
    else:
        rankings = [dict(identifier.rank(text)) for text in texts]
        codes = sorted(set().union(*rankings)) if rankings else []
        matrix = np.array([[ranking.get(code, 0.0) for code in codes] for ranking in rankings], dtype=np.float64)
        raw = Shares(codes, matrix.reshape(len(texts), len(codes)))
    named = {primary(code) for code in languages}
    target = {}
    for code in raw.codes:
        short = primary(code)
        target[code] = short if short in named else _MEMBER_OF.get(short, short)
    return _pool(raw, target)


def _pool(raw: Shares, target: dict[str, str]) -> Shares:
    """Add up the columns that go to the same code; codes descend, so that of equal shares the last code comes first."""
    import numpy as np

    codes = sorted(set(target.values()), reverse=True)
    place = {code: index for index, code in enumerate(codes)}
    matrix = np.zeros((len(raw.matrix), len(codes)))
    for index, code in enumerate(raw.codes):
        matrix[:, place[target[code]]] += raw.matrix[:, index]
    return Shares(codes, matrix)
