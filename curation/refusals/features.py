"""What a classifier sees of a reply: which kinds of phrases stand where, what follows what, and the reply's shape."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from curation.refusals.phrases import DECLINES, Hit
from curation.refusals.reading import Reading

READ_ON = 600  # characters in which phrases count; a long answer holds any phrase sooner or later
OPENING = 120  # characters of a reply that are embedded
_KINDS = (
    "full",
    "refusal",
    "lacking",
    "rebuke",
    "partial",
    "help",
    "proceed",
    "still",
    "opinion",
    "disclaimer",
    "premise",
    "hedging",
    "rights",
    "concern",
)
# What means more together than by itself, each the product of its signals.
_TOGETHER = (
    ("decline", "concern"), ("decline", "help"), ("decline", "still"), ("decline", "list"), ("decline", "short"),
    ("decline", "apology"), ("decline", "no apology"), ("decline", "premise"), ("decline", "disclaimer"),
    ("full later", "rebuke first"), ("full later", "concerns first"),
    ("no decline", "apology"), ("no decline", "premise"), ("no decline", "disclaimer"), ("no decline", "rebuke first"),
    ("no decline", "rebuke", "help"), ("no decline", "concern", "help"), ("no decline", "rebuke", "still"),
    ("no decline", "concern", "still"), ("no decline", "rebuke", "help", "no still"), ("no decline", "rebuke", "list"),
    ("no decline", "concern", "help", "no still"), ("disclaimer", "apology"), ("list", "still"), ("list", "help"),
    ("plain", "list"), ("plain", "short"), ("plain", "concerns"), ("plain", "agree first"),
    ("concern", "list led by help"), ("concern", "list led by an answer"), ("concern", "list led by an objection"),
    ("decline", "list led by help"), ("decline", "list led by an answer"), ("concern", "an answer has the last word"),
    ("decline", "an answer has the last word"), ("concern", "help has the last word"), ("plain", "opinion"),
    ("plain", "rights"), ("opinion", "rights"), ("no decline", "rebuke", "rights"),
    ("no decline", "hedging first", "rebuke"), ("no decline", "hedging first", "concerns", "no list"),
    ("no decline", "rebuke", "no list"), ("no decline", "concerns first", "no list"), ("plain", "rights", "no list"),
    ("plain", "premise", "rights"), ("no decline", "rebuke", "an answer has the last word"),
    ("no decline", "rebuke", "help has the last word"), ("no decline", "concern", "proceeds", "no help"),
    ("rebuke", "proceeds"), ("concern", "help", "no proceeding"), ("rebuke", "help", "no proceeding", "list"),
    ("concern", "list led by contrast"),
)  # fmt: skip

# What the words before a list speak of.
_SAID = {"help": "help", "partial": "help", "proceed": "answer", "still": "contrast",
         "rebuke": "objection", "concern": "objection", "full": "objection", "refusal": "objection"}  # fmt: skip


def opening(reading: Reading) -> str:
    """The part of a reply that is embedded."""
    return reading.shown[: OPENING // reading.density]


def features(reading: Reading) -> list[float]:
    """The surface features of a reply, each between 0 and 1, in the order of `feature_names`."""
    return [value for _, value in _named(reading)]


def feature_names() -> list[str]:
    """The names of the surface features."""
    return [name for name, _ in _named(Reading("", "", "en"))]


def _named(reading: Reading) -> Iterator[tuple[str, float]]:
    density, head = reading.density, reading.head
    near = [hit for hit in reading.hits if hit.start * density < READ_ON]
    for kind in _KINDS:
        places = [hit.start for hit in near if hit.kind == kind]
        yield f"{kind} in the opening", float(any(place < head for place in places))
        yield f"{kind} at once", float(bool(places) and places[0] < 3)
        yield f"{kind} after the opening", min(3, sum(place >= head for place in places)) / 3
    signals = _signals(reading, density)
    signals |= _lead(reading, near)
    yield from signals.items()
    for names in _TOGETHER:
        yield " and ".join(names), math.prod(signals[name] for name in names)


def _lead(reading: Reading, near: Sequence[Hit]) -> dict[str, float]:
    """What leads into a list, and which of help, an answer or an objection is spoken of last before it."""
    place = reading.list_start if reading.list_start >= 0 else len(reading.folded)
    before = [_SAID[hit.kind] for hit in near if hit.kind in _SAID and hit.start < place]
    last = before[-1] if before else ""
    turn = next((said for said in reversed(before) if said in {"help", "answer"}), "")
    listed = reading.list_start >= 0
    inside = [hit for hit in near if hit.kind in {"concern", "rebuke", "rights"} and hit.start >= place]
    return {
        "list led by help": listed and last == "help", "list led by an answer": listed and last == "answer",
        "list led by an objection": listed and last == "objection", "list led by contrast": listed and last == "contrast", "an answer has the last word": turn == "answer",
        "help has the last word": turn == "help", "concerns in the list": min(4, len(inside)) / 4,
        "opinion": any(hit.kind == "opinion" for hit in near),
        "rights": min(3, sum(hit.kind == "rights" for hit in near)) / 3,
    }  # fmt: skip


def _signals(reading: Reading, density: int) -> dict[str, float]:
    """What the phrases amount to."""
    head, hits = reading.head, reading.hits
    declines = [hit.start for hit in hits if hit.kind in DECLINES]
    fulls = [hit.start for hit in hits if hit.kind == "full"]
    rebukes = [hit.start for hit in hits if hit.kind == "rebuke" and hit.start * density < READ_ON]
    concerns = [hit.start for hit in hits if hit.kind in {"rebuke", "concern"} and hit.start * density < READ_ON]
    objection = min(declines[:1] + rebukes[:1], default=0)
    decline, rebuke, concern = bool(declines), bool(rebukes), bool(concerns)
    still = any(hit.kind in {"still", "proceed"} and hit.start * density < READ_ON for hit in hits)
    proceeds = any(hit.kind == "proceed" and hit.start * density < READ_ON for hit in hits)
    helps = any(hit.kind in {"help", "partial"} and hit.start >= objection for hit in hits)
    return {
        "decline": decline, "no decline": not decline, "rebuke": rebuke, "concern": concern,
        "plain": not decline and not rebuke,
        "declines": min(3, sum(place < head for place in declines)) / 3,
        "decline early": 1 - min(1, declines[0] * density / 300) if declines else 0.0,
        "full early": 1 - min(1, fulls[0] * density / 300) if fulls else 0.0,
        "full later": min(3, sum(place >= head and place * density < READ_ON for place in fulls)) / 3,
        "rebukes": min(4, len(rebukes)) / 4, "rebuke first": any(place < head for place in rebukes),
        "concerns": min(6, len(concerns)) / 6, "concerns first": min(3, sum(place < head for place in concerns)) / 3,
        "help": helps,
        "still": still, "no still": not still, "proceeds": proceeds, "no proceeding": not proceeds,
        "no help": not helps,
        "list": reading.list_items >= 3, "no list": reading.list_items < 1,
        "hedging first": any(hit.kind == "hedging" and hit.start < head for hit in hits), "steps": reading.list_items >= 1, "code": reading.has_code,
        "short": max(0.0, 1 - len(reading.folded) * density / 240),
        "question": reading.folded.rstrip(' "').endswith(("?", "؟")),
        "apology": reading.apologises, "no apology": not reading.apologises,
        "premise": any(hit.kind == "premise" and hit.start < head for hit in hits),
        "disclaimer": any(hit.kind == "disclaimer" and hit.start < head for hit in hits),
        "agree first": reading.agrees, "empty": bool(reading.empty),
    }  # fmt: skip
