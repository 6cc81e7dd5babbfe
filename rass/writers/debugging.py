"""Delta debugging: prompts around the fragments that make a target refuse benign seeds (rass/triggers.py finds them).

Three kinds of candidates: combinations of the pack's grammar that hold a fragment (benign by construction), frames of the grammar
that speak about a quoted phrase with the fragment in the quotes, and the refused seed without a clause that the refusal does not
need. The last two say something that nobody has vouched for, so their intent is unknown; whatever is not fluent is dropped.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from curation.languages.packs import Pack, fill, slot_names
from curation.records import Prompt, Trigger, canonical, digest, make_prompt, normalise
from curation.steps import Output
from rass.triggers import MARKS, SEEDS, UNSPACED, run_triggers, units, word_of
from rass.writers.mutation import choose_near, round_robin
from rass.writers.running import Task
from rass.writers.screening import Draft, sort_out

VERSION = 1
POOL = 6  # drafts measured for each candidate that is asked for
TELLING = 1.0  # logits that a prompt must lose with its fragment; else the refusal rests on something else as well
EXPLAINING = frozenset({"definitions", "figurative_language"})
LONGEST_MENTION = 4  # units of a fragment that can be quoted as a saying
_QUOTED = re.compile(r"['\"‘’“”„«»‹›「」『』《》]\s?\{([a-z_]+)\}\s?['\"‘’“”«»‹›「」『』《》]")
_BREAK = re.compile(r"(?<=[,;:.!?…—؟،؛।])\s+|(?<=[，；：、。！？])(?![，；：、。！？])")
_CLOSERS = ".!?…。！？؟।"


def settings(task: Task) -> dict[str, Any]:
    """What decides the result beside the section and the boundaries."""
    grammar = digest(
        *(repr((block.category, block.frames, sorted(block.slots.items()))) for block in task.pack.grammar)
    )
    return {"seeds": SEEDS, "pool": POOL, "grammar": grammar[:16], "target": task.target.name,
            "max_perplexity_ratio": task.workspace.config.candidates.max_perplexity_ratio}  # fmt: skip


def write(task: Task) -> Output:
    """Fluent candidates around the triggers that lie on the refusing side, nearest the boundary first."""
    triggers = [row for row in run_triggers(task).rows if not row.whole - row.without < TELLING]
    seeds = {row.id: row for row in task.benign}
    kinds = (grammar_rows(task.pack, triggers, seeds), mention_rows(task.pack, triggers, seeds),
             reduction_rows(task.pack, triggers, seeds))  # fmt: skip
    drafts = [Draft(row) for row in round_robin([list(rows) for rows in kinds], POOL * task.section.count)]
    sound = [
        draft for draft in drafts if draft.prompt.intent == "benign"
    ]  # of the grammar: people wrote it to be fluent
    drafts = sound + task.screen.check([draft for draft in drafts if draft.prompt.intent != "benign"])
    good = list({draft.prompt.id: draft.prompt for draft in drafts if not draft.reason}.values())
    margins = {
        key: max(found, key=lambda margin: margin.margin) for key, found in task.margins(good, "debugging").items()
    }
    near = {row.id for row in choose_near([row for row in good if margins[row.id].margin > 0],
                                          {key: abs(margin.margin) for key, margin in margins.items()}, task.section.count)}  # fmt: skip
    return sort_out([_judged(draft, margins.get(draft.prompt.id), near) for draft in drafts], task.step)


def _judged(draft: Draft, margin: Any, near: set[str]) -> Draft:
    """A draft with its margin as provenance, and with a reason where it lies elsewhere than wanted."""
    if draft.reason or margin is None:
        return draft
    found = round(margin.margin, 4)
    if draft.prompt.id not in near:
        reason = "farther_from_boundary" if margin.margin > 0 else "answered_side"
        return draft._replace(reason=reason, evidence={"margin": found})
    detail = {**json.loads(draft.prompt.detail), "target": margin.target, "margin_after": found}
    return draft._replace(prompt=dataclasses.replace(draft.prompt, detail=canonical(detail)))


def grammar_rows(pack: Pack, triggers: Sequence[Trigger], seeds: dict[str, Prompt]) -> Iterator[Prompt]:
    """Combinations of the grammar that hold all of a fragment's words, the fragments taking turns."""
    combinations = [(block.category, *each) for block in pack.grammar for each in block.combinations()]
    groups = []
    for trigger in triggers:
        found = [_row(text, pack, category, "benign", trigger, {"kind": "grammar", "slots": slots})
                 for category, text, slots in combinations if _holds(text, trigger.fragment, pack.script)]  # fmt: skip
        groups.append(sorted(found, key=lambda row: digest("debugging", trigger.prompt_id, row.id)))
    written = {row.id for row in (*pack.benign, *pack.harmful, *pack.harmless)}
    for row in round_robin(groups, sum(map(len, groups))):
        if row.id not in written:  # the first fragment that a combination holds is named
            written.add(row.id)
            yield row


