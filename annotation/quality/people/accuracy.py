"""How often people answer as a key says, as the author meant, or as the others do; and what they confuse."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from annotation.quality.evidence import Answer
from curation.rates import Rate, wilson


def against(rows: Iterable[Answer], key: Mapping[str, str]) -> Rate:
    """The share of answers that are the key's, of those on items that the key knows."""
    right = [row.answer == key[row.prompt.id] for row in rows if row.prompt.id in key]
    return wilson(sum(right), len(right))


def confusion(rows: Iterable[Answer], key: Mapping[str, str]) -> Counter[tuple[str, str]]:
    """How often each (key, answer) occurs."""
    return Counter((key[row.prompt.id], row.answer) for row in rows if row.prompt.id in key)


class Others:
    """What the others answered on each item, from anybody's point of view."""

    def __init__(self, rows: Iterable[Answer]) -> None:
        self._by_item: dict[str, dict[str, str]] = defaultdict(dict)
        for row in rows:
            self._by_item[row.prompt.id][row.annotator] = row.answer

    def answers(self, prompt_id: str, but: str) -> list[str]:
        """The answers of everybody else on an item."""
        return [answer for name, answer in sorted(self._by_item.get(prompt_id, {}).items()) if name != but]

    def key(self, but: str) -> dict[str, str]:
        """The most frequent answer of the others on each item; items where they are split or absent are left out."""
        found = {}
        for prompt_id in self._by_item:
            ranked = Counter(self.answers(prompt_id, but)).most_common(2)
            if ranked and (len(ranked) == 1 or ranked[0][1] > ranked[1][1]):
                found[prompt_id] = ranked[0][0]
        return found
