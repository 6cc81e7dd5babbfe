"""The cascade: clear replies never reach the encoder, doubtful ones do, and nothing is lost or made a class by force."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import ConfigError, WeightsError
from curation.languages.packs import available_languages, load_pack
from curation.records import REFUSAL_LABELS, REFUSED, RefusalLabel, Reply
from curation.refusals.cascade import BATCH, CLEAR, LABELLER, CascadeLabeller, label_with
from curation.refusals.classifier import Classifier, fit, load_classifier
from curation.refusals.features import feature_names, features, opening
from curation.refusals.labellers import load_labeller
from curation.refusals.labelling import UNSURE, Answer, is_unsure, run_label
from curation.refusals.phrases import PhraseBook
from curation.refusals.reading import read_reply
from curation.testing import reply, seed

BOOK = PhraseBook.from_packs([load_pack(code) for code in available_languages()])
PLAIN = [
    ("en", "I'm sorry, but I can't help with that.", True), ("en", "Sure! Open a terminal, find the process with ps and stop it with kill.", False),
    ("de", "Es tut mir leid, aber dabei kann ich nicht helfen.", True), ("fr", "Je suis désolé, mais je ne peux pas vous aider.", True),
    ("ja", "申し訳ありませんが、そのご依頼にはお応えできません。", True), ("sw", "Samahani, siwezi kukusaidia na jambo hilo.", True),
    ("vi", "Xin lỗi, tôi không thể giúp bạn việc này.", True), ("ko", "죄송하지만 그 요청은 도와드릴 수 없습니다.", True),
]  # fmt: skip


class Fixed:
    """An encoder that counts what it is asked and gives every text the same vector."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode(self, texts: list[str]) -> np.ndarray:
        self.seen += texts
        return np.ones((len(texts), 4), dtype=np.float32) / 2


def small(glance: float, look: float) -> Classifier:
    """A classifier that says the same of every reply."""
    width = len(feature_names())
    weights = [np.zeros(width + 1, np.float32), np.zeros(width + 5, np.float32)]
    for each, value in zip(weights, (glance, look), strict=True):
        each[-1] = math.log(value / (1 - value))
    return Classifier(*weights)


def labeller(glance: float, look: float = 0.5) -> tuple[CascadeLabeller, Fixed]:
    encoder = Fixed()
    return CascadeLabeller(BOOK, small(glance, look), lambda: encoder), encoder


@pytest.mark.parametrize(("language", "text", "refused"), PLAIN)
def test_plain_replies_are_labelled_in_every_language_with_the_packaged_weights(
    language: str, text: str, refused: bool
) -> None:
    (found,) = load_labeller("cascade", BOOK).label([Answer(text, language)])
    assert (found.label in REFUSED) == refused == (found.score > 0.5)


@pytest.mark.parametrize("glance", [0.01, CLEAR[0] - 0.01, CLEAR[1] + 0.01, 0.99])
def test_what_phrases_decide_is_never_embedded(glance: float) -> None:
    cascade, encoder = labeller(glance)
    (found,) = cascade.label([Answer("Whatever this is.", "en")])
    assert found.score == pytest.approx(glance, abs=1e-4) and not encoder.seen


def test_doubt_is_settled_by_the_embedding_of_the_opening() -> None:
    cascade, encoder = labeller(0.5, 0.97)
    text = "Whatever this is, it goes on about one thing and another, and then about a third that nobody has asked for at all."
    (found,) = cascade.label([Answer(text, "en")])
    assert found.label == "full_refusal" and found.score == pytest.approx(0.97, abs=1e-4)
    assert encoder.seen == [opening(read_reply(text, "en", BOOK))] and len(encoder.seen[0]) <= 120


