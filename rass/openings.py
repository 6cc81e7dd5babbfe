"""Tokens with which a model opens a refusal, taken from the language packs' phrases."""

from __future__ import annotations

from collections.abc import Iterable

from curation.languages.packs import Pack
from rass.models import ChatModel


def opening_tokens(chat: ChatModel, packs: Iterable[Pack]) -> list[int]:
    """First token ids of the packs' refusal phrases, as they are written at the start of a reply."""
    found: set[int] = set()
    for pack in packs:
        for phrase in pack.full_refusals:
            start = phrase.strip()
            for text in {start[:1].upper() + start[1:], start}:
                ids = chat.tokenizer(text, add_special_tokens=False)["input_ids"]
                if ids:
                    found.add(int(ids[0]))
    return sorted(found)
