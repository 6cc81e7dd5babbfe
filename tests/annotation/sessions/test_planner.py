from __future__ import annotations

import itertools
import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.sessions.opening import half_shown
from annotation.sessions.planner import assign

PEOPLE = st.integers(2, 12).map(lambda count: [f"p{number}" for number in range(count)])
ITEMS = st.integers(0, 60).map(lambda count: [f"i{number}" for number in range(count)])
SEEDS = st.integers(0, 5)


def loads(plan: dict[str, tuple[str, ...]], people: list[str]) -> Counter[str]:
    return Counter(dict.fromkeys(people, 0)) + Counter(person for found in plan.values() for person in found)


@given(ITEMS, PEOPLE, st.integers(1, 4), SEEDS)
def test_each_item_goes_to_so_many_different_people_and_loads_are_equal_within_one(
    items: list[str], people: list[str], overlap: int, seed: int
) -> None:
    plan = assign(items, people, overlap, seed=seed)
    assert list(plan) == items
    for found in plan.values():
        assert len(set(found)) == len(found) == min(overlap, len(people))
    each = [loads(plan, people)[person] for person in people]
    assert max(each) - min(each) <= 1


@settings(max_examples=25)
@given(st.integers(40, 120), PEOPLE, st.integers(2, 4), SEEDS)
def test_any_two_people_meet_on_about_equally_many_items(
    count: int, people: list[str], overlap: int, seed: int
) -> None:
    plan = assign([str(number) for number in range(count)], people, overlap, seed=seed)
    meetings = Counter(dict.fromkeys(itertools.combinations(sorted(people), 2), 0))
    for found in plan.values():
        meetings.update(itertools.combinations(found, 2))
    assert max(meetings.values()) - min(meetings.values()) <= 4
    if sum(meetings.values()) / len(meetings) >= 4:
        assert min(meetings.values()) >= 1


@given(ITEMS, PEOPLE, SEEDS, st.randoms())
def test_who_is_named_first_changes_nothing(
    items: list[str], people: list[str], seed: int, shuffle: random.Random
) -> None:
    mixed = list(people)
    shuffle.shuffle(mixed)
    assert assign(items, people, 2, seed=seed) == assign(items, [*mixed, *people], 2, seed=seed)


@given(ITEMS, PEOPLE, SEEDS, st.integers(0, 8), st.data())
def test_nobody_gets_an_item_twice_or_more_than_they_can_take(
    items: list[str], people: list[str], seed: int, capacity: int, data: st.DataObject
) -> None:
    taken = {item: data.draw(st.sets(st.sampled_from(people))) for item in items[:5]}
    before = {person: data.draw(st.integers(0, 3)) for person in people}
    plan = assign(items, people, 2, seed=seed, taken=taken, loads=before, capacity=capacity)
    for item, found in plan.items():
        assert found
        assert not set(found) & set(taken.get(item, ()))
    for person, count in loads(plan, people).items():
        assert count + before[person] <= max(capacity, before[person])


@given(ITEMS, PEOPLE, SEEDS)
def test_who_is_to_be_avoided_gets_an_item_only_where_nobody_else_is(
    items: list[str], people: list[str], seed: int
) -> None:
    plan = assign(items, people, 1, seed=seed, avoid=dict.fromkeys(items, people[1:]))
    assert all(found == (people[0],) for found in plan.values())
    everybody = assign(items, people, 1, seed=seed, avoid=dict.fromkeys(items, people))
    assert list(everybody) == items


@given(ITEMS, PEOPLE, st.integers(1, 4), SEEDS)
def test_half_of_the_suggestions_are_shown_to_each_item_and_each_person(
    items: list[str], people: list[str], overlap: int, seed: int
) -> None:
    seats = assign(items, people, overlap, seed=seed)
    shown = half_shown(seats, seed)
    for item, found in seats.items():
        seen = sum(item in shown.get(person, ()) for person in found)
        assert abs(2 * seen - len(found)) <= 1
    for person in people:
        mine = [item for item, found in seats.items() if person in found]
        assert shown.get(person, set()) <= set(mine)
        assert abs(2 * len(shown.get(person, ())) - len(mine)) <= 4
