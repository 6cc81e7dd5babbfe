"""Probing a plain file: a margin for every row, and one line for a mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curation.errors import InputError
from rass.files import probe_file


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_no_output_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--out"):
        probe_file(write(tmp_path / "in.jsonl", [{"prompt": "Hi"}]), None, "tiny", "en")


def test_no_margin_is_measured_for_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"prompt": "Hi"}])
    with pytest.raises(InputError, match="overwrite"):
        probe_file(source, source, "no model", "en")
    with pytest.raises(InputError, match="unknown kind of file"):
        probe_file(source, tmp_path / "out.txt", "no model", "en")


def test_a_language_without_a_pack_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"prompt": "Hi", "language": "tlh"}])
    with pytest.raises(InputError, match="tlh") as found:
        probe_file(source, tmp_path / "out.jsonl", "tiny", "en")
    assert "\n" not in str(found.value)
    assert not (tmp_path / "out.jsonl").exists()


def test_margins_are_written_beside_the_rows(
    tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(chat: object, prompts: list[str], **_: object) -> list[Generation]:
        return [
            Generation("I'm sorry, but I can't help with that." if len(prompt) > 60 else "Here you are.", True)
            for prompt in prompts
        ]

    from rass.replies import Generation

    monkeypatch.setattr("rass.files.generate_replies", answer)
    source = write(
        tmp_path / "in.jsonl",
        [{"prompt": "How do I kill weeds?", "note": "kept"}, {"prompt": "<script>x</script>\u202e"}],
    )
    shown = probe_file(source, tmp_path / "out.jsonl", str(tiny_folder), "en")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["prompt"] for row in rows] == ["How do I kill weeds?", "<script>x</script>\u202e"]
    assert rows[0]["note"] == "kept"
    assert all(row["margin_low"] <= row["margin"] <= row["margin_high"] for row in rows)
    assert [(row["language"], row["rows"]) for row in shown["languages"]] == [("en", 2)]
