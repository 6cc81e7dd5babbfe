"""Who gets which item: a balanced plan, in the manner of incomplete block designs, made greedily.

Everybody gets equally many items, and every two people meet on about equally many: without that, agreement between two
people could not be told. The plan follows from its arguments alone; the order in which people are named changes nothing.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from curation.records import digest


def assign(
    items: Sequence[str],
    people: Collection[str],
    overlap: int,
    *,
    seed: int,
    taken: Mapping[str, Collection[str]] | None = None,
    avoid: Mapping[str, Collection[str]] | None = None,
    loads: Mapping[str, int] | None = None,
    capacity: int | None = None,
) -> dict[str, tuple[str, ...]]:
    """Give each item to `overlap` people, in the order of items; an item that nobody can take any more is left out.

    `taken` names those who have an item already (they meet the new ones on it, and never get it twice), `avoid` those
    who get it only where there is nobody else, `loads` what people already have, `capacity` the most that anybody may
    have. Without `taken` and `avoid`, and with equal loads, the loads that come out are equal within 1.
    """
    known = {item: frozenset(found) for item, found in (taken or {}).items()}
    load = Counter({person: (loads or {}).get(person, 0) for person in people})
    meetings = Counter(pair for found in known.values() for pair in itertools.combinations(sorted(found), 2))
    plan: dict[str, tuple[str, ...]] = {}
    for item in items:
        company = sorted(known.get(item, ()))
        free = [person for person in sorted(load) if person not in company]
        free = [person for person in free if capacity is None or load[person] < capacity]
        chosen: list[str] = []
        while free and len(chosen) < overlap:
            met = [*company, *chosen]

            def rank(person: str, item: str = item, met: Sequence[str] = met) -> tuple[bool, int, int, int, str]:
                seen = [meetings[_pair(person, other)] for other in met]
                unwanted = person in (avoid or {}).get(item, ())
                return unwanted, load[person], sum(seen), max(seen, default=0), digest("seat", str(seed), item, person)

            best = min(free, key=rank)
            free.remove(best)
            chosen.append(best)
            meetings.update(_pair(best, other) for other in met)
        load.update(chosen)
        if chosen:
            plan[item] = tuple(sorted(chosen))
    return plan


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)
