"""Which language a text is in, and whether the project's prompts are in the language they claim."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from curation.errors import InputError
from curation.languages.packs import available_languages, load_pack
from curation.languages.scripts import letter_count, script_share
from curation.records import Identification, Prompt, Reject
from curation.steps import Outcome, Output, Step
from curation.workspace import Workspace

SHORT = 25  # letters; below, statistics of letters err and the project's own languages are asked first
SHORT_RATIO = 0.25  # a short text is its project language's when that is at least this likely, next to the best guess
LONG_RATIO = 0.8  # the same for longer texts: a tie between close relatives is no error
UNIQUE_LETTERS = 4  # letters that make a script evidence of its own
# Varieties that identifiers tell apart and that are written like the language they belong to (ISO 639 macrolanguages).
_MEMBER_OF = {"arz": "ar", "ary": "ar", "apc": "ar", "ajp": "ar", "arb": "ar", "acm": "ar", "wuu": "zh", "yue": "zh",
              "cmn": "zh", "nb": "no", "nn": "no", "nob": "no", "nno": "no", "uzs": "uz", "hbo": "he"}  # fmt: skip
_RENAMED = {
    "iw": "he",
    "in": "id",
    "ji": "yi",
    "jw": "jv",
    "mo": "ro",
    "sh": "sr",
    "zh-cn": "zh",
    "zh-tw": "zh",
    "zxx": "und",
}


class Detection(NamedTuple):
    """A detected language (BCP 47, "und" for text without letters) and how sure it is."""

    detected: str
    confidence: float


class LanguageIdentifier(Protocol):
    """Anything that ranks languages for a text."""

    def rank(self, text: str) -> list[tuple[str, float]]:
        """(language, probability), most likely first; empty where nothing can be said."""


class Py3langid:
    """py3langid with its own normalised probabilities, over all its languages."""

    name = "py3langid/1"

    def __init__(self) -> None:
        from py3langid.langid import MODEL_FILE
        from py3langid.langid import LanguageIdentifier as Model

        self._model = Model.from_model_file(MODEL_FILE, norm_probs=True)
        self.labels = frozenset(self._model.labels)

    def rank(self, text: str) -> list[tuple[str, float]]:
        """(language, probability), most likely first."""
        return [(code, float(share)) for code, share in self._model.rank(text)]


class Langdetect:
    """langdetect with a fixed seed: slower and less accurate, for comparison with older work."""

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


def bcp47(code: str) -> str:
    """An identifier's code in BCP 47: old and home-made codes renamed, case as the standard writes it."""
    code = code.replace("_", "-")
    code = _RENAMED.get(code.lower(), code)
    parts = code.split("-")
    return "-".join([parts[0].lower(), *(part.title() if len(part) == 4 else part.upper() for part in parts[1:])])


def primary(code: str) -> str:
    """The language of a code without script and region (pt-BR: pt)."""
    return bcp47(code).split("-")[0]


def pool_varieties(ranking: Sequence[tuple[str, float]], languages: Sequence[str]) -> dict[str, float]:
    """Probabilities by language; a variety adds to its macrolanguage unless the project names the variety itself."""
    named = {primary(code) for code in languages}
    pooled: dict[str, float] = {}
    for raw, share in ranking:
        code = primary(raw)
        code = code if code in named else _MEMBER_OF.get(code, code)
        pooled[code] = pooled.get(code, 0.0) + share
    return pooled


def detect(text: str, identifier: LanguageIdentifier, scripts: Mapping[str, str]) -> Detection:
    """The language of one text; `scripts` gives the script of each language that the project has.

    A short text, on which identifiers err, goes to the likeliest project language whose script it is written in, when
    that language is not far less likely than the best guess, or when no other project language is written so.
    """
    letters = letter_count(text)
    if not letters:
        return Detection("und", 0.0)
    pooled = pool_varieties(identifier.rank(text), list(scripts))
    if not pooled:
        return Detection("und", 0.0)
    best = max(pooled, key=lambda code: (pooled[code], code))
    by_primary = {primary(code): code for code in scripts}
    if best in by_primary:
        return Detection(by_primary[best], round(pooled[best], 6))
    fitting = [code for code, script in scripts.items() if script_share(text, script) > 0.5]
    mine = max(fitting, key=lambda code: (pooled.get(primary(code), 0.0), code), default=None)
    if mine is not None:
        ratio = pooled.get(primary(mine), 0.0) / pooled[best]
        if ratio >= (SHORT_RATIO if letters < SHORT else LONG_RATIO):
            return Detection(mine, round(pooled[primary(mine)], 6))
    return Detection(bcp47(best), round(pooled[best], 6))


def identify_texts(
    texts: Sequence[str], languages: Sequence[str] | None = None, *, name: str = "py3langid"
) -> list[Detection]:
    """(detected, confidence) of each text; `languages` are those expected, asked first for short texts."""
    known = set(available_languages())
    scripts = {code: load_pack(code).script for code in languages or () if code in known}
    identifier = load_identifier(name)
    return [detect(text, identifier, scripts) for text in texts]


def verdict_on(
    text: str,
    language: str,
    script: str,
    found: Detection,
    share: float,
    minimum: float,
    identifier: LanguageIdentifier,
) -> tuple[str, str] | None:
    """None when the text counts as written in `language`, else the reason word and its evidence."""
    if not letter_count(text):
        return "no_letters", f"{len(text)} characters, none of them a letter"
    if share < minimum:
        return "wrong_script", f"{share:.2f} of the letters are {script}, {minimum:.2f} are needed"
    if primary(found.detected) == primary(language) or not _speaks(identifier, language):
        return None  # an identifier cannot judge a language it has never seen: the script alone decides
    return "wrong_language", f"looks like {found.detected} ({found.confidence:.2f}), not {language}"


def check_prompts(
    rows: Sequence[Prompt], scripts: Mapping[str, str], minimum: float, identifier: LanguageIdentifier
) -> Output:
    """Identify every prompt; all but seeds are dropped where they are not in their language."""
    kept: list[Identification] = []
    lost: list[Reject] = []
    for row in rows:
        found = detect(row.text, identifier, scripts)
        script = scripts[row.language]
        share = round(script_share(row.text, script), 6)
        wrong = verdict_on(row.text, row.language, script, found, share, minimum, identifier)
        if wrong and row.method != "seed":
            lost.append(Reject(row.id, "identify", *wrong))
        else:
            kept.append(Identification(row.id, found.detected, found.confidence, share))
    return Output(kept, lost)


def _speaks(identifier: LanguageIdentifier, language: str) -> bool:
    labels = getattr(identifier, "labels", None)
    code = primary(language)
    return labels is None or any(primary(label) == code or _MEMBER_OF.get(primary(label)) == code for label in labels)


def run_identify(workspace: Workspace, identifier: str = "py3langid") -> Outcome:
    """Check that each of the project's prompts is in its language; seeds are people's words and only recorded."""
    scripts = {code: pack.script for code, pack in workspace.packs.items()}
    minimum = workspace.config.language_check.min_script_share
    settings = {"identifier": identifier, "languages": scripts, "min_script_share": minimum}

    def prepare():  # type: ignore[no-untyped-def]
        model = load_identifier(identifier)
        return lambda rows: check_prompts(rows, scripts, minimum, model)

    step = Step("identify", 1, settings, prepare, shard_rows=2000, title="language check")
    return workspace.run(step, list(workspace.alive(())), Identification)
