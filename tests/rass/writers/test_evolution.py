"""Breeding stays inside the grammar; evolution finds what lies where it aims, and leaves its provenance."""

from __future__ import annotations

import json
import random
import zlib
from collections import defaultdict

import pytest

from curation.languages.packs import Pack, available_languages, load_pack
from curation.records import Prompt, normalise
from rass.writers.breeding import LONGEST, Breeder, Individual
from rass.writers.evolution import AIM, Bred, choose, evolve


def texts_of(pack: Pack) -> dict[str, int]:
    """Every text that one part can have, with its block's number."""
    breeder = Breeder(pack)
    return {text: number for number, block in enumerate(breeder.blocks) for text, _ in block.combinations()}


def margin_of(text: str) -> float:
    """A margin that depends on each word: words shared with a parent bring a child near it."""
    return sum(zlib.crc32(word.encode()) % 200 / 100 - 1 for word in text.split())


def by_words(rows: list[Prompt]) -> dict[str, float]:
    return {row.id: margin_of(row.text) for row in rows}


def evolved(code: str = "en", seed: int = 7, budget: int = 240) -> list[Bred]:
    return evolve(load_pack(code), seed, by_words, budget=budget)


@pytest.mark.parametrize("code", available_languages())
def test_children_stay_inside_one_block(code: str) -> None:
    pack = load_pack(code)
    breeder, known, chance = Breeder(pack), texts_of(pack), random.Random(3)
    niches: dict[int, list[Individual]] = defaultdict(list)
    for one in breeder.founders(7, 200):
        niches[one.block].append(one)
    operators = set()
    for _ in range(400):
        niche = niches[chance.choice(sorted(niches))]
        parent, mate = chance.choice(niche), chance.choice(niche)
        made = breeder.child(parent, mate, chance)
        if made is None:
            continue
        operator, child = made
        operators.add(operator)
        assert child != parent and 1 <= len(child.parts) <= LONGEST
        assert len({known[part.text] for part in child.parts}) == 1
        assert {breeder.blocks[part.block].category for part in child.parts} == {breeder.category(child)}
        assert "{" not in breeder.text(child)
        niches[child.block].append(child)
    assert {"slot", "frame"} <= operators


def test_two_questions_are_joined_as_the_script_does() -> None:
    for code, glue in (("en", " "), ("zh", ""), ("th", " ")):
        breeder, chance = Breeder(load_pack(code)), random.Random(1)
        niches: dict[int, list[Individual]] = defaultdict(list)
        for one in breeder.founders(7, 200):
            niches[one.block].append(one)
        made = [
            breeder.child(niche[0], niche[1], chance) for niche in niches.values() for _ in range(20) if len(niche) > 1
        ]
        joined = [child for operator, child in filter(None, made) if operator == "join"]
        assert joined, code
        for child in joined:
            assert breeder.text(child) == glue.join(part.text for part in child.parts)


def test_founders_are_spread_over_blocks_and_drawn_by_the_seed() -> None:
    breeder = Breeder(load_pack("en"))
    founders = breeder.founders(7, 3 * len(breeder.blocks))
    counts = [sum(one.block == number for one in founders) for number in range(len(breeder.blocks))]
    assert min(counts) >= 1
    assert founders == breeder.founders(7, len(founders)) != breeder.founders(8, len(founders))


def test_evolution_repeats_and_keeps_its_budget() -> None:
    asked: list[str] = []

    def measure(rows: list[Prompt]) -> dict[str, float]:
        asked.extend(row.id for row in rows)
        return by_words(rows)

    found = evolve(load_pack("en"), 7, measure, budget=200)
    assert len(asked) == len(set(asked)) == 200
    assert found == evolved(budget=200)
    assert found != evolved(seed=8, budget=200)
    assert [one.row.id for one in found] == sorted(one.row.id for one in found)


def test_every_child_tells_where_it_comes_from() -> None:
    pack, found = load_pack("en"), evolved()
    seeds = {row.id: row for row in pack.benign}
    texts = {one.row.id: one.row.text for one in found} | {key: row.text for key, row in seeds.items()}
    known = {normalise(text) for text in texts_of(pack)}
    for one in found:
        detail = json.loads(one.row.detail)
        assert (one.row.method, one.row.intent, one.row.language) == ("evolution", "benign", "en")
        assert detail["margin_after"] == round(one.margin, 4) == round(margin_of(one.row.text), 4)
        assert len(detail["parts"]) == len(one.individual.parts)
        assert all(normalise(part.text) in known for part in one.individual.parts)
        if detail["operator"] == "founder":
            assert "parent" not in detail and one.row.seed_id == ""
        else:
            assert detail["margin_before"] == round(margin_of(texts[detail["parent"]]), 4)
            assert detail["generation"] >= 1
            assert one.row.seed_id == "" or one.row.seed_id in seeds
    assert not {one.row.id for one in found} & set(seeds)


def test_with_the_margin_it_comes_nearer_than_without() -> None:
    guided = evolved(budget=360)
    blind = evolve(load_pack("en"), 7, lambda rows: {row.id: AIM for row in rows}, budget=360)
    nearest = [sorted(abs(margin_of(one.row.text) - AIM) for one in some)[:60] for some in (guided, blind)]
    assert sum(nearest[0]) < 0.9 * sum(nearest[1])


def test_every_one_is_kept_or_has_its_reason() -> None:
    found = evolved()
    out = choose(found, 40, "write-evolution-en")
    assert len(out.rows) == 40
    assert {row.id for row in out.rows} | {row.prompt_id for row in out.rejects} == {one.row.id for one in found}
    assert len(out.rows) + len(out.rejects) == len(found)
    margins = {one.row.id: one.margin for one in found}
    assert all(margins[row.id] > 0 for row in out.rows)
    assert {row.reason for row in out.rejects} == {"answered_side", "farther_from_boundary"}
    assert all((row.reason == "answered_side") == (margins[row.prompt_id] <= 0) for row in out.rejects)
    assert len({row.category for row in out.rows}) >= 8
    assert choose(found[::-1], 40, "write-evolution-en").rows == out.rows
    assert choose(found, 0, "x").rows == []
