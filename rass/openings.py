"""How refusals begin: for each first token of a reply, the share of replies begun so that refuse.

Which tokens those are, a target's own labelled replies tell better than any list: refusals are stereotyped, answers are not. A
token that begins refusals and answers alike (the French D of *Désolé* and of *Dès*) is followed further, up to DEPTH tokens.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from curation.languages.packs import Pack
from curation.progress import progress_bar
from rass.models import ChatModel, length_batches

DEPTH = 3  # tokens of a reply that are looked at
UNSURE = (0.05, 0.95)  # a token whose share lies between is followed
# Targets are asked greedily: a refusal that many ways to answer outweigh together is still given where it outweighs each.
TEMPERATURE = 0.25
LEAST_REPLIES = 2  # of either kind that a token must have begun to be followed


@dataclasses.dataclass(frozen=True)
class Openings:
    """First tokens, and of the replies that each begins the share that refuses; `other` is that of every other token.

    `then` holds, for tokens that do not settle it, the openings of what follows them. Tokens are weighed as at `temperature`.
    """

    tokens: tuple[int, ...]
    shares: tuple[float, ...]
    other: float = 0.0
    then: tuple[tuple[int, Openings], ...] = ()
    temperature: float = 1.0

    @classmethod
    def of(cls, openings: Openings | Sequence[int]) -> Openings:
        """Openings as they are; of bare tokens, such that these alone open refusals, and always."""
        return openings if isinstance(openings, cls) else cls(tuple(openings), (1.0,) * len(openings))  # type: ignore[arg-type]

    def to_json(self) -> dict[str, Any]:
        """As plain lists and numbers."""
        return {"tokens": list(self.tokens), "shares": list(self.shares), "other": self.other, "temperature": self.temperature,
                "then": [[token, after.to_json()] for token, after in self.then]}  # fmt: skip

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Openings:
        """What `to_json` told."""
        then = tuple((token, cls.from_json(after)) for token, after in told["then"])
        return cls(tuple(told["tokens"]), tuple(told["shares"]), told["other"], then, told["temperature"])


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


def first_tokens(chat: ChatModel, prompts: Sequence[str], count: int = DEPTH) -> list[tuple[int, ...]]:
    """The first tokens of the model's greedy reply to each prompt; fewer where it ends before."""
    import torch

    encoded = chat.encode(prompts)
    found: list[tuple[int, ...]] = [()] * len(encoded)
    with progress_bar("openings", total=len(encoded)) as advance, torch.inference_mode():
        for rows in length_batches([len(ids) for ids in encoded], 32):
            ids, mask = chat.pad([encoded[row] for row in rows])
            out = chat.model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=count, do_sample=False, num_beams=1,
                                      eos_token_id=chat.end_ids, pad_token_id=chat.end_ids[0])  # fmt: skip
            for row, written in zip(rows, out[:, ids.shape[1] :].tolist(), strict=True):
                ended = next((place + 1 for place, token in enumerate(written) if token in chat.end_ids), count)
                found[row] = tuple(written[:ended])
            advance(len(rows))
    return found


def learn_openings(begun: Sequence[Sequence[int]], refused: Sequence[bool], known: Collection[int] = ()) -> Openings:
    """Openings out of the first tokens of replies and whether each reply refuses.

    A token's share is shrunken by one reply toward that of tokens never seen, which is estimated by the tokens seen once
    (Good, 1953); toward one half for `known` tokens, those of the language packs' phrases.
    """
    replies: dict[int, Counter[bool]] = defaultdict(Counter)
    after: dict[int, list[tuple[Sequence[int], bool]]] = defaultdict(list)
    for tokens, refuses in zip(begun, refused, strict=True):
        replies[tokens[0]][bool(refuses)] += 1
        if len(tokens) > 1:
            after[tokens[0]].append((tokens[1:], bool(refuses)))
    once = [counts[True] for counts in replies.values() if counts.total() == 1]
    other = (sum(once) + 1) / (len(once) + 2)
    shares = {token: (replies[token][True] + (0.5 if token in known else other)) / (replies[token].total() + 1)
              for token in sorted({*replies, *known})}  # fmt: skip
    unsure = [token for token, share in shares.items()
              if UNSURE[0] < share < UNSURE[1] and min(_both_kinds(after[token])) >= LEAST_REPLIES]  # fmt: skip
    then = [(token, learn_openings(*zip(*after[token], strict=True))) for token in unsure]
    return Openings(tuple(shares), tuple(shares.values()), other, tuple(then), TEMPERATURE)


def _both_kinds(replies: Sequence[tuple[Sequence[int], bool]]) -> tuple[int, int]:
    """How many refuse, and how many do not."""
    refusing = sum(refuses for _, refuses in replies)
    return refusing, len(replies) - refusing
