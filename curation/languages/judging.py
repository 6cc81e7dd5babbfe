"""Whether texts are in the language they claim: accepted, rejected, or left to a person."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from curation.languages.identifiers import LanguageIdentifier, Py3langid, load_identifier, primary, speaks
from curation.languages.prose import prose
from curation.languages.sight import READ, Detection, Sight, least_lead, windows
from curation.languages.thresholds import thresholds_for

MIXED = 0.7  # share of letters in the language's script, below which a text is shown to a person
TOGETHER = 2000  # texts that are looked at together
SECOND = "langdetect"  # asked where the first identifier doubts, and believed where it knows both languages in question
SURE = 0.9  # its probability from which it settles a doubt


class Judgement(NamedTuple):
    """Whether a text is in the language it claims: accepted, rejected, or ask (a person), and why."""

    detected: str
    confidence: float
    script_share: float
    decision: str
    reason: str = ""
    evidence: str = ""


def _fault(language: str, script: str, found: Detection, share: float, minimum: float, letters: int, plain: int,
           known: bool) -> tuple[str, str] | tuple[()]:  # fmt: skip
    """What plainly keeps a text with so many letters, in prose and in all, from being in a language."""
    if not letters:
        return "no_letters", "no letter in it"
    if not plain:
        return "code", "program text, addresses or markup and nothing else"
    own = known and primary(found.detected) == primary(language)
    # One Latin name has more letters than the Chinese sentence around it: what reads as the language needs half as much.
    if share < (minimum / 2 if own else minimum):
        return "wrong_script", f"{share:.2f} of the letters are {script}, {minimum:.2f} are needed"
    if own or not known:
        return ()  # an identifier cannot judge a language it has never seen: the script alone decides
    return "wrong_language", f"looks like {found.detected} ({found.confidence:.2f}), not {language}"


def judge_texts(
    texts: Sequence[str],
    languages: Sequence[str],
    scripts: Mapping[str, str],
    identifier: LanguageIdentifier,
    minimum: float = 0.5,
) -> list[Judgement]:
    """Judge each text against the language it claims; a language that `scripts` does not have is judged by its letters alone."""
    found = []
    for start in range(0, len(texts), TOGETHER):
        part = slice(start, start + TOGETHER)
        found += _judge(texts[part], languages[part], scripts, identifier, minimum)
    return found


def _judge(texts: Sequence[str], languages: Sequence[str], scripts: Mapping[str, str],
           identifier: LanguageIdentifier, minimum: float) -> list[Judgement]:  # fmt: skip
    sight = Sight.take(texts, identifier, list(scripts))
    detections = sight.detections(scripts)
    leads = {code: sight.leads(code).tolist() for code in set(languages)}
    own = {code: sight.shares.column(primary(code)).tolist() for code in set(languages)}
    shares = {code: sight.letters.share(scripts[code]).tolist() for code in set(languages) & set(scripts)}
    known = {code: speaks(identifier, code) for code in set(languages)}
    rivals = {code: sight.rivals(code) for code in set(languages)} if isinstance(identifier, Py3langid) else {}
    counts = zip(sight.written.tolist(), sight.letters.totals.tolist(), strict=True)
    found = []
    for index, (code, (letters, plain)) in enumerate(zip(languages, counts, strict=True)):
        lead, detection = leads[code][index], detections[index]
        share = round(shares[code][index], 6) if code in shares else 1.0
        if plain and known[code] and lead >= least_lead(code, plain):
            detection = Detection(code, round(own[code][index], 6))
        wrong = _fault(code, scripts.get(code, ""), detection, share, minimum, letters, plain, known[code])
        rival = rivals[code][index] if code in rivals else ""
        decision = (
            ("rejected", *wrong)
            if wrong
            else _doubt(texts[index], code, share, lead if known[code] else math.inf, rival)
        )
        found.append(Judgement(detection.detected, detection.confidence, share, *decision))
    return _look_into(texts, languages, found, scripts, identifier)


def _doubt(text: str, code: str, share: float, lead: float, rival: str) -> tuple[str, str, str]:
    """Accepted, or why a person has to look; `rival` is the likeliest other language, empty where none was looked for."""
    if share < MIXED:
        return "ask", "mixed_scripts", f"{share:.2f} of the letters are in its script"
    if lead >= thresholds_for(primary(code)).accept:
        return "accepted", "", ""
    evidence = f"{code} leads {rival} by {lead:.2f} nats"
    second = load_identifier(SECOND)
    if not rival or not (speaks(second, code) and speaks(second, rival)):
        return "ask", "doubtful_language", evidence
    says, sure = next(iter(second.rank(prose(text[:READ]))), ("und", 0.0))
    if primary(says) == primary(code) and sure >= SURE:
        return "accepted", "", ""
    return "ask", "doubtful_language", f"{evidence}; {SECOND} says {primary(says)} ({sure:.2f})"


def _look_into(texts: Sequence[str], languages: Sequence[str], judged: list[Judgement], scripts: Mapping[str, str],
               identifier: LanguageIdentifier) -> list[Judgement]:  # fmt: skip
    """Send texts to a person where one piece of them was plainly written in another language."""
    owners: list[int] = []
    pieces: list[str] = []
    known = {code for code in set(languages) if speaks(identifier, code)}
    for index, (text, row) in enumerate(zip(texts, judged, strict=True)):
        if row.reason in {"", "doubtful_language"} and languages[index] in known:
            cut = windows(prose(text[:READ]))
            owners += [index] * len(cut)
            pieces += cut
    if not pieces:
        return judged
    sight = Sight.take(pieces, identifier, list(scripts))
    leads = {code: sight.leads(code).tolist() for code in {languages[index] for index in owners}}
    detections = sight.detections(scripts)
    for place, (index, piece) in enumerate(zip(owners, pieces, strict=True)):
        code = languages[index]
        if leads[code][place] < thresholds_for(primary(code)).window and judged[index].reason != "code_switching":
            evidence = f"{detections[place].detected}: {piece.strip()}"
            judged[index] = judged[index]._replace(decision="ask", reason="code_switching", evidence=evidence)
    return judged
