"""Addresses and secrets: e-mail, keys and tokens by their known beginnings, private keys, passwords in URLs and settings."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from curation.personal.spans import Finding

LEAST_ENTROPY = 3.0  # bits a character: words and dates lie below, generated keys of 16 characters and more above
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+/-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9@])"
)
_RESERVED = re.compile(
    r"(?:@|\.)(?:example\.(?:com|org|net|edu)|example|test|invalid|localhost)\Z", re.IGNORECASE
)  # RFC 2606
_URL_WITH_PASSWORD = re.compile(
    r"(?<![A-Za-z])[a-z][a-z0-9+.-]{1,20}://[^\s/@:\"'<>]{1,100}:(?P<word>[^\s/@\"'<>]{1,200})@[^\s\"'<>]{1,200}"
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]+-----|\Z)", re.DOTALL
)
_TOKENS = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,}|glpat-[A-Za-z0-9_-]{20,}"  # GitHub, GitLab
    r"|sk-(?:proj-|ant-|svcacct-|or-)?[A-Za-z0-9_-]{32,}"  # model providers
    r"|hf_[A-Za-z0-9]{30,}|r8_[A-Za-z0-9]{30,}|gsk_[A-Za-z0-9]{40,}"
    r"|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{30,}"  # Google
    r"|xox[abeoprs]-[A-Za-z0-9-]{20,}|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{20,}"  # Slack, Stripe
    r"|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,}|dop_v1_[a-f0-9]{64}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"  # JSON web token
    r"|[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"  # Telegram
    r")(?![A-Za-z0-9])"
)
_SETTING = re.compile(
    r"(?i)(?<![A-Za-z])(?:api[ _-]?key|access[ _-]?key|secret(?:[ _-]?key)?|auth[ _-]?token|token|bearer|passw(?:or)?d|pwd)"
    r"[\"']?\s{0,3}(?:[:=]|\bis\b)\s{0,3}[\"'`]?(?P<word>[A-Za-z0-9+/=_!@#$%^&*.~-]{12,200})"
)
_PLACEHOLDER = re.compile(
    r"(?i:your|example|placeholder|redacted|password|xxx|\*\*\*|\.\.\.|<|\{)|\$[A-Z_]"
    r"|\A(?:[A-Z]+_)*[A-Z]+[0-9]{0,3}\Z|\A(?:[a-z]+[_-])*[a-z]+[0-9]{0,3}\Z"  # words, perhaps numbered
)


def find(text: str) -> Iterator[Finding]:
    """E-mail addresses and secrets in a text."""
    for match in _PRIVATE_KEY.finditer(text) if "PRIVATE KEY" in text else ():
        yield Finding(*match.span(), "secret", "private key")
    for match in _URL_WITH_PASSWORD.finditer(text) if "://" in text else ():
        if not _placeholder(match["word"]):
            yield Finding(*match.span(), "secret", "URL with a password")
    for match in _EMAIL.finditer(text) if "@" in text else ():
        if not _RESERVED.search(match[0]):
            yield Finding(*match.span(), "email", "e-mail address")
    for match in _TOKENS.finditer(text):
        if entropy(match[0]) >= LEAST_ENTROPY:  # sk-xxxxxxxx... is none
            yield Finding(*match.span(), "secret", "key or token")
    for match in _SETTING.finditer(text):
        if is_random(match["word"]):
            yield Finding(*match.span("word"), "secret", "password or key")


def entropy(text: str) -> float:
    """Bits a character of the text's own distribution of characters."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)


def is_random(word: str) -> bool:
    """Whether a word looks generated: letters and digits mixed, no placeholder, entropy as of a key."""
    mixed = any(char.isdigit() for char in word) and any(char.isalpha() for char in word)
    return mixed and not _placeholder(word) and entropy(word) >= LEAST_ENTROPY


def _placeholder(word: str) -> bool:
    return _PLACEHOLDER.search(word) is not None
