"""Slot mutation: distinct, repeatable, spread over blocks and categories."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.languages.packs import Pack, available_languages, load_pack, read_pack
from curation.records import Prompt, normalise
from curation.testing import mutation
from rass.writers.mutation import choose_near, expand
from tests.small import small_pack

CATEGORIES = ("fiction", "history", "homonyms", "prevention")


def blocks_of(pack: Pack) -> list[set[str]]:
    return [{normalise(text) for text, _ in block.combinations()} for block in pack.grammar]


@pytest.mark.parametrize("code", available_languages())
def test_combinations_are_distinct_benign_and_no_seeds(code: str) -> None:
    pack = load_pack(code)
    rows = expand(pack, 7)
    texts = [normalise(row.text) for row in rows]
    seeds = {normalise(row.text) for row in (*pack.benign, *pack.harmful, *pack.harmless)}
    assert len(set(texts)) == len({row.id for row in rows}) == len(rows) <= 480
    assert not seeds & set(texts)
    assert {(row.language, row.intent, row.method) for row in rows} == {(code, "benign", "mutation")}
    assert not [row.text for row in rows if "{" in row.text or "}" in row.text]
    assert [row.id for row in rows] == sorted(row.id for row in rows)


@pytest.mark.parametrize("code", available_languages())
def test_every_block_is_represented(code: str) -> None:
    pack = load_pack(code)
    texts = {normalise(row.text) for row in expand(pack, 7, limit=len(pack.grammar))}
    assert len(texts) == len(pack.grammar)
    assert all(texts & block for block in blocks_of(pack))


@pytest.mark.parametrize("limit", [0, 1, 13, 60, 10_000])
def test_the_limit_is_respected_and_a_seed_decides(limit: int) -> None:
    pack = load_pack("en")
    first = expand(pack, 7, limit)
    assert first == expand(pack, 7, limit)
    assert len(first) == min(limit, len(expand(pack, 7, 10_000)))
    if limit in (13, 60):
        assert first != expand(pack, 8, limit)
        assert set(first) <= set(expand(pack, 7, limit + 20))
    if limit == 10_000:
        assert first == expand(pack, 8, limit)


def test_a_combination_that_is_a_seed_is_left_out(tmp_path: Path) -> None:
    path = small_pack(tmp_path, seeds=3, blocks=1)
    text = expand(read_pack(path), 7)[0].text
    path.write_text(
        path.read_text(encoding="utf-8") + f'\n[[grammar]]\ncategory = "fiction"\nframes = ["{text}"]\n',
        encoding="utf-8",
    )
    with_twice = expand(read_pack(path), 7)
    assert len({row.id for row in with_twice}) == len(with_twice)
    harmless = '[[harmless]]\ntext = "' + text.upper() + '"\n[[grammar]]'
    path.write_text(path.read_text(encoding="utf-8").replace("[[grammar]]", harmless, 1), encoding="utf-8")
    assert normalise(text) not in {normalise(row.text) for row in expand(read_pack(path), 7)}


rows_and_distances = st.lists(st.tuples(st.sampled_from(CATEGORIES), st.floats(0, 9)), max_size=30)


@given(rows_and_distances, st.integers(0, 40), st.randoms())
def test_choosing_is_spread_near_and_independent_of_order(drawn: list[tuple[str, float]], count: int, shuffler) -> None:  # type: ignore[no-untyped-def]
    rows = [mutation(f"text {index}", category=category) for index, (category, _) in enumerate(drawn)]
    distance = {row.id: far for row, (_, far) in zip(rows, drawn, strict=True)}
    chosen = choose_near(rows, distance, count)
    assert len(chosen) == min(count, len(rows)) == len({row.id for row in chosen})
    shuffled = rows[:]
    shuffler.shuffle(shuffled)
    assert choose_near(shuffled, distance, count) == chosen
    for category in CATEGORIES:
        mine, other = members(chosen, category), members(rows, category)
        left = [row for row in other if row not in mine]
        if left:  # a category that has more is not behind another by more than one, and its nearest were taken
            assert all(len(members(chosen, each)) <= len(mine) + 1 for each in CATEGORIES)
            assert max((distance[row.id] for row in mine), default=0) <= min(distance[row.id] for row in left)


def members(rows: list[Prompt], category: str) -> list[Prompt]:
    return [row for row in rows if row.category == category]
