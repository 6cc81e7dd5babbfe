"""Trigger fragments: the smallest part of a refused benign prompt that alone still lies on the refusing side.

Delta debugging (ddmin: Zeller and Hildebrandt, 2002) with the boundary as its test. A model may refuse any scrap of text just for
being odd, so a fragment must also hold a word that no harmless seed has. The searches of many prompts go on in step, and
all subsets of one round of all of them are measured in one batch.
"""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections.abc import Callable, Generator, Sequence, Set
from typing import TYPE_CHECKING, NamedTuple

from curation.records import Prompt, Trigger, make_prompt
from curation.steps import Outcome, Output, Step

if TYPE_CHECKING:
    from rass.writers.running import Task

VERSION = 1
SEEDS = 32  # refused seeds that are searched, nearest the boundary first: each costs some 40 to 100 margins
UNSPACED = frozenset({"Hans", "Hant", "Jpan", "Thai"})
MARKS = " '\"‘’“”„‚«»‹›「」『』《》()（）[],;:.!?…，；：、。！？،؛؟।¿¡—–"
_WORD = re.compile(r"\S+")

Kept = tuple[int, ...]  # the units of a text that are kept
Measure = Callable[[list[str]], list[float]]  # texts -> margins
Search = Generator[list[Kept], list[float], Kept]


def units(text: str, script: str) -> list[str]:
    """What a text is cut into: words, or in scripts that set none apart characters with their marks; blanks stay behind."""
    if script not in UNSPACED:
        return _WORD.findall(text)
    found: list[str] = []
    for char in text:
        mark = unicodedata.category(char).startswith("M") or char.isspace()
        if found and (mark or _of_one_word(found[-1][-1], char)):
            found[-1] += char
        elif not char.isspace():
            found.append(char)
    return [unit.rstrip() if index == len(found) - 1 else unit for index, unit in enumerate(found)]


def _of_one_word(before: str, char: str) -> bool:
    """Latin letters and digits amid another script stay together."""
    return before.isascii() and before.isalnum() and char.isascii() and char.isalnum()


def word_of(unit: str) -> str:
    """A unit as it is compared: case and marks around it do not count."""
    return unit.casefold().strip(MARKS)


def joined(parts: Sequence[str], kept: Kept, script: str) -> str:
    """The kept units as a text."""
    return ("" if script in UNSPACED else " ").join(parts[index] for index in kept).strip()


def ddmin(count: int) -> Search:
    """Delta debugging over `count` units: yields the subsets to be tested, takes their margins, returns a 1-minimal one.

    A subset passes with a margin above 0; where several do, the search goes on in the one with the largest, which leads past
    fragments that are refused just for being odd. 1-minimal: without any one of its units it fails. The whole is taken to
    pass, and nothing at all is never asked.
    """
    kept, pieces = tuple(range(count)), 2
    while len(kept) > 1:
        pieces = min(pieces, len(kept))
        cuts = [round(index * len(kept) / pieces) for index in range(pieces + 1)]
        subsets = [kept[start:end] for start, end in itertools.pairwise(cuts)]
        rest = [tuple(unit for unit in kept if unit not in set(subset)) for subset in subsets] if pieces > 2 else []
        margins = yield [*subsets, *rest]
        for tried, finer in ((subsets, 2), (rest, max(pieces - 1, 2))):
            best = max(range(len(tried)), key=lambda index: (margins[index], -index), default=None)
            if best is not None and margins[best] > 0:
                kept, pieces = tried[best], finer
                break
            margins = margins[len(tried) :]
        else:
            if pieces == len(kept):
                break
            pieces *= 2
    return kept


class Reduced(NamedTuple):
    """A text cut down, with all that was asked on the way."""

    kept: Kept
    tested: dict[Kept, float]  # subset -> margin


def reduce_all(
    texts: Sequence[Sequence[str]], script: str, measure: Measure, plain: Set[str] = frozenset()
) -> list[Reduced]:
    """Cut every text (given as its units) down to what still has a margin above 0, all in step.

    `plain` are words (`word_of` a unit) that explain nothing: what holds no other fails unasked.
    """
    searches = [ddmin(len(parts)) for parts in texts]
    tested: list[dict[Kept, float]] = [{} for _ in texts]
    found: dict[int, Kept] = {}
    asked: dict[int, list[Kept]] = {}

    def advance(index: int, answers: list[float] | None) -> None:
        try:
            asked[index] = searches[index].send(answers)  # type: ignore[arg-type]
        except StopIteration as end:
            found[index] = end.value
            asked.pop(index, None)

    for index in range(len(texts)):
        advance(index, None)
    while asked:
        for index, subsets in asked.items():
            said = [word_of(unit) for unit in texts[index]]
            tested[index] |= {kept: -math.inf for kept in subsets if all(said[unit] in plain for unit in kept)}
        new = [
            (index, kept) for index, subsets in sorted(asked.items()) for kept in subsets if kept not in tested[index]
        ]
        margins = measure([joined(texts[index], kept, script) for index, kept in new]) if new else []
        for (index, kept), margin in zip(new, margins, strict=True):
            tested[index][kept] = margin
        for index, subsets in sorted(asked.items()):
            advance(index, [tested[index][kept] for kept in subsets])
    return [Reduced(found[index], tested[index]) for index in range(len(texts))]


def run_triggers(task: Task) -> Outcome:
    """Find the trigger fragments of the language's refused benign seeds in the first target, and keep them in their table."""
    from rass.probing import boundary_key

    settings = {"boundary": boundary_key(task.workspace, task.target), "target": task.target.name, "seeds": SEEDS}
    step = Step(f"triggers-{task.language}", VERSION, settings, lambda: lambda rows: Output(find_triggers(task, rows)),
                title=f"trigger fragments, {task.language}")  # fmt: skip
    return task.workspace.run(step, task.benign, Trigger)


def find_triggers(task: Task, seeds: Sequence[Prompt]) -> list[Trigger]:
    """One fragment for each of the refused seeds nearest the boundary, by the seed's id."""
    from rass.boundary import measure
    from rass.pool import loaded

    chat, boundary, script = loaded(task.target.model), task.boundary, task.pack.script

    def margins(texts: list[str]) -> list[float]:
        rows = [make_prompt(text, task.language, category="", intent="", method="") for text in texts]
        return [row.margin for row in measure(chat, boundary, rows, f"trigger fragments, {task.language}")]

    whole = dict(zip(seeds, margins([seed.text for seed in seeds]), strict=True))
    refused = sorted((seed for seed in seeds if whole[seed] > 0), key=lambda seed: (whole[seed], seed.id))[:SEEDS]
    parts = [units(seed.text, script) for seed in refused]
    plain = {word_of(unit) for seed in task.seeds if seed.category == "harmless" for unit in units(seed.text, script)}
    reduced = reduce_all(parts, script, margins, plain)
    rests = [joined(cut, tuple(sorted(set(range(len(cut))) - set(one.kept))), script)
             for cut, one in zip(parts, reduced, strict=True)]  # fmt: skip
    without = iter(margins([rest for rest in rests if rest]))
    found = [Trigger(seed.id, task.language, task.target.name, joined(cut, one.kept, script), len(one.kept), len(cut),
                     one.tested.get(one.kept, whole[seed]), whole[seed], next(without) if rest else float("nan"))
             for seed, cut, one, rest in zip(refused, parts, reduced, rests, strict=True)]  # fmt: skip
    return sorted(found, key=lambda row: row.prompt_id)
