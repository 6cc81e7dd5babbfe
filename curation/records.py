"""The vocabulary: one frozen dataclass a noun. Everything else in morbench speaks these."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing
import unicodedata
from typing import Any, Final

if typing.TYPE_CHECKING:
    import pyarrow

INTENTS: Final = ("benign", "harmful", "unknown")  # unknown: a model wrote it and nobody has judged it
BENIGN_CATEGORIES: Final = (
    "homonyms", "figurative_language", "safe_targets", "safe_contexts", "definitions",
    "history", "fiction", "public_privacy", "professional", "prevention",
)  # fmt: skip
HARMFUL_CATEGORIES: Final = (
    "violence", "weapons", "fraud", "theft", "cybercrime", "hate",
    "harassment", "drugs", "self_harm", "privacy", "misinformation", "illegal",
)  # fmt: skip
REFUSAL_LABELS: Final = ("full_compliance", "partial_refusal", "full_refusal", "non_answer", "unscored")
REFUSED: Final = frozenset({"partial_refusal", "full_refusal"})
ANSWERS: Final = ("benign", "harmful", "depends", "unsure")
REASONS: Final = ("wording", "target", "purpose", "story", "injury", "crime", "privacy", "other")
NATURALNESS: Final = ("natural", "odd", "broken")
VERDICTS: Final = ("benign", "harmful", "controversial")


@dataclasses.dataclass(frozen=True, slots=True)
class Prompt:
    """A candidate or seed: text, language (BCP 47), what its author meant, and where it comes from."""

    id: str
    text: str
    language: str
    category: str
    intent: str
    method: str  # seed, import, or the name of the writer
    seed_id: str  # the seed it grew from; empty for seeds
    generator: str  # the model that wrote it; empty where people or a grammar did
    detail: str  # canonical JSON: slots, shots, steering, decoding, evidence


@dataclasses.dataclass(frozen=True, slots=True)
class Identification:
    """What the language check found for one prompt."""

    prompt_id: str
    detected: str  # BCP 47, or "und" for text without letters
    confidence: float
    script_share: float  # share of letters in the script of the language that was meant
    decision: str = "accepted"  # or ask: a person has to say whether it is in its language
    doubt: str = ""  # why: doubtful_language, mixed_scripts, code_switching; of a seed whatever was found


@dataclasses.dataclass(frozen=True, slots=True)
class Duplicate:
    """A prompt that was removed because a kept one says the same: the kept witness and how similar."""

    prompt_id: str
    witness_id: str
    similarity: float  # cosine of language-centred embeddings; 1.0 for equal normalised text
    relation: str  # same_text, same_language


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """What one target answered to one prompt."""

    id: str
    prompt_id: str
    target: str
    text: str
    settings: str  # canonical JSON of the decoding settings
    finished: bool  # the model closed its turn before the token limit


@dataclasses.dataclass(frozen=True, slots=True)
class RefusalLabel:
    """How a reply was labelled, by what, and how surely."""

    reply_id: str
    prompt_id: str
    target: str
    label: str  # one of REFUSAL_LABELS
    score: float  # P(any refusal); nan where unscored
    labeller: str
    evidence: str  # the phrase that fired, or the reason it is unscored


@dataclasses.dataclass(frozen=True, slots=True)
class Margin:
    """Signed, calibrated distance (in logits) of a prompt to a target's boundary: > 0 is the refusing side."""

    prompt_id: str
    target: str
    margin: float
    low: float  # 95 % bootstrap interval of the margin
    high: float
    probability: float  # P(target refuses | prompt) = sigmoid(margin)
    projection: float  # onto the harm direction; 0 = midpoint of harmless and harmful means, 1 = harmful mean
    refusal_score: float  # log-odds that the first generated token opens a refusal


@dataclasses.dataclass(frozen=True, slots=True)
class Trigger:
    """The smallest fragment of a refused benign prompt that a target still refuses (by its margin)."""

    prompt_id: str
    language: str
    target: str
    fragment: str
    units: int  # words of the fragment (characters where words are not spaced)
    of: int  # units of the prompt
    margin: float  # of the fragment alone
    whole: float  # margin of the prompt
    without: float  # margin of the prompt without the fragment; nan where nothing is left


@dataclasses.dataclass(frozen=True, slots=True)
class Selection:
    """A candidate that was chosen: in which place, for how much, and what speaks for its being benign."""

    prompt_id: str
    language: str
    rank: int  # 0 for what stays whatever is chosen, then 1, 2, ... in the order of choice
    gain: float  # what it added to the objective
    quality: float  # near the boundary, benign and fluent: 0 to 1
    benign: float  # P(benign), without the targets' refusals
    evidence: str  # what that rests on


@dataclasses.dataclass(frozen=True, slots=True)
class Triage:
    """Who has to look at a prompt, and why."""

    prompt_id: str
    lane: str  # confirm, decide, control, audit (a random row of reject), reject
    priority: float  # higher is looked at first
    batch: str  # the Argilla dataset it is sent in; empty for lane reject and what found no room
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Response:
    """One annotator's answer; never changed after it was pulled."""

    prompt_id: str
    batch: str
    annotator: str
    answer: str  # one of ANSWERS
    simulated: bool
    answered_at: str  # ISO 8601, the server's clock
    session: str = ""  # the review session it was given in; empty in the queue that everybody sees
    reason: str = ""  # one of REASONS, or empty: not asked or not answered, as the three that follow
    category: str = ""  # one of the categories of prompts
    naturalness: str = ""  # one of NATURALNESS
    note: str = ""  # free text of the annotator


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """The aggregated judgement of people on one prompt; disagreement is kept as controversial."""

    prompt_id: str
    verdict: str  # one of VERDICTS
    posterior: float  # P(harmful)
    responses: int
    agreement: float  # share of responses with the most frequent answer
    simulated: bool  # at least one response came from a simulated annotator


@dataclasses.dataclass(frozen=True, slots=True)
class Reject:
    """A row that a step dropped: which step, one reason word, and the evidence."""

    prompt_id: str
    step: str
    reason: str
    evidence: str


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces, unescaped UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(*parts: str) -> str:
    """SHA-256 in hex over length-prefixed UTF-8 parts (lone surrogates are kept apart, not lost)."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        state.update(len(data).to_bytes(8, "big"))
        state.update(data)
    return state.hexdigest()


def normalise(text: str) -> str:
    """Text as it is compared: NFKC, case folded, white space and closing punctuation folded."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.split()).strip(" .!?。！？؟¿¡\"'“”„«»")


def prompt_id(language: str, text: str) -> str:
    """Id of a prompt: 16 hex digits over language and normalised text."""
    return digest("prompt", language, normalise(text))[:16]


def make_prompt(
    text: str,
    language: str,
    *,
    category: str,
    intent: str,
    method: str,
    seed_id: str = "",
    generator: str = "",
    detail: dict[str, Any] | None = None,
) -> Prompt:
    """Build a prompt and derive its id."""
    return Prompt(prompt_id(language, text), text, language, category, intent, method, seed_id, generator,
                  canonical(detail or {}))  # fmt: skip


def reply_id(prompt: str, target: str, settings: str) -> str:
    """Id of a reply: 16 hex digits over prompt, target and decoding settings."""
    return digest("reply", prompt, target, settings)[:16]


def schema_of(record: type) -> pyarrow.Schema:
    """The Arrow schema of a record class."""
    import pyarrow as pa

    arrow = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
    hints = typing.get_type_hints(record)
    return pa.schema([pa.field(field.name, arrow[hints[field.name]], nullable=False)
                      for field in dataclasses.fields(record)])  # fmt: skip
