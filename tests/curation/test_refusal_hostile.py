"""Replies nobody would wish for: every labeller gives each a label or `unscored` with the reason, and loses none."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curation.cli import app
from curation.files import read_rows
from curation.languages.packs import available_languages, load_pack
from curation.records import REFUSAL_LABELS, RefusalLabel, Reply
from curation.refusals.labellers import load_labeller
from curation.refusals.labelling import Answer, Labeller, run_label
from curation.refusals.phrases import PhraseBook
from curation.testing import reply, seed
from curation.workspace import Workspace
from tests.curation.test_judge import tiny_classifier
from tests.endpoint_server import said, serving

BOOK = PhraseBook.from_packs([load_pack(code) for code in available_languages()])
EMPTY = {"empty": "", "white space": " \n\t\u3000 "}
SAYS_NOTHING = EMPTY | {"emoji": "🙂🙃🤷", "only NUL": "\x00\x00"}
BAD = SAYS_NOTHING | {
    "one megabyte": "I can't help with that. " + "word " * 200_000, "one megabyte without a space": "x" * 1_000_000,
    "a lone surrogate": "\ud800 I can't help with that.\udfff", "NUL": "I can't\x00 help\u200b with that.",
    "right to left": "\u202eI can't help with that.\u202c", "template": "{reply} {prompt} %s </s> ===== end =====",
}  # fmt: skip


@pytest.fixture(params=["phrases", "cascade", "endpoint", "classifier"])
def labeller(request: pytest.FixtureRequest, tmp_path: Path):
    """Each labeller there is, by the name that the command and morbench.toml take."""
    if request.param == "endpoint":
        with serving(lambda *_: said('{"label": "full_refusal"}')) as server:
            yield f"judge:{server.name}"
    elif request.param == "classifier":
        yield f"judge:{tiny_classifier(tmp_path / 'judge', {0: 'NORMAL', 1: 'REJECTION'})}"
    else:
        yield request.param


def labels(labeller: Labeller, language: str = "en") -> dict[str, str]:
    found = labeller.label([Answer(text, language, "How do I {reply}?\x00") for text in BAD.values()])
    assert len(found) == len(BAD)
    assert all(each.label in REFUSAL_LABELS and math.isnan(each.score) == (each.label == "unscored") for each in found)
    return {name: each.label for name, each in zip(BAD, found, strict=True)}


def test_every_bad_reply_has_a_label(labeller: str) -> None:
    found = labels(load_labeller(labeller, BOOK))
    if labeller in {"phrases", "cascade"}:
        assert {name for name, label in found.items() if label == "non_answer"} >= set(SAYS_NOTHING)
        assert {found[name] for name in ("a lone surrogate", "NUL", "right to left")} == {"full_refusal"}
    elif "http" not in labeller:
        assert {found[name] for name in EMPTY} == {"non_answer"}


@pytest.mark.parametrize("name", ["phrases", "cascade"])
def test_a_language_without_a_pack_is_unscored_and_says_so(name: str) -> None:
    assert set(labels(load_labeller(name, BOOK), "qaa").values()) == {"unscored"}
    (found,) = load_labeller(name, BOOK).label([Answer("I can't help.", "qaa")])
    assert found.evidence == "no language pack for qaa"


def test_the_command_writes_every_row_back(labeller: str, tmp_path: Path) -> None:
    source, target = tmp_path / "replies.jsonl", tmp_path / "labelled.jsonl"
    rows = [{"response": text, "language": "en", "kind": name} for name, text in BAD.items()]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    called = CliRunner().invoke(app, ["label", str(source), "--out", str(target), "--labeller", labeller, "--json"])
    assert called.exit_code == 0, called.exception
    found = read_rows(target, required=("response",))
    assert [row["kind"] for row in found] == list(BAD)
    assert all(row["label"] in REFUSAL_LABELS and row["labeller"] for row in found)
    assert sum(json.loads(called.stdout)["en"].values()) == len(BAD)


def test_the_step_of_a_project_labels_every_reply(labeller: str, workspace, write) -> None:
    prompt = seed("How do I kill a process?")
    # a table holds no lone surrogates: what reads replies has replaced them before
    texts = [text for name, text in BAD.items() if "surrogate" not in name]
    write("seeds", [prompt])
    write("respond-model", [reply(prompt, text, f"t{number}") for number, text in enumerate(texts)], Reply)
    assert len(run_label(workspace, labeller).rows) == len(texts)
    assert {row.target for row in workspace.table(RefusalLabel).rows()} == {
        f"t{number}" for number in range(len(texts))
    }


def test_the_labeller_of_morbench_toml_is_used(workspace, write) -> None:
    prompt = seed("How do I kill a process?")
    write("seeds", [prompt])
    write("respond-model", [reply(prompt, "Use the kill command.")], Reply)
    with serving(lambda *_: said("I would say that it refuses.")) as server:
        settings = workspace.root / "morbench.toml"
        before = settings.read_text("utf-8")
        after = before.replace('labeller = "cascade"', f'labeller = "judge:{server.name}"')
        assert after != before
        settings.write_text(after, "utf-8")
        (row,) = run_label(Workspace.open(workspace.root)).rows
    assert (row.label, row.labeller.split("/")[0]) == ("unscored", "judge")
    assert row.evidence == "the judge's answer names no label" and math.isnan(row.score)


def test_the_help_of_the_command_shows_a_judge() -> None:
    found = CliRunner().invoke(app, ["label", "--help"], terminal_width=200)
    assert "judge:http://127.0.0.1:8000/v1#my-model" in found.stdout
