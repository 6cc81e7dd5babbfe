"""What of a text is prose: program text, addresses and markup say nothing of its language and are left out."""

from __future__ import annotations

import re

# Each piece is bounded, so that hostile text costs no more than its length.
_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_INLINE = re.compile(r"`[^`\n]{1,200}`")
_ADDRESS = re.compile(
    r"\b(?:https?://|www\.)[^\s<>\"']{1,500}|[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,4}", re.ASCII
)
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,200}>")
_MAYBE = re.compile(
    r"[`@<{};=$]|://|www\.|\(\)|\bimport\b|^\s*(?:#|>>>)", re.MULTILINE
)  # without any of these, nothing to leave out
# A line of a program: ends as statements do, or opens as they do in common languages. Prose hardly ever does either; a
# semicolon alone proves nothing, it is the question mark of Greek.
_STATEMENT = re.compile(
    r"""(?=[^\n]*(?:[=(){}\[\]<]|->))[^\n]*[;{}]\s*(?://[^\n]*)?$|\s*[})\]]+[;,]?\s*$
    |\s*(?:def|class|async\s+def)\s+\w+\s*[(:]|\s*(?:if|for|while|elif|with|except)\b[^\n]*[()=<>\[\]_.][^\n]*:\s*$|\s*(?:try|else):\s*$
    |\s*import\s+[\w.]+\s*(?:as\s+\w+\s*)?$|\s*from\s+[\w.]+\s+import\b|\s*(?:return|yield|raise)\s+(?:[\w.]+[(\[.]|[^\n]*;\s*$)
    |\s*\#\s*(?:include|define|ifdef|endif|pragma|!/)
    |\s*(?:public|private|protected|static|const|let|var|func|fn)\s+\w[\w\s<>\[\]:*&]{0,100}[=({]
    |\s*SELECT\s[^\n]*\sFROM\s|\s*(?:INSERT\s+INTO|CREATE\s+TABLE|DROP\s+TABLE|DELETE\s+FROM|UPDATE\s+\w+\s+SET)\s
    |\s*[\w.\[\]'"]+\s*[-+*/|&]?=\s*[^=\n]+$|\s*[\w.]+\([^()\n]*\)\s*$|\s*(?:\$|>>>)\s+\w[^\n]*$""",
    re.VERBOSE,
)
LONGEST_LINE = 2000  # characters of a line that is looked at for program text


def prose(text: str) -> str:
    """The text without program text, addresses and tags; empty where it is nothing else."""
    if not _MAYBE.search(text):
        return text
    text = _TAG.sub(" ", _ADDRESS.sub(" ", _INLINE.sub(" ", _FENCED.sub("\n", text))))
    return "\n".join(line for line in text.split("\n") if not _is_statement(line))


def _is_statement(line: str) -> bool:
    return len(line) <= LONGEST_LINE and bool(_STATEMENT.match(line))
