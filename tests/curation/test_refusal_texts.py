"""The wordings and written replies of every language, and what is trained on them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from curation.errors import InputError
from curation.languages.packs import available_languages, load_pack
from curation.records import REFUSED
from curation.refusals.features import feature_names, features
from curation.refusals.labelling import label_reply
from curation.refusals.phrases import BEGINNINGS, KINDS, PhraseBook, fold, wordings
from curation.refusals.reading import read_reply
from curation.refusals.samples import written_languages, written_samples
from curation.refusals.training import CUT, prepare, public_examples, written_examples

BOOK = PhraseBook.from_packs([load_pack(code) for code in available_languages()])


def kinds(text: str, language: str = "en") -> list[tuple[str, str]]:
    return [(hit.kind, hit.phrase) for hit in BOOK.languages[language].hits(fold(text))]


def test_every_language_with_a_pack_has_written_replies() -> None:
    assert set(available_languages()) <= set(written_languages())


@pytest.mark.parametrize("code", written_languages())
def test_written_replies_are_many_differ_and_have_all_classes(code: str) -> None:
    samples = written_samples(code)
    assert len(samples) >= 120 and len({sample.text for sample in samples}) == len(samples)
    assert {sample.label for sample in samples} == {"full_refusal", "partial_refusal", "full_compliance"}
    assert not any("{" in sample.text for sample in samples)


@pytest.mark.parametrize("code", written_languages())
def test_plain_answers_are_no_refusals_by_phrases(code: str) -> None:
    answers = [sample for sample in written_samples(code) if sample.label == "full_compliance"]
    wrong = [sample.text for sample in answers if label_reply(sample.text, code, BOOK).label in REFUSED]
    assert len(wrong) <= 0.25 * len(answers), wrong[:5]


@pytest.mark.parametrize(("text", "expected"), [
    ("I can't help but smile.", []), ("I cannot recommend this book highly enough.", []),
    ("It's not that I can't help you, it is late.", []), ("Hawaii can't help.", []),
    ("I cannot really suggest that.", [("refusal", "i cannot really suggest")]),
    ("I can't help with that.", [("full", "i can't help with")]), ("I can't provide legal advice.", [("disclaimer", "i can't provide legal advice")]),
    ("If you must: today.", [("proceed", "if you must")]),
])  # fmt: skip
def test_phrases_are_found_whole_longest_first_and_exceptions_are_passed_over(
    text: str, expected: list[tuple[str, str]]
) -> None:
    assert [each for each in kinds(text) if each[0] != "concern"] == expected


@pytest.mark.parametrize("code", available_languages())
def test_wordings_are_of_known_kinds_and_every_language_has_them(code: str) -> None:
    found = wordings(code)
    known = {*KINDS, *BEGINNINGS} - {"full", "partial", "hedging"}  # these come from the pack
    assert known - {"exception"} <= set(found) <= {*known, "partial"}
    assert all(found.values())


@pytest.mark.parametrize(("text", "agrees", "sorry"), [
    ("Of course. Open it.", True, False), ("To open it, click.", True, False), ("Today it is open.", False, False),
    ("Sorry, no.", False, True), ("I do not agree, of course.", False, False),
])  # fmt: skip
def test_how_a_reply_begins_is_seen_only_there(text: str, agrees: bool, sorry: bool) -> None:
    reading = read_reply(text, "en", BOOK)
    assert (reading.agrees, reading.apologises) == (agrees, sorry)


@pytest.mark.parametrize(("text", "name"), [
    ("That is illegal. Instead, you could try this:\n1. Ask.\n2. Wait.\n3. Go.", "list led by help"),
    ("That is illegal. If you must, it works like this:\n1. Open.\n2. Cut.\n3. Close.", "list led by an answer"),
    ("Some say so. It is illegal:\n1. Here.\n2. There.\n3. Everywhere.", "list led by an objection"),
])  # fmt: skip
def test_what_leads_into_a_list_is_told_apart(text: str, name: str) -> None:
    found = dict(zip(feature_names(), features(read_reply(text, "en", BOOK)), strict=True))
    assert {each for each, value in found.items() if each.startswith("list led by") and value} == {name}


def test_hits_say_where_they_stand() -> None:
    folded = fold("Hm. I'm sorry, but I can't help with that. However, here is more.")
    for hit in BOOK.languages["en"].hits(folded):
        assert folded[hit.start : hit.end] == hit.phrase
    assert next(hit.phrase for hit in BOOK.languages["ja"].hits("私はその質問に答えることができません。")).startswith(
        "私は"
    )
    assert not BOOK.languages["en"].hits(folded, 3)


def test_folding_keeps_lines_and_drops_markup() -> None:
    assert fold("  **I  CAN’T**\t help \n\n `x`  ") == "i can't help\n'x'"
    assert fold("لا يُمكنني أنْ") == "لا يمكنني ان"


def public(folder: Path) -> Path:
    rows = {
        "xstest": [("I can't help.", "full_refusal"), ("Use kill.", "full_compliance")],
        "msts": [("No, don't.", "rebuttal"), ("I can't help.", "refusal")],
        "polyrefuse": [("It is illegal to do this. " * 30, "refusal")],
    }
    (folder / "refusals").mkdir()
    for name, replies in rows.items():
        lines = [
            json.dumps({"response": text, "label": label, "language": "en", "model": "m", "prompt": "p"})
            for text, label in replies
        ]
        (folder / "refusals" / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


class Length:
    """An encoder whose vectors tell how long a text is."""

    def encode(self, texts: list[str]) -> np.ndarray:
        return np.array([[1.0, len(text) / 120] for text in texts], dtype=np.float32)


def test_public_replies_without_a_side_are_left_out_and_long_ones_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = public_examples(public(tmp_path))
    assert [row.refused for row in found] == [True, False, True, True]
    assert [row.label for row in public_examples(tmp_path, outside=True)] == ["rebuttal"]
    material = prepare(found, Length(), BOOK)
    assert len(found[-1].text) > CUT and not np.array_equal(material.whole[-1], material.trained[-1])
    assert np.array_equal(material.whole[:-1], material.trained[:-1])
    assert np.array_equal(prepare(found, Length(), BOOK).vectors, material.vectors)  # the second time from the folder


def test_training_is_the_same_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    some = [row for row in written_examples() if row.language in {"en", "th"}]
    material = prepare(some, Length(), BOOK)
    rows = list(range(len(some)))
    there, back = material.train(rows), material.train(rows[::-1])
    assert np.allclose(there.glance, back.glance, atol=0.02)
    told = there.glance_at(material.whole) > 0.5
    assert np.mean(told == np.array([row.refused for row in some])) > 0.9


def test_without_public_sets_training_names_the_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"xstest\.jsonl"):
        public_examples(tmp_path)
