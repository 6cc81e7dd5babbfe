"""Breeding: prompts as the choices of a pack that make them, and the operators that change one choice.

Every operator leads from combinations of the grammar to another combination, never out of it, so that what is bred is
grammatical and benign for the reason that its parents are: other values for slots, another frame with the same slots, and two
questions of one block asked in one breath. The pack's benign seeds take part as blocks without slots.
"""

from __future__ import annotations

import dataclasses
import random
from collections import defaultdict
from typing import Any

from curation.languages.packs import GrammarBlock, Pack, fill, slot_names
from curation.records import digest

LONGEST = 2  # parts of one prompt: three questions at once are no longer asked
_ENDS = frozenset(".!?…。．！？؟।॥")
_CLOSING = "\"'”’»›」』）)*"
_JOINED = {"Hans": "", "Hant": "", "Jpan": ""}  # scripts that set no space between sentences
_UNMARKED = frozenset({"Thai"})  # scripts whose sentences end without a sign: a space parts them


@dataclasses.dataclass(frozen=True, order=True)
class Part:
    """One filled frame: the block it is of (by number) and the values of its slots."""

    block: int
    frame: str
    values: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """The frame with its values."""
        return fill(self.frame, dict(self.values))


@dataclasses.dataclass(frozen=True, order=True)
class Individual:
    """A prompt that can be bred on: one part, or several of one block."""

    parts: tuple[Part, ...]

    @property
    def block(self) -> int:
        """The number of the block that it is of."""
        return self.parts[0].block


class Breeder:
    """What can be bred out of one language pack."""

    def __init__(self, pack: Pack) -> None:
        seeds: dict[str, list[str]] = defaultdict(list)
        for row in pack.benign:
            if not slot_names(row.text):  # a seed with braces would be read as a frame
                seeds[row.category].append(row.text)
        written = (GrammarBlock(category, tuple(texts), {}) for category, texts in sorted(seeds.items()))
        self.blocks = (*pack.grammar, *written)
        self.script = pack.script

    def text(self, individual: Individual) -> str:
        """The prompt as it is asked."""
        return _JOINED.get(self.script, " ").join(part.text for part in individual.parts)

    def category(self, individual: Individual) -> str:
        """The category of its block."""
        return self.blocks[individual.block].category

    def describe(self, individual: Individual) -> list[dict[str, Any]]:
        """Its choices, for provenance."""
        return [{"frame": part.frame, "slots": dict(part.values)} for part in individual.parts]

    def founders(self, seed: int, limit: int) -> list[Individual]:
        """At most `limit` individuals of one part, drawn evenly over the blocks."""
        drawn = []
        for number, block in enumerate(self.blocks):
            parts = [Part(number, slots["frame"], tuple((name, slots[name]) for name in slot_names(slots["frame"])))
                     for _, slots in block.combinations()]  # fmt: skip
            parts.sort(key=lambda part: digest("founder", str(seed), part.text))
            drawn += [(turn, number, Individual((part,))) for turn, part in enumerate(parts)]
        return [individual for *_, individual in sorted(drawn)[:limit]]

    def child(self, parent: Individual, mate: Individual, chance: random.Random) -> tuple[str, Individual] | None:
        """A changed copy of `parent` and the operator that made it; `mate` is of the same block."""
        children = {
            "slot": self._with_other_value(parent, chance),
            "frame": self._with_other_frame(parent, chance),
            "cross": self._crossed(parent, mate, chance),
            "join": self._joined(parent, mate),
            "part": Individual((chance.choice(parent.parts),)) if len(parent.parts) > 1 else None,
        }
        possible = [(name, child) for name, child in children.items() if child is not None and child != parent]
        return chance.choice(possible) if possible else None

    def _with_other_value(self, parent: Individual, chance: random.Random) -> Individual | None:
        """One slot of one part with another value of the same block."""
        choices = [(index, name, value) for index, part in enumerate(parent.parts) for name, old in part.values
                   for value in self.blocks[part.block].slots[name] if value != old]  # fmt: skip
        if not choices:
            return None
        index, name, value = chance.choice(choices)
        part = parent.parts[index]
        values = tuple((key, value if key == name else old) for key, old in part.values)
        return _replaced(parent, index, dataclasses.replace(part, values=values))

    def _with_other_frame(self, parent: Individual, chance: random.Random) -> Individual | None:
        """One part in another frame: of its block, or of one whose slots have the same names and the same values."""
        index = chance.randrange(len(parent.parts))
        part = parent.parts[index]
        known, own = dict(part.values), self.blocks[part.block]
        choices = []
        for number, block in enumerate(self.blocks):
            kin = number == part.block or (len(parent.parts) == 1 and _alike(own, block))
            choices += [(number, frame) for frame in block.frames if kin and frame != part.frame]
        if not choices:
            return None
        number, frame = chance.choice(choices)
        slots = self.blocks[number].slots
        values = tuple((name, known.get(name) or chance.choice(slots[name])) for name in slot_names(frame))
        return _replaced(parent, index, Part(number, frame, values))

    def _crossed(self, parent: Individual, mate: Individual, chance: random.Random) -> Individual | None:
        """One part with each value from either parent."""
        index = chance.randrange(len(parent.parts))
        part, other = parent.parts[index], dict(chance.choice(mate.parts).values)
        values = tuple((name, chance.choice((old, other.get(name, old)))) for name, old in part.values)
        return _replaced(parent, index, dataclasses.replace(part, values=values))

    def _joined(self, parent: Individual, mate: Individual) -> Individual | None:
        """Both asked in one breath, where each is a sentence of its own."""
        parts = (*parent.parts, mate.parts[0])
        if len(parts) > LONGEST or len(set(parts)) < len(parts):
            return None
        closed = self.script in _UNMARKED or all(part.text.rstrip(_CLOSING)[-1:] in _ENDS for part in parts)
        return Individual(parts) if closed else None


def _replaced(individual: Individual, index: int, part: Part) -> Individual | None:
    """With one part exchanged; None where the same part would stand there twice."""
    parts = (*individual.parts[:index], part, *individual.parts[index + 1 :])
    return Individual(parts) if len(set(parts)) == len(parts) else None


def _alike(one: GrammarBlock, other: GrammarBlock) -> bool:
    """Whether two blocks have the same slots with the same values: then a frame of either takes the other's."""
    return bool(one.slots) and {name: set(values) for name, values in one.slots.items()} == {
        name: set(values) for name, values in other.slots.items()
    }
