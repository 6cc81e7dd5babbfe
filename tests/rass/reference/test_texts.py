"""The training texts: enough of them, none twice, and none that the language packs hold."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from curation.errors import InputError
from curation.languages.packs import load_pack
from curation.records import normalise
from rass.reference import training
from rass.reference.carriers import CARRIERS
from rass.reference.training import RECIPES, TEXTS, read_examples

LANGUAGES = CARRIERS["reference"].languages


def rows_of(language: str) -> list[dict]:
    return [json.loads(line) for path in sorted(TEXTS.glob("*.jsonl")) if path.stem.split("_")[0] == language
            for line in path.read_text(encoding="utf-8").splitlines()]  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_promised_counts(language: str) -> None:
    counts = Counter(row.get("intent", "refusals") for row in rows_of(language))
    later = language not in RECIPES["reference"].languages  # brought in by a later pass, which needs less
    harmful, harmless = (250, 500) if language == "en" else (36, 34) if later else (100, 200)
    assert counts["refusals"] == 1
    assert counts["harmful"] >= harmful
    assert counts["harmless"] >= harmless
    assert counts["benign"] >= max(recipe.benign.get(language, 0) for recipe in RECIPES.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_rows_are_whole_and_no_prompt_stands_twice(language: str) -> None:
    seen: Counter[str] = Counter()
    for row in rows_of(language):
        if "refusals" in row:
            assert len(row["refusals"]) >= 3
            assert all(row["refusals"])
            continue
        assert set(row) == ({"intent", "prompt"} if row["intent"] == "harmful" else {"intent", "prompt", "reply"})
        assert all(value.strip() == value and value for value in row.values())
        seen[normalise(row["prompt"])] += 1
    assert not [prompt for prompt, count in seen.items() if count > 1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_packs_are_never_trained_on(language: str) -> None:
    pack = load_pack(language)
    held_out = {normalise(row.text) for row in (*pack.benign, *pack.harmful, *pack.harmless)}
    held_out |= {normalise(text) for block in pack.grammar for text, _ in block.combinations()}
    trained = {normalise(row["prompt"]) for row in rows_of(language) if "prompt" in row}
    assert not held_out & trained


@pytest.mark.parametrize("language", LANGUAGES)
def test_harmful_rows_are_refused_with_refusals_dealt_out(language: str) -> None:
    rows = rows_of(language)
    refusals = next(row["refusals"] for row in rows if "refusals" in row)
    harmful = {row["prompt"] for row in rows if row.get("intent") == "harmful"}
    examples = read_examples(language, 0)
    dealt = Counter(example.reply for example in examples if example.prompt in harmful)
    assert sum(dealt.values()) == len(harmful)
    assert set(dealt) == set(refusals)
    assert max(dealt.values()) - min(dealt.values()) <= 1 + len(harmful) // 20
    assert not {example.reply for example in examples if example.prompt not in harmful} & set(refusals)


@pytest.mark.parametrize("count", [0, 3, 10_000])
def test_the_number_of_answered_near_boundary_prompts_is_chosen(count: int) -> None:
    benign = [row["prompt"] for row in rows_of("en") if row.get("intent") == "benign"]
    found = [example.prompt for example in read_examples("en", count) if example.prompt in set(benign)]
    assert found == benign[:count]


def test_mistakes_are_one_line(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "TEXTS", tmp_path)
    with pytest.raises(InputError, match="no training texts for 'en'"):
        read_examples("en", 0)
    (tmp_path / "en.jsonl").write_text('{"intent": "harmful", "prompt": "x"}\n', encoding="utf-8")
    with pytest.raises(InputError, match="line 1: a harmful row before the line of refusals"):
        read_examples("en", 0)
    (tmp_path / "en.jsonl").write_text(
        '{"refusals": ["no", "never"]}\n' + '{"intent": "harmful", "prompt": "x"}\n' * 4, encoding="utf-8"
    )
    assert [example.reply for example in read_examples("en", 0)] == ["no", "never", "no", "never"]
