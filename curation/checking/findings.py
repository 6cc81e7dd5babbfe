"""What a check says: one thing at a time, with what to do about it."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One thing found in a pack: its topic, its kind (good, mend, note), what it is, and its line where that is known."""

    topic: str
    kind: str
    text: str
    line: int = 0
