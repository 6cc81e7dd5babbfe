"""What is found in a text, as one list of spans, and how it is told without telling it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from curation.personal import credentials, identity, markup, phones
from curation.personal.spans import Finding

VERSION = 1  # raised when what is found changes: triage looks again
PERSONAL = ("email", "phone", "identity", "account", "secret")  # kinds that a report must not repeat


def _one_for_one() -> dict[int, str]:
    """Digits of every script and full-width ASCII to plain ASCII: lengths stay, so that spans do."""
    table = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)} | {0x3000: " ", 0xA0: " ", 0x202F: " "}
    for code in range(0x660, 0x1FBFA):
        digit = unicodedata.decimal(chr(code), None)
        if digit is not None:
            table[code] = str(digit)
    return table


_PLAIN = _one_for_one()


def find_personal(text: str, language: str = "") -> list[Finding]:
    """Personal data, secrets and markup in a text, by place; of two that overlap the one found first stays.

    `language` says whose phone and identity numbers to expect beside international ones.
    """
    plain = text if text.isascii() else text.translate(_PLAIN)
    taken: list[Finding] = []
    for found in _all(plain, language.split("-")[0]):
        if all(found.end <= other.start or other.end <= found.start for other in taken):
            taken.append(found)
    return sorted(taken)


def _all(text: str, language: str) -> Iterator[Finding]:
    yield from credentials.find(text)
    yield from identity.find(text, language)
    yield from phones.find(text, language)
    yield from markup.find(text)


def told(findings: list[Finding]) -> str:
    """What was found and where, without any of it."""
    return ", ".join(f"{found.what} at {found.start}-{found.end}" for found in findings)


def masked(text: str, language: str = "") -> str:
    """A text for reports: personal data and secrets replaced by what they are."""
    shown, at = [], 0
    for found in find_personal(text, language):
        if found.kind in PERSONAL:
            shown += [text[at : found.start], f"[{found.what}]"]
            at = found.end
    return "".join([*shown, text[at:]])
