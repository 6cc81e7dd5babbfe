"""A finding: what stands where in a text."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One span and what it is."""

    start: int
    end: int
    kind: str  # email, phone, identity, account, secret or markup
    what: str  # in words, for people
