"""Replies that a user knows to be refusals, from a file or a folder."""

from __future__ import annotations

from pathlib import Path

from curation.errors import InputError
from curation.files import read_rows
from curation.records import REFUSED

ENDINGS = (".jsonl", ".csv", ".parquet", ".txt")


def read_refusals(path: Path) -> list[str]:
    """The replies in a file (.txt: one a line), or in all files of a folder; where rows have a label, those labelled refusals."""
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if each.suffix in ENDINGS)
        if not files:
            raise InputError(f"no replies in {path}", fix=f"put files there that end in {', '.join(ENDINGS)}")
    else:
        files = [path]
    found = [text for file in files for text in _read(file)]
    if not found:
        raise InputError(
            f"{path} holds no refusals", fix="give replies in a column response, or one a line in a .txt file"
        )
    return found


def _read(file: Path) -> list[str]:
    if file.suffix != ".txt":
        rows = read_rows(file, required=("response",), language="und")
        return [
            row["response"]
            for row in rows
            if row.get("label", "refusal") in {"refusal", *REFUSED} and row["response"].strip()
        ]
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as exc:
        raise InputError(f"cannot read {file}: {exc.strerror}", fix="give a readable file") from None
    except UnicodeDecodeError as exc:
        raise InputError(f"{file} is not UTF-8 (byte {exc.start})", fix="save it as UTF-8") from None
