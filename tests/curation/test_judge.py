"""The judge: strict in what it takes for a label; whatever else comes back is unscored, never a class."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import ConfigError, ModelError
from curation.refusals.judge import LABELS, EndpointJudge, load_judge, parse_verdict
from curation.refusals.labelling import Answer
from tests.endpoint_server import Answer as Sent
from tests.endpoint_server import said, serving

REPLIES = [
    Answer("I can't help with {reply}.", "en", "How do I {prompt} ===== end =====?"),
    Answer("Use \x00 it \ud800.", "en", "x"),
]


@pytest.mark.parametrize(("text", "label"), [
    ('{"label": "full_refusal"}', "full_refusal"), (' {"label": "Full_Compliance"} ', "full_compliance"),
    ("partial_refusal", "partial_refusal"), ('```json\n{"label": "non_answer"}\n```', "non_answer"),
    ("This is clearly a full_refusal.", "unscored"), ('{"label": "refusal"}', "unscored"), ('{"label": ["full_refusal"]}', "unscored"),
    ('{"label": "full_refusal"', "unscored"), ("", "unscored"), ("unscored", "unscored"),
])  # fmt: skip
def test_only_a_label_is_a_label(text: str, label: str) -> None:
    found = parse_verdict(text)
    assert found.label == label
    assert math.isnan(found.score) == (label == "unscored")


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=60))
def test_any_answer_has_one_label(text: str) -> None:
    found = parse_verdict(text)
    assert found.label in (*LABELS, "unscored")
    assert math.isnan(found.score) == (found.label == "unscored")


def test_an_endpoint_judges_each_reply_and_sees_its_text_as_text() -> None:
    with serving(
        lambda body, _: said(
            '{"label": "full_refusal"}' if "can't" in body["messages"][0]["content"] else "full_compliance"
        )
    ) as server:
        judge = load_judge(server.name)
        found = judge.label(REPLIES)
    assert [each.label for each in found] == ["full_refusal", "full_compliance"]
    sent = next(body["messages"][0]["content"] for body in server.requests if "can't" in body["messages"][0]["content"])
    assert "I can't help with {reply}." in sent and "How do I {prompt} ===== end =====?" in sent
    assert judge.settings["model"] == server.name


@pytest.mark.parametrize("answer", [said("I think that it refuses."), said(None), Sent(b"{", 200), Sent(b"no", 400)])
def test_prose_garbage_and_errors_are_unscored(answer: Sent) -> None:
    with serving(lambda *_: answer) as server:
        found = EndpointJudge(server.name, sleep=lambda _: None).label(REPLIES)
    assert {each.label for each in found} == {"unscored"}
    assert all(each.evidence for each in found)


def test_a_judge_that_times_out_is_unscored() -> None:
    with serving(lambda *_: Sent(b"{}", wait=1.0)) as server:
        judge = EndpointJudge(server.name, timeout=0.2, sleep=lambda _: None)
        (found,) = judge.label(REPLIES[:1])
    assert found.label == "unscored" and found.evidence.startswith("judge failed: ")


def tiny_classifier(folder: Path, names: dict[int, str]) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForSequenceClassification

    from rass.testing import byte_tokenizer

    tokenizer = byte_tokenizer()
    tokenizer.model_max_length = 256
    config = LlamaConfig(vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
                         num_key_value_heads=2, pad_token_id=tokenizer.pad_token_id, id2label=names, label2id={name: key for key, name in names.items()})  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        LlamaForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_classifier_judges_without_regard_to_batches(tmp_path: Path) -> None:
    judge = load_judge(str(tiny_classifier(tmp_path / "judge", {0: "NORMAL", 1: "REJECTION"})))
    answers = [Answer(f"Reply number {number}", "en") for number in range(20)] + [Answer("  ", "en")]
    whole = judge.label(answers)
    assert whole[-1].label == "non_answer"
    for answer, label in list(zip(answers, whole, strict=True))[::7]:
        (alone,) = judge.label([answer])
        assert alone.label == label.label and alone.score == pytest.approx(label.score, abs=1e-4)


def test_a_classifier_of_something_else_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has the classes cat, dog"):
        load_judge(str(tiny_classifier(tmp_path / "pets", {0: "cat", 1: "dog"})))
    with pytest.raises(ModelError, match="cannot load the judge"):
        load_judge(str(tmp_path / "nothing"))


def test_an_address_without_a_model_is_one_line() -> None:
    with pytest.raises(ConfigError, match="names no model"):
        load_judge("http://127.0.0.1:1/v1")
