import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curation.cli import app
from curation.errors import InputError
from curation.files import read_rows
from curation.records import Reply
from curation.testing import LetterEncoder, mutation, reply, seed


def call(*arguments: object):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def lines(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_identify_a_file(tmp_path: Path) -> None:
    source = lines(tmp_path / "in.jsonl", {"prompt": "How do I kill a Python process?"}, {"prompt": "¿Cómo mato un proceso colgado?"},
                   {"prompt": "???", "extra": 1})  # fmt: skip
    counts = json.loads(call("identify", source, "--out", tmp_path / "out.csv", "--language", "en", "--json").stdout)
    assert counts == {
        "en": {"accepted": 1, "ask": 0, "no_letters": 1, "code": 0, "wrong_script": 0, "wrong_language": 1}
    }
    found = read_rows(tmp_path / "out.csv")
    assert [(row["detected"], row["accepted"], row["reason"]) for row in found] == [
        ("en", "true", ""), ("es", "false", "wrong_language"), ("und", "false", "no_letters")]  # fmt: skip
    assert found[2]["extra"] == "1"


def test_dedup_a_file_loses_no_row(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("curation.embedding.load_encoder", lambda name: LetterEncoder())
    texts = [
        "How do I kill a process?",
        "Name a river in France",
        "how do I kill a process",
        "How do I kill a process?!",
    ]
    source = lines(
        tmp_path / "in.jsonl", *({"prompt": text, "language": "en", "id": f"row{n}"} for n, text in enumerate(texts))
    )
    call("dedup", source, "--out", tmp_path / "kept.jsonl")
    kept, removed = read_rows(tmp_path / "kept.jsonl"), read_rows(tmp_path / "kept.removed.jsonl")
    assert [row["id"] for row in kept] == ["row0", "row1"]
    assert [(row["id"], row["witness_id"], row["similarity"], row["relation"]) for row in removed] == [
        ("row2", "row0", 1.0, "same_text"), ("row3", "row0", 1.0, "same_text")]  # fmt: skip


def test_two_near_rows_of_a_small_file_are_found(tmp_path: Path) -> None:
    source = lines(
        tmp_path / "in.jsonl",
        {"prompt": "How do I kill a Python process?"},
        {"prompt": "How can I kill a Python process?"},
    )
    call("dedup", source, "-o", tmp_path / "out.jsonl", "-l", "en")
    assert len(read_rows(tmp_path / "out.jsonl")) == 1


def test_label_a_file(tmp_path: Path) -> None:
    source = lines(tmp_path / "in.jsonl", {"response": "I'm sorry, but I can't help with that."}, {"response": "Use the kill command."},
                   {"response": "Manan", "language": "qu"})  # fmt: skip
    call("label", source, "-o", tmp_path / "out.jsonl", "-l", "en")
    found = read_rows(tmp_path / "out.jsonl", required=("response",))
    assert [row["label"] for row in found] == ["full_refusal", "full_compliance", "unscored"]
    assert found[2]["score"] is None and "no language pack" in found[2]["evidence"]


def test_a_file_needs_an_output(tmp_path: Path) -> None:
    source = lines(tmp_path / "in.jsonl", {"prompt": "x", "response": "y", "language": "en"})
    for command in ("identify", "dedup", "label"):
        with pytest.raises(InputError, match="--out"):
            call(command, source)


def test_the_commands_work_in_a_project(workspace, write, monkeypatch) -> None:
    monkeypatch.setattr("curation.embedding.load_encoder", lambda name: LetterEncoder())
    first = seed("How do I kill a Python process?")
    write("seeds", [first])
    write(
        "write-mutation-en",
        [
            mutation("How do I kill a Python process?!?"),
            mutation("12345"),
            mutation("¿Cómo mato un proceso colgado?", "es"),
        ],
    )
    write("respond-model", [reply(first, "I can't help with that.")], Reply)
    counts = json.loads(call("identify", "-p", workspace.root, "--json").stdout)
    assert counts["en"]["accepted"] == 1 and counts["en"]["no_letters"] == 1 and counts["es"]["accepted"] == 1
    assert json.loads(call("dedup", "-p", workspace.root, "--json").stdout)["es"]["accepted"] == 1
    assert json.loads(call("label", "-p", workspace.root, "--json").stdout)["model"]["full_refusal"] == 1
    rows = json.loads(call("triage", "-p", workspace.root, "--json").stdout)
    assert {(row["language"], row["lane"], row["queued"]) for row in rows} == {
        ("en", "confirm", 1),
        ("es", "decide", 1),
    }
    for command in ("identify", "dedup", "label", "triage"):
        assert call(command, "-p", workspace.root).exit_code == 0


def test_language_status_and_check(tmp_path: Path) -> None:
    found = json.loads(call("language", "status", "-p", tmp_path, "--json").stdout)
    assert {row["code"] for row in found} >= {"ar", "de", "en", "es", "zh"}
    assert call("language", "check", "es", "--quick").exit_code == 0
    pack = Path(sys.modules["curation.languages.packs"].__file__).parent / "packs" / "es.toml"
    thin = pack.read_text(encoding="utf-8").split("[refusals]")
    (tmp_path / "es.toml").write_text(thin[0] + '[refusals]\nfull = ["no puedo"]\npartial = ["pero"]\n' + "[[benign]]" +
                                      thin[1].split("[[benign]]", 1)[1], encoding="utf-8")  # fmt: skip
    result = call("language", "check", tmp_path / "es.toml", "--quick")
    assert result.exit_code == 1 and "at least 40 are needed" in result.stdout


def test_a_language_is_not_looked_at_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    for command in (("status",), ("check", "es", "--quick")):
        with pytest.raises(InputError, match="no folder"):
            call("language", *command, "-p", tmp_path / "none")


def test_importing_the_commands_loads_nothing_heavy() -> None:
    heavy = "torch transformers numpy pyarrow rich.table py3langid pydantic"
    code = f"import curation.cli, sys; print([name for name in {heavy.split()!r} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