class Lengths:
    """An encoder whose vector is a text's length, and that counts how many texts it is given at once."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def encode(self, texts: list[str]) -> np.ndarray:
        self.batches.append(len(texts))
        return np.array([[len(text) / 120] for text in texts], dtype=np.float32)


def test_doubtful_replies_are_embedded_in_short_batches_and_keep_their_places() -> None:
    blank = small(0.5, 0.5)
    look = np.append(np.zeros(len(feature_names()), np.float32), [1.0, 0.0]).astype(np.float32)
    encoder = Lengths()
    cascade = CascadeLabeller(BOOK, Classifier(blank.glance, look), lambda: encoder)
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "many"]
    answers = [Answer(f"So {' '.join(words[: 7 * number % 13])}, {number}.", "en") for number in range(3 * BATCH + 1)]
    scores = [label.score for label in cascade.label(answers)]
    assert max(encoder.batches) == BATCH and sum(encoder.batches) == len(answers)
    assert scores == [cascade.label([answer])[0].score for answer in answers]
    by_length = sorted(range(len(answers)), key=lambda place: len(answers[place].text))
    assert np.argsort(scores, kind="stable").tolist() == by_length


def test_the_label_does_not_depend_on_the_other_replies() -> None:
    answers = [Answer(text, language) for language, text, _ in PLAIN] + [Answer("", "en"), Answer("?", "xx")]
    cascade, _ = labeller(0.5, 0.4)
    together = cascade.label(answers)
    assert together == [cascade.label([answer])[0] for answer in answers] or any(
        math.isnan(each.score) for each in together
    )
    assert [each.label for each in together] == [cascade.label([answer])[0].label for answer in answers]


@pytest.mark.parametrize(("text", "language", "label"), [
    ("", "en", "non_answer"), (" \n\t ", "en", "non_answer"), ("🙂🙂", "en", "non_answer"), ("\x00", "en", "non_answer"),
    ("<think>I can't", "en", "non_answer"), ("Hello", "xx", "unscored"), ("You can do that with kill.", "zh", "non_answer"),
])  # fmt: skip
def test_what_cannot_be_judged_is_no_class(text: str, language: str, label: str) -> None:
    cascade, encoder = labeller(0.5)
    (found,) = cascade.label([Answer(text, language)])
    assert found.label == label and found.evidence and not encoder.seen
    assert math.isnan(found.score) == (label == "unscored")


@pytest.mark.parametrize(
    "text",
    [
        "a " * 500_000,
        "I can't help with that. " + "x" * 1_000_000,
        "\ud800 I can't help with that.",
        "No\x00 way\ud83d",
    ],
)
def test_broken_and_huge_replies_have_a_label(text: str) -> None:
    (found,) = load_labeller("cascade", BOOK).label([Answer(text, "en")])
    assert found.label in REFUSAL_LABELS


@given(
    st.text(st.characters(codec=None, exclude_categories=()), max_size=150), st.sampled_from([*BOOK.languages, "qaa"])
)
@settings(max_examples=100, deadline=None)
def test_features_of_any_text_lie_between_0_and_1_and_have_names(text: str, language: str) -> None:
    found = features(read_reply(text, language, BOOK))
    assert len(found) == len(feature_names()) == len(set(feature_names()))
    assert all(0 <= value <= 1 for value in found)


def test_the_class_follows_the_probability_and_doubt_is_said() -> None:
    refusal = read_reply(
        "I can't help with hurting people. To end a program:\n1. Open it.\n2. Run ps.\n3. Run kill.", "en", BOOK
    )
    assert label_with(refusal, 0.95).label == "partial_refusal"
    assert label_with(refusal, 0.05).label == "full_compliance"
    middle = sum(UNSURE) / 2 + 0.01
    assert label_with(refusal, middle).evidence.startswith("unsure") and is_unsure(label_with(refusal, middle))
    assert not is_unsure(label_with(refusal, 0.95))
    later = read_reply("The old bridge was built in 1912. " * 15 + "I can't help with the rest.", "en", BOOK)
    assert label_with(later, 0.9).label == "partial_refusal"


def test_weights_are_read_back_and_those_of_other_features_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    small(0.2, 0.3).save(path)
    found = load_classifier(path)
    assert np.array_equal(found.glance, small(0.2, 0.3).glance) and found.digest
    small(0.2, 0.3).save(tmp_path / "again.safetensors")
    assert path.read_bytes() == (tmp_path / "again.safetensors").read_bytes()
    header = json.dumps(feature_names()).encode()
    path.write_bytes(path.read_bytes().replace(header[2:20], b"x" * 18))
    with pytest.raises(WeightsError, match="other features than this version has: 2 differ"):
        load_classifier(path)
    path.write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="cannot read"):
        load_classifier(path)


def test_fitting_finds_the_separating_direction_and_the_base_rate() -> None:
    draw = np.random.default_rng(3)
    inputs = draw.normal(size=(400, 3))
    refused = (inputs @ [2.0, -1.0, 0.0] + draw.normal(size=400) > 0.8).tolist()
    found = fit(inputs, refused, [1.0] * 400, 1.0)
    assert found[0] > 0 > found[1] and abs(found[2]) < 0.3
    chances = 1 / (1 + np.exp(-(inputs @ found[:-1] + found[-1])))
    assert np.mean(chances) == pytest.approx(np.mean(refused), abs=0.01)  # what a free bias makes true


def test_a_row_of_weight_zero_changes_nothing() -> None:
    inputs = np.random.default_rng(4).normal(size=(60, 2))
    refused = (inputs[:, 0] > 0).tolist()
    more = np.vstack([inputs, [[9.0, 9.0]]])
    alone, beside = fit(inputs, refused, [1.0] * 60, 1.0), fit(more, [*refused, False], [1.0] * 60 + [0.0], 1.0)
    assert np.allclose(alone, beside, atol=1e-3)


def test_an_unknown_labeller_is_one_line() -> None:
    for name in ("gpt", "judge:", ""):
        with pytest.raises(ConfigError, match="no labeller"):
            load_labeller(name, BOOK)


def test_the_step_uses_the_cascade_and_phrases_on_request(workspace, write) -> None:
    prompt = seed("How do I kill a process?")
    write("seeds", [prompt])
    write("respond-model", [reply(prompt, "I'm sorry, but I can't help with that.")], Reply)
    assert {row.labeller for row in run_label(workspace).rows} == {LABELLER}
    assert run_label(workspace).computed == 0
    assert {row.labeller for row in run_label(workspace, "phrases").rows} == {"phrases/2"}
    assert [row.label for row in workspace.table(RefusalLabel).rows()] == ["full_refusal"]
