"""From when on a text counts as in its language, as not in it, or is shown to a person: thresholds for each language."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import NamedTuple

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

THRESHOLDS = Path(__file__).parent / "thresholds.toml"  # made by scripts/calibrate_languages


class Thresholds(NamedTuple):
    """A language's thresholds, in nats: how much likelier it is than the likeliest other one (its lead)."""

    reject: float = -0.5  # with less than this, a text is in another language
    accept: float = 0.5  # with more than this it is in this one; between the two a person decides
    window: float = -3.0  # a piece of an accepted text with less than this was written in another language


DEFAULT = Thresholds()  # of a language that was not calibrated: a little wider than the median of those that were


@functools.lru_cache(maxsize=1)
def _calibrated() -> dict[str, Thresholds]:
    raw = tomllib.loads(THRESHOLDS.read_text(encoding="utf-8")) if THRESHOLDS.exists() else {}
    return {code: Thresholds(**values) for code, values in raw.items()}


def thresholds_for(code: str) -> Thresholds:
    """The thresholds of a language (its code without script and region), or those of one that was not calibrated."""
    return _calibrated().get(code, DEFAULT)
