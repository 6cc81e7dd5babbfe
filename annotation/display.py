"""How a prompt is shown to people: the same words, with everything invisible or executable made harmless.

Argilla's page puts the text of a plain field into the page as HTML (`innerHTML`; a text with a closed tag even into a
frame that may run scripts), and a markdown field loads images from anywhere. So the field is plain and its text is
escaped: nothing is left that any of the renderers takes for markup, on any server.
"""

from __future__ import annotations

import html
import re

LONGEST = 20_000  # characters of a prompt that people are shown
_INVISIBLE = re.compile(
    "[\x80-\x9f\u200b\u2060-\u2064\u2066-\u206f\u202a-\u202e\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_MARKS = re.compile(r"[\\`*_{}\[\]()<>#+\-.!|~=^$\"']")
_LINES = re.compile("\r\n|[\r\u0085\u2028\u2029\x0b\x0c]")


def displayable(text: str) -> str:
    """The form of a prompt that is sent to Argilla: visible, escaped, at most LONGEST characters and a note."""
    shown = html.escape(visible_form(text[:LONGEST]), quote=False)
    if len(text) > LONGEST:
        shown += f"\n\n[… {LONGEST:,} / {len(text):,}]"
    return shown


def markdown_text(text: str, longest: int) -> str:
    """One line of markdown that is nothing but text: no link, picture, heading or list can come of it."""
    line = " ".join(visible_form(text[: longest + 1]).split())
    shown = line if len(line) <= longest else f"{line[:longest]}…"
    # `&` first, then marks; a colon and an at sign as entities, because renderers make links of bare addresses.
    escaped = _MARKS.sub(lambda match: f"\\{match[0]}", shown.replace("&", "&amp;").replace("<", "&lt;"))
    return escaped.replace(":", "&#58;").replace("@", "&#64;")


def visible_form(text: str) -> str:
    """Control characters as their pictures, bidi overrides and hidden characters as escapes; letters untouched.

    Direction marks and joiners stay: Arabic, Persian, Hebrew and Indic spelling needs them.
    """
    text = _LINES.sub("\n", text)
    text = "".join(_picture(char) if char < " " or char == "\x7f" else char for char in text)
    text = _INVISIBLE.sub(lambda match: _escape(match[0]), text)
    return text if text.strip() else "∅"


def _picture(char: str) -> str:
    if char in "\n\t":
        return char
    return "\u2421" if char == "\x7f" else chr(0x2400 + ord(char))


def _escape(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
