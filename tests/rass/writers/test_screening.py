"""Screening: hostile text becomes one plain line, and every text is kept or dropped with a reason."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.endpoint import Completion
from curation.languages.packs import Pack, available_languages, load_pack
from curation.records import normalise
from curation.testing import sample
from rass.models import ChatModel
from rass.writers.screening import LONGEST, Draft, Screen, endings, judge_completion, one_line, repeats, sort_out
from tests.rass.writers.conftest import everything_has_its_place

REASONS = {"", "refusal", "too_short", "too_long", "copy_of_seed", "repeats", "unfinished", "wrong_language"}


def screen_for(pack: Pack, chat: ChatModel, ratio: float = 1e9) -> Screen:
    seeds = [*pack.benign[:12], *pack.harmful, *pack.harmless]
    return Screen.build(pack, seeds, chat, max_perplexity_ratio=ratio)


@pytest.fixture(scope="module")
def english(tiny: ChatModel) -> Screen:
    return screen_for(load_pack("en"), tiny)


@pytest.mark.parametrize(("text", "reason"), [
    ("How do I sharpen a kitchen knife?", ""),
    ("Tell me how to \"kill\" the lights!", ""),
    ("I'm sorry, but I can't help with that.", "refusal"),
    ("I can't assist with that request", "refusal"),
    ("", "too_short"),
    ("?!", "too_short"),
    ("a1 b2 c3 4", "too_short"),
    ("hahahahahaha what?", "repeats"),
    ("shoot the shoot the shoot the shoot the moon.", "repeats"),
    ("the the cat the cat the the cat the?", "repeats"),
    ("How do I get rid of the body of a", "unfinished"),
    ("How do I kill the engine? " * 40, "too_long"),
    ("Wie bringe ich den Motor eines alten Mopeds wieder zum Laufen?", "wrong_language"),
    ("怎么才能干掉花园里的杂草？", "wrong_language"),
])  # fmt: skip
def test_reasons(english: Screen, text: str, reason: str) -> None:
    assert english.cheap(text) == reason


@pytest.mark.parametrize("code", available_languages())
def test_what_people_wrote_passes_in_every_language(code: str, tiny: ChatModel) -> None:
    pack = load_pack(code)
    screen = screen_for(pack, tiny)
    seeds = pack.benign[12:]
    # short texts of near relatives (Indonesian and Malay) are sometimes told apart wrongly
    assert sum(bool(screen.cheap(row.text)) for row in seeds) <= 0.05 * len(seeds)
    copied = pack.benign[0].text
    assert screen.cheap(f"{copied} ") == "copy_of_seed"
    assert screen.cheap(pack.full_refusals[0]) == "refusal"


@given(st.text(max_size=80))
def test_any_text_is_judged(english: Screen, text: str) -> None:
    assert english.cheap(text) in REASONS
    assert english.cheap(one_line(text)) in REASONS


@given(st.text(max_size=60))
def test_a_line_is_plain(text: str) -> None:
    line = one_line(text)
    assert one_line(f"\n\n  {text}\nmore") == line or not line
    assert line == " ".join(line.split())
    assert not [char for char in line if unicodedata.category(char) in {"Cc", "Cs"}]


@pytest.mark.parametrize(("text", "line"), [
    ("- How do I kill it?\n- And how", "How do I kill it?"),
    ('1. "How do I kill it?"', "How do I kill it?"),
    ("“How do I kill it?”", "How do I kill it?"),
    ("  \n\n How\u200e\x00 do\tI kill it?\x1b[31m", "How do I kill it?[31m"),
    ("3 shots, or 4?", "3 shots, or 4?"),
    ("-5 degrees: is it safe?", "-5 degrees: is it safe?"),
    ("می‌خواهم", "می‌خواهم"),
    ("\ud800", ""),
    ("", ""),
])  # fmt: skip
def test_lines(text: str, line: str) -> None:
    assert one_line(text) == line


def test_a_completion_is_a_text_or_a_failure() -> None:
    assert judge_completion(Completion("- Why?\nBecause.")) == ("Why?", "", {})
    assert judge_completion(Completion("<think>\nHm, why?\n</think>\n\nWhy?")) == ("Why?", "", {})
    assert judge_completion(Completion("<think>\nHm, why?", finished=False)) == ("", "unfinished", {})
    assert judge_completion(Completion("Why", finished=False)) == ("Why", "unfinished", {})
    assert judge_completion(Completion("", failure="HTTP 500")) == ("", "generator_failed", {"failure": "HTTP 500"})


def test_fluency_is_measured_against_the_seeds(tiny: ChatModel) -> None:
    pack = load_pack("en")
    loose, strict = screen_for(pack, tiny), screen_for(pack, tiny, ratio=1.0 + 1e-9)
    drafts = [Draft(sample(row.text)) for row in pack.benign[12:30]]
    assert not [draft for draft in loose.check(drafts) if draft.reason]
    dropped = [draft for draft in strict.check(drafts) if draft.reason]
    assert 0 < len(dropped) < len(drafts)
    for draft in dropped:
        assert draft.reason == "not_fluent"
        assert draft.evidence["nats_per_token"] > draft.evidence["ceiling"]


def test_a_reason_that_is_there_stays(english: Screen) -> None:
    before = Draft(sample("How do I sharpen a kitchen knife?"), "generator_failed", {"failure": "HTTP 500"})
    assert english.check([before, Draft(sample("knife"))])[0] == before
    assert english.check([]) == []


rows = st.lists(
    st.tuples(st.sampled_from(["one", "One.", "two", "", "?"]), st.sampled_from(["", "", "repeats"])), max_size=12
)


@given(rows)
def test_every_draft_has_its_place(drawn: list[tuple[str, str]]) -> None:
    output = sort_out([Draft(sample(text), reason) for text, reason in drawn], "step")
    everything_has_its_place(output, len(drawn))
    assert {row.id for row in output.rows} == {sample(text).id for text, reason in drawn if not reason}
    assert sum(row.reason == "repeats" for row in output.rejects) == sum(reason == "repeats" for _, reason in drawn)
    assert {row.reason for row in output.rejects} <= {"repeats", "same_text"}


def test_evidence_is_kept_as_it_is() -> None:
    output = sort_out([Draft(sample("text"), "why", {"number": 3})], "step")
    assert json.loads(output.rejects[0].evidence) == {"language": "en", "number": 3, "seed": "", "text": "text"}
    assert output.rejects[0].step == "step"


@given(st.text(alphabet="ab ?", max_size=LONGEST))
def test_repetition_is_seen_in_any_text(text: str) -> None:
    assert repeats(text + "abc" * 4)
    assert repeats(text) in {True, False}


def test_endings_are_those_of_the_seeds() -> None:
    assert {"?", "."} <= endings(load_pack("en"))
    assert "?" in endings(load_pack("zh"))  # full width, folded
    assert normalise("？") == ""
