"""Cards, accounts and the identity numbers of the packs' countries, by form, check digits and the words around them.

A number is named only where its form is rare or its check strong; where a plain run of digits could be anything, a word that
names it has to stand near, or the text has to be in the country's language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from curation.personal import digits
from curation.personal.spans import Finding

NEAR = 40  # characters on each side in which the word that names a number may stand
_BEFORE, _AFTER = r"(?<![0-9A-Za-z])(?<![0-9][.,/-])", r"(?![0-9A-Za-z])(?![.,/-][0-9])"
_SEPARATORS = re.compile(r"[ .\-/]")
_LEAST_DIGITS = 4
_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AT": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28, "CH": 21, "CY": 28, "CZ": 24, "DE": 22, "DK": 18,
    "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FR": 27, "GB": 22, "GE": 22, "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IS": 26,
    "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MD": 24, "MT": 31, "NL": 18,
    "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24, "TN": 24,
    "TR": 26, "UA": 29,
}  # fmt: skip
_IBAN = re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}[0-9]{2}(?:[ -]?[0-9A-Z]){11,27}")
_CARD = re.compile(_BEFORE + r"[2-6][0-9]{3}(?:[ -]?[0-9]{4,6}){2}[ -]?[0-9]{1,7}" + _AFTER)
_CARD_KINDS = re.compile(
    r"4\d{12}(?:\d{3}(?:\d{3})?)?|5[1-5]\d{14}|2(?:2[2-9]|[3-6]\d|7[01])\d{13}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|62\d{14,17}|35(?:2[89]|[3-8]\d)\d{12}"
)


class Number(NamedTuple):
    """A kind of identity number."""

    what: str
    form: re.Pattern[str]
    valid: Callable[[str], bool]
    words: re.Pattern[str] | None = None  # must stand near; None: the form and the check are enough
    language: str = ""  # a text in this language needs no such word


def _number(
    what: str, form: str, valid: Callable[[str], bool] = lambda number: True, words: str = "", language: str = ""
) -> Number:
    near = re.compile(words, re.IGNORECASE) if words else None
    return Number(what, re.compile(_BEFORE + form + _AFTER), valid, near, language)


NUMBERS = (
    _number("US social security number", r"\d{3}-\d{2}-\d{4}", digits.american),
    _number("US social security number", r"\d{9}", digits.american, r"social security|\bssn\b"),
    _number("UK national insurance number", r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]"),
    _number("Steuer-ID", r"[1-9]\d ?\d{3} ?\d{3} ?\d{3}", digits.german, r"steuer|\bid-?nr|\btin\b|tax"),
    _number("DNI", r"\d{8}-?[A-HJ-NP-TV-Z]", digits.spanish),
    _number("NIE", r"[XYZ]-?\d{7}-?[A-HJ-NP-TV-Z]", digits.spanish),
    _number("numéro de sécurité sociale", r"[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[ABab]) ?\d{3} ?\d{3} ?\d{2}", digits.french),
    _number("codice fiscale", r"[A-Za-z]{6}\d{2}[A-EHLMPRSTa-ehlmprst]\d{2}[A-Za-z]\d{3}[A-Za-z]", digits.italian),
    _number("NIF", r"[1235689]\d{2} ?\d{3} ?\d{3}", digits.portuguese, r"\bnif\b|contribuinte|fiscal"),
    _number("CPF", r"\d{3}\.\d{3}\.\d{3}-\d{2}", digits.brazilian),
    _number("CPF", r"\d{11}", digits.brazilian, r"\bcpf\b"),
    _number("T.C. kimlik no", r"[1-9]\d{10}", digits.turkish, r"kimlik|\bt\.?c\.? ?no", "tr"),
    _number("Chinese resident number", r"\d{17}[0-9Xx]", digits.chinese),
    _number("주민등록번호", r"\d{6}-[0-9]\d{6}", digits.korean),
    _number("Aadhaar number", r"[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}", digits.verhoeff, r"aadhaa?r|आधार|\buidai\b"),
    _number("PAN", r"[A-Z]{3}P[A-Z]\d{4}[A-Z]"),
    _number("СНИЛС", r"\d{3}-\d{3}-\d{3}[ -]\d{2}", digits.russian_insurance),
    _number("ИНН", r"\d{12}", digits.russian_tax, r"инн|\binn\b"),
    _number("マイナンバー", r"\d{4}[ -]?\d{4}[ -]?\d{4}", digits.japanese, r"マイナンバー|個人番号|my ?number"),
    _number("Thai identity number", r"[1-8]-\d{4}-\d{5}-\d{2}-\d", digits.thai),
    _number("Thai identity number", r"[1-8]\d{12}", digits.thai, r"ประชาชน|thai id|national id", "th"),
    _number("CCCD", r"0\d{11}", digits.vietnamese, r"cccd|căn cước|cmnd|định danh"),
    _number("NIK", r"\d{16}", digits.indonesian, r"\bnik\b|\bktp\b|kependudukan", "id"),
    _number("Saudi identity number", r"[12]\d{9}", digits.luhn, r"هوية|إقامة|iqama|national id"),
    _number("Egyptian identity number", r"[23]\d{13}", digits.egyptian, r"قومي|هوية|national id", "ar"),
    _number("NIDA number", r"(?:19|20)\d{6}-\d{5}-\d{5}-\d{2}", digits.tanzanian),
    _number("passport number", r"[A-Z]{1,2}\d{6,8}", lambda number: True,
            r"passport|reisepass|passeport|pasaporte|passaporte?o?\b|паспорт|护照|護照|パスポート|旅券|여권|paspor|hộ chiếu|جواز"),
)  # fmt: skip


def find(text: str, language: str) -> Iterator[Finding]:
    """Cards, accounts and identity numbers in a text."""
    if sum(char.isdigit() for char in text) < _LEAST_DIGITS:
        return
    for match in _IBAN.finditer(text):
        end = _end_of_iban(match)
        if end:
            yield Finding(match.start(), end, "account", "IBAN")
    for match in _CARD.finditer(text):
        number = _SEPARATORS.sub("", match[0])
        if _CARD_KINDS.fullmatch(number) and digits.luhn(number) and len(set(number)) > 1:
            yield Finding(*match.span(), "account", "card number")
    for kind in NUMBERS:
        for match in kind.form.finditer(text):
            if kind.valid(_SEPARATORS.sub("", match[0])) and _named(kind, text, match, language):
                yield Finding(*match.span(), "identity", kind.what)


def _end_of_iban(match: re.Match[str]) -> int:
    """Where the IBAN that begins here ends; 0 where there is none."""
    length = _IBAN_LENGTHS.get(match[0][:2], 0)
    compact = [(char, place) for place, char in enumerate(match[0]) if char not in " -"][:length]
    if not length or len(compact) < length or not digits.mod_97("".join(char for char, _ in compact)):
        return 0
    return match.start() + compact[-1][1] + 1


def _named(kind: Number, text: str, match: re.Match[str], language: str) -> bool:
    if kind.words is None or (kind.language and kind.language == language):
        return True
    return kind.words.search(text, max(0, match.start() - NEAR), match.end() + NEAR) is not None
