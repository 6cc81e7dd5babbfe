"""Token positions, counted from the end of the templated prompt: -1 is its last token, -5 the fifth from the end."""

from __future__ import annotations

from collections.abc import Sequence

from curation.errors import ModelError
from rass.models import ChatModel

AFTER_INSTRUCTION = "after_instruction"  # every token that the chat template writes after the user's text
LAST = -1

Positions = int | Sequence[int] | str  # the string is AFTER_INSTRUCTION

# texts that end differently, so that no token of theirs is taken for one of the template
_PROBES = ("a", "7", ".", "?", "z z", "好", "م", ")")


def positions_of(chat: ChatModel, positions: Positions) -> tuple[int, ...]:
    """Positions as numbers, in the order asked for; AFTER_INSTRUCTION runs from its first token to -1."""
    if positions == AFTER_INSTRUCTION:
        return tuple(range(-_tokens_after_instruction(chat), 0))
    if isinstance(positions, str):
        raise ModelError(f"unknown token positions {positions!r}", fix=f"use numbers below 0, or {AFTER_INSTRUCTION!r}")
    found = (positions,) if isinstance(positions, int) else tuple(int(position) for position in positions)
    if not found:
        raise ModelError("no token positions were given", fix="use -1 for the last prompt token")
    for position in found:
        if position >= 0:
            raise ModelError(
                f"token position {position} is not counted from the end of the prompt",
                fix="use -1 for the last token, -2 for the one before",
            )
    return found


def check_reach(encoded: Sequence[Sequence[int]], positions: Sequence[int]) -> None:
    """Raise ModelError where a position lies before the first token of a prompt."""
    shortest = min((len(ids) for ids in encoded), default=0)
    if encoded and -min(positions) > shortest:
        raise ModelError(
            f"token position {min(positions)} lies before the start of a prompt of {shortest} tokens",
            fix=f"use -{shortest} to -1, or leave short prompts out",
        )


def _tokens_after_instruction(chat: ChatModel) -> int:
    """How many tokens every templated prompt ends with."""
    ends = zip(*(reversed(ids) for ids in chat.encode(_PROBES)), strict=False)
    count = 0
    for column in ends:
        if len(set(column)) > 1:
            break
        count += 1
    if not count:
        raise ModelError(
            f"the chat template of {chat.name} writes nothing after the instruction", fix="give positions as numbers"
        )
    return count