def mention_rows(pack: Pack, triggers: Sequence[Trigger], seeds: dict[str, Prompt]) -> Iterator[Prompt]:
    """Fragments in frames that explain a phrase in quotes: there it is named, not used, so any phrase is grammatical."""
    frames = [(block, frame, match[1]) for block in pack.grammar if block.category in EXPLAINING
              for frame in block.frames if (match := _QUOTED.search(frame))]  # fmt: skip
    for trigger in triggers:
        phrase = _phrase(trigger, seeds[trigger.prompt_id].text, pack.script)
        for block, frame, name in frames if phrase else ():
            values = {other: block.slots[other][0] for other in slot_names(frame)} | {name: phrase}
            yield _row(fill(frame, values), pack, block.category, "unknown", trigger,
                       {"kind": "mention", "slots": {"frame": frame, **values}})  # fmt: skip


def _phrase(trigger: Trigger, text: str, script: str) -> str:
    """The fragment as one stretch of its prompt without marks around it; empty where it is scattered or long."""
    if trigger.units > LONGEST_MENTION * (3 if script in UNSPACED else 1):
        return ""
    glue = "" if script in UNSPACED else " "
    inside = trigger.fragment in glue.join(units(text, script))
    return trigger.fragment.strip(MARKS) if inside else ""


def reduction_rows(pack: Pack, triggers: Sequence[Trigger], seeds: dict[str, Prompt]) -> Iterator[Prompt]:
    """Refused seeds without one of their clauses, where the fragment stays whole."""
    for trigger in triggers:
        seed = seeds[trigger.prompt_id]
        for text in without_clause(seed.text):
            if _holds(text, trigger.fragment, pack.script):
                yield _row(text, pack, seed.category, "unknown", trigger, {"kind": "reduction"})


def without_clause(text: str) -> list[str]:
    """The text without each of its clauses in turn; not without the last where what is before it is no sentence by itself."""
    clauses = [clause for clause in _BREAK.split(text) if clause]
    if len(clauses) < 2 or text.count("'") > 1 or any(mark in text for mark in '"“„«「『《'):
        return []  # a cut might part quotation marks
    spaced = " " if " " in text.strip() else ""
    found = []
    for index in range(len(clauses)):
        rest = spaced.join(clauses[:index] + clauses[index + 1 :])
        if index < len(clauses) - 1 or rest[-1] in _CLOSERS:
            found.append(rest[0].upper() + rest[1:] if text[0].isupper() else rest)
    return found


def _holds(text: str, fragment: str, script: str) -> bool:
    """Whether a text has all words of a fragment; where words are not spaced, the fragment itself."""
    if script in UNSPACED:
        plain = ["".join(char for char in normalise(each) if char.isalnum()) for each in (fragment, text)]
        return bool(plain[0]) and plain[0] in plain[1]
    wanted, there = ({word_of(unit) for unit in units(normalise(each), script)} for each in (fragment, text))
    return bool(wanted - {""}) and wanted - {""} <= there


def _row(text: str, pack: Pack, category: str, intent: str, trigger: Trigger, detail: dict[str, Any]) -> Prompt:
    return make_prompt(text, pack.code, category=category, intent=intent, method="debugging", seed_id=trigger.prompt_id,
                       detail={"writer": "debugging/1", "fragment": trigger.fragment, "target": trigger.target,
                               "margin_before": round(trigger.whole, 4), **detail})  # fmt: skip
