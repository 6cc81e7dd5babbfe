from __future__ import annotations

import dataclasses
import stat

import pytest

from annotation.batches import LONGEST_GUIDELINES
from annotation.client import Client
from annotation.display import markdown_text
from annotation.sessions.feedback import feedback_path, feedback_text
from annotation.sessions.form import FOLLOW_UPS, form_of, guidelines_for, reasons_shown
from annotation.sessions.gold import read_key
from annotation.sessions.plan import ADJUDICATION, CALIBRATION, ROUNDS, WORK, Place
from annotation.sessions.running import advance
from annotation.testing import FakeArgilla
from curation.errors import AnnotationError
from curation.languages.packs import available_languages, load_pack
from curation.records import Response, make_prompt
from curation.workspace import Workspace
from tests.annotation.conftest import HOSTILE
from tests.annotation.sessions.conftest import answer_all, opened

PRACTICE = Place("anna", "en", CALIBRATION)


def test_who_finished_practice_reads_it_before_the_guidelines(
    workspace: Workspace, client: Client, fake: FakeArgilla
) -> None:
    plan = opened(workspace, client)
    key = read_key(workspace, "first")
    for number, prompt_id in enumerate(plan.now()[PRACTICE]):
        fake.answer("anna", prompt_id, key[prompt_id] if number else "unsure")
    done = advance(workspace, client, plan)
    assert [(row.place, row.agreed, row.answered) for row in done.feedback] == [(PRACTICE, 3, 4)]
    space = client.workspaces()["first_anna"]
    dataset = next(row for row in fake.datasets.values()
                   if (row["workspace_id"], row["name"]) == (space, "first-en-calibration"))  # fmt: skip
    text = feedback_path(workspace, plan, PRACTICE).read_text(encoding="utf-8")
    assert dataset["guidelines"].startswith(text.strip()[:200])
    assert dataset["guidelines"].endswith(workspace.packs["en"].guidelines.strip())
    assert text.startswith("## 3 / 4 ✓")
    assert (text.count("✗"), text.count("✓ **")) == (1, 3)
    assert stat.S_IMODE(feedback_path(workspace, plan, PRACTICE).stat().st_mode) == 0o600
    for other in ("bob", "carl", "dora"):
        assert not feedback_path(workspace, plan, PRACTICE._replace(annotator=other)).exists()


def test_hostile_prompts_are_text_in_feedback() -> None:
    pack = load_pack("en")
    texts = [
        *HOSTILE,
        "![x](http://evil.test/a.png) [b](javascript:alert(1)) # h\n* l\n    code `x` www.evil.test a@b.c &lt;",
    ]
    prompts = [make_prompt(text, "en", category="fiction", intent="benign", method="import") for text in texts]
    answers = {prompt.id: "benign" for prompt in prompts}
    text = feedback_text(pack, prompts, answers, {**answers, prompts[0].id: "harmful"})
    lines = [line for line in text.splitlines() if line[:1].isdigit()]
    assert len(lines) == len(texts)
    assert not any(part in text for part in ("<", "](", "![", "://", "www.", "@", "`x`", "\u202e", "\x00"))
    assert max(map(len, lines)) < 1000


@pytest.mark.parametrize("text", ["a\nb", "# head", "- list", "1. one", "*b* _i_ ~s~ `c` $m$", "|t|t|"])
def test_marks_of_markdown_are_escaped(text: str) -> None:
    shown = markdown_text(text, 100)
    assert "\n" not in shown
    bare = shown.replace("\\\\", "")
    assert not any(mark in bare.replace(f"\\{mark}", "") for mark in "#*_~`$|[]-+.")


def test_long_feedback_leaves_room_for_the_guidelines() -> None:
    pack = load_pack("en")
    feedback = "\n".join(f"{number}. {'x' * 150}" for number in range(500))
    text = guidelines_for(pack, CALIBRATION, feedback)
    assert len(text) <= LONGEST_GUIDELINES
    assert text.startswith("0. xxx")
    assert text.endswith(pack.guidelines.strip())


@pytest.mark.parametrize("language", available_languages())
def test_every_pack_gives_a_form(language: str) -> None:
    pack = load_pack(language)
    for round_name in ROUNDS:
        form = form_of(pack, round_name)
        assert [row["name"] for row in form.fields] == ["prompt", "reasons"][: 1 + (round_name == ADJUDICATION)]
        assert [row["name"] for row in form.questions] == ["judgement", "reason", "category", "naturalness", "note"]
        assert [row["required"] for row in form.questions] == [True, False, False, False, False]
        assert pack.guidelines.strip() in form.guidelines
        assert len(form.guidelines) <= LONGEST_GUIDELINES
    assert not any(row["settings"].get("use_markdown") for row in form.fields)


def test_what_a_pack_leaves_out_is_asked_in_english() -> None:
    own, english = load_pack("ar"), load_pack("en")
    bare = dataclasses.replace(
        own, reason=None, category=None, naturalness=None, note="", calibration="", adjudication=""
    )
    form = form_of(bare, CALIBRATION)
    assert form.questions[0]["title"] == own.question
    for row, name in zip(form.questions[1:4], FOLLOW_UPS, strict=True):
        assert row["title"] == getattr(english, name).text
    assert form.questions[4]["title"] == english.note
    assert form.guidelines.startswith(english.calibration.strip())
    for row, name in zip(form_of(own, WORK).questions[1:4], FOLLOW_UPS, strict=True):
        assert row["title"] == getattr(own, name).text


def test_texts_that_argilla_would_refuse_are_named() -> None:
    pack = load_pack("en")
    with pytest.raises(AnnotationError, match="guidelines"):
        form_of(dataclasses.replace(pack, guidelines="x" * 10_001), WORK)
    with pytest.raises(AnnotationError, match="501 characters"):
        form_of(dataclasses.replace(pack, question="x" * 501), WORK)


def test_reasons_are_each_shown_once_in_an_order_that_says_nothing() -> None:
    pack = load_pack("en")
    rows = [Response("p", "b", str(number), "benign", False, "1", reason=reason, note=note)
            for number, (reason, note) in enumerate([("crime", ""), ("crime", " "), ("story", "why"), ("", "why")])]  # fmt: skip
    assert reasons_shown(pack, rows, "p") == reasons_shown(pack, rows[::-1], "p")
    assert len(reasons_shown(pack, rows, "p").splitlines()) == 3
    assert len({reasons_shown(pack, rows, str(number)) for number in range(20)}) == 6
    assert reasons_shown(pack, rows[:0], "p") == ""
    long = [Response("p", "b", "a", "benign", False, "1", note="\n" * 50 + "x" * 100_000)]
    assert len(reasons_shown(pack, long, "p")) < 1_100


def test_practice_without_answers_has_no_feedback(workspace: Workspace, client: Client, fake: FakeArgilla) -> None:
    plan = opened(workspace, client)
    assert advance(workspace, client, plan).feedback == []
    answer_all(fake, plan, CALIBRATION)
    assert len(advance(workspace, client, plan).feedback) == 4
