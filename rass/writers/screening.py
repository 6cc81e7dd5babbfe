"""Screening what a model wrote: cheap checks that every model writer shares; each text is kept, or dropped with a reason."""

from __future__ import annotations

import dataclasses
import math
import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from curation.endpoint import Completion
from curation.languages.identifiers import load_identifier
from curation.languages.judging import judge_texts
from curation.languages.packs import Pack, load_pack
from curation.records import Prompt, Reject, canonical, normalise
from curation.refusals.phrases import PhraseBook
from curation.refusals.reading import read_reply, visible_reply
from curation.steps import Output
from rass.fluency import surprise
from rass.models import ChatModel

HEADER = 6  # seeds under which fluency is measured
LEAST_LETTERS = 5
LONGEST = 600  # characters; a reply that long is no prompt
ENDED = 0.9  # share of a pack's seeds that end in punctuation, from which candidates have to as well
_ALSO_ENDS = frozenset("!\"'”’»)」』")  # beside a pack's own marks
_JOINERS = "\u200c\u200d"  # format characters that Persian, Indic scripts and emoji are written with
_BULLET = re.compile(r"^(?:[-*•→]|\d{1,2}[.)])\s+")
_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "「": "」"}


class Draft(NamedTuple):
    """A text as a writer got it: the prompt that it would be, and what is known against it."""

    prompt: Prompt
    reason: str = ""  # why it cannot be kept, where the writer itself found something
    evidence: dict[str, Any] = {}  # noqa: RUF012 - never mutated


@dataclasses.dataclass(frozen=True)
class Screen:
    """Checks for the candidates of one language."""

    pack: Pack
    book: PhraseBook
    known: frozenset[str]  # normalised texts that exist already
    endings: frozenset[str]  # how the seeds end; empty where they may end without punctuation
    scripts: dict[str, str]  # script of each of the project's languages
    min_script_share: float
    scorer: ChatModel
    header: str
    ceiling: float  # nats per token; above, a text is not fluent

    @classmethod
    def build(cls, pack: Pack, seeds: Sequence[Prompt], scorer: ChatModel, *, max_perplexity_ratio: float,
              scripts: dict[str, str] | None = None, min_script_share: float = 0.5) -> Screen:  # fmt: skip
        """Take the measure of what people wrote: the benign seeds of one language."""
        benign = [row.text for row in seeds if row.intent == "benign" and row.category != "harmless"]
        header = "".join(f"- {text}\n" for text in benign[:HEADER]) + "-"
        usual = statistics.median(surprise(scorer, benign[HEADER:] or benign, header))
        known = frozenset(normalise(row.text) for row in seeds)
        book = PhraseBook.from_packs({"en": load_pack("en"), pack.code: pack})
        return cls(pack, book, known, endings(pack), scripts or {pack.code: pack.script},
                   min_script_share, scorer, header, usual + math.log(max_perplexity_ratio))  # fmt: skip

    def check(self, drafts: Sequence[Draft]) -> list[Draft]:
        """The same drafts, each with a reason against it where it had none and something is wrong."""
        drafts = [draft if draft.reason else draft._replace(reason=self.cheap(draft.prompt.text)) for draft in drafts]
        good = [index for index, draft in enumerate(drafts) if not draft.reason]
        for index, nats in zip(
            good, surprise(self.scorer, [drafts[index].prompt.text for index in good], self.header), strict=True
        ):
            if nats > self.ceiling:
                evidence = {"nats_per_token": round(nats, 3), "ceiling": round(self.ceiling, 3)}
                drafts[index] = drafts[index]._replace(reason="not_fluent", evidence=evidence)
        return drafts

    def cheap(self, text: str) -> str:
        """What can be seen without a model."""
        if len(text) > LONGEST:
            return "too_long"
        if refusal_in(text, (self.pack.code, "en"), self.book):
            return "refusal"
        if sum(char.isalpha() for char in text) < LEAST_LETTERS:
            return "too_short"
        if normalise(text) in self.known:
            return "copy_of_seed"
        if repeats(text):
            return "repeats"
        if self.endings and unicodedata.normalize("NFKC", text[-1]) not in self.endings | _ALSO_ENDS:
            return "unfinished"
        return "wrong_language" if self.is_foreign(text) else ""

    def is_foreign(self, text: str) -> bool:
        """Whether a text is plainly in another language or script."""
        judged = judge_texts([text], [self.pack.code], self.scripts, load_identifier(), self.min_script_share)
        return judged[0].decision == "rejected"


def sort_out(drafts: Sequence[Draft], step: str) -> Output:
    """The drafts that nothing is said against, each text once and sorted by id, and every other one with its reason."""
    kept: dict[str, Prompt] = {}
    rejects: list[Reject] = []
    seen: Counter[str] = Counter()
    for draft in drafts:
        row = draft.prompt
        reason = draft.reason or ("same_text" if row.id in kept else "")
        if not reason:
            kept[row.id] = row
            continue
        seen[row.id] += 1  # several empty texts share an id: numbered, each keeps its own row
        evidence = {"text": row.text, "language": row.language, "seed": row.seed_id, **draft.evidence}
        rejects.append(Reject(f"{row.id}-{seen[row.id]}", step, reason, canonical(evidence)))
    return Output(sorted(kept.values(), key=lambda row: row.id), rejects)


def endings(pack: Pack) -> frozenset[str]:
    """Marks (NFKC) that end the pack's seeds; empty where its seeds may end without punctuation."""
    last = [unicodedata.normalize("NFKC", row.text[-1]) for row in (*pack.benign, *pack.harmful, *pack.harmless)]
    marks = [char for char in last if not char.isalnum()]
    return frozenset(marks) if len(marks) >= ENDED * len(last) else frozenset()


def one_line(text: str) -> str:
    """The first line of a model's text that says something, as plain text: no list marks, quotes or control characters."""
    for line in text.splitlines():
        visible = "".join(" " if char.isspace() else char for char in line
                          if char.isspace() or char in _JOINERS or not unicodedata.category(char).startswith("C"))  # fmt: skip
        found = _BULLET.sub("", " ".join(visible.split()))
        if len(found) > 1 and _QUOTES.get(found[0]) == found[-1]:
            found = found[1:-1].strip()
        if found:
            return found
    return ""


def judge_completion(completion: Completion) -> tuple[str, str, dict[str, Any]]:
    """(text, reason, evidence) of a completion: a failure has no text, and a text that was cut off a reason."""
    if completion.failure:
        return "", "generator_failed", {"failure": completion.failure}
    return one_line(visible_reply(completion.text)), "" if completion.finished else "unfinished", {}


def refusal_in(text: str, languages: Iterable[str], book: PhraseBook) -> str:
    """The language and the phrase with which a text opens as a refusal in any of the languages; else empty.

    Rebukes do not count here ("that is a crime"): requests say such things of others.
    """
    for code in dict.fromkeys(languages):
        hit = read_reply(text, code, book).first("full", "refusal")
        if hit is not None:
            return f"{code}: {hit.phrase}"
    return ""


def repeats(text: str) -> bool:
    """Whether a text is mostly one piece over and over."""
    words = text.casefold().split()
    return bool(re.search(r"(.{2,}?)\1{3,}", text)) or (len(words) > 5 and len(set(words)) < len(words) / 2)
