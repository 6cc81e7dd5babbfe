"""Text that a browser, a Markdown view or a chat template would act on: people see it escaped, and should know."""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.personal.spans import Finding

_TAGS = (
    "a|abbr|audio|b|base|blockquote|body|br|button|canvas|center|code|div|embed|em|font|form|frame|frameset|h[1-6]|head|hr|html|i|iframe|"
    "img|input|ins|li|link|marquee|math|meta|object|ol|option|p|pre|s|script|select|span|strong|style|sub|sup|svg|table|tbody|td|"
    "template|textarea|th|thead|title|tr|u|ul|video"
)
_PATTERNS = (
    ("HTML", re.compile(rf"(?i)</?(?:{_TAGS})(?:\s[^<>]{{0,500}})?/?>|<!--|<!doctype|<\?xml|<!\[CDATA\[")),
    ("script in an attribute or link", re.compile(r"(?i)<[a-z][^<>]{0,200}\son[a-z]{3,20}\s*=|\bjavascript:|\bdata:text/html")),
    ("Markdown image", re.compile(r"!\[[^\]\n]{0,200}\]\([^)\s]{1,500}[^)\n]{0,100}\)")),
    ("chat template token", re.compile(
        r"<\|[a-z_]{2,30}\|>|<(?:start|end)_of_turn>|<</?SYS>>|\[/?INST\]|<\uff5c[^<>\uff5c]{1,30}\uff5c>|</?s>(?=\s*\[INST)")),
)  # fmt: skip


def find(text: str) -> Iterator[Finding]:
    """Markup in a text."""
    if not any(char in text for char in "<[:"):
        return
    for what, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            yield Finding(*match.span(), "markup", what)
