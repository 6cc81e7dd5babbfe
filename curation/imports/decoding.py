"""Bytes to text, row by row: one row in another encoding spoils no other."""

from __future__ import annotations

import codecs
import io
import re
from typing import BinaryIO

from curation.errors import InputError

# A NUL byte travels as this lone surrogate, which decoding never yields for a byte: csv readers before 3.11 refuse NUL.
NUL = "\udc00"
_SURROGATE = re.compile("[\ud800-\udfff]")
_MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
          (codecs.BOM_UTF16_BE, "utf-16"), (codecs.BOM_UTF8, "utf-8-sig"))  # fmt: skip


def open_text(file: BinaryIO, name: str) -> io.TextIOWrapper:
    """Text of a file as its byte order mark says, else UTF-8; bytes that are not UTF-8 stay in it as lone surrogates."""
    head = file.read(4096)
    file.seek(0)
    encoding = next((found for mark, found in _MARKS if head.startswith(mark)), "utf-8")
    if encoding == "utf-8" and head.count(0) > len(head) // 5:
        raise InputError(f"{name} looks like UTF-16 without a byte order mark", fix="save it as UTF-8")
    errors = "surrogateescape" if encoding.startswith("utf-8") else "surrogatepass"
    return io.TextIOWrapper(file, encoding=encoding, errors=errors, newline="")


def check_encoding(name: str) -> str:
    """The name of a text encoding that Python knows; empty stays empty."""
    try:
        if name:
            "a".encode(name).decode(name)
    except (LookupError, ValueError):
        raise InputError(
            f"unknown encoding {name[:40]!r}", fix="use a name such as cp1252, gb18030 or shift_jis"
        ) from None
    return name


def mended(text: str, fallback: str) -> tuple[str, str]:
    """(text, "") where it is whole or `fallback` can read its bytes, else ("", the reason word)."""
    if "\0" in text or NUL in text:
        return "", "nul"
    if not _SURROGATE.search(text):
        return text, ""
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a pair, out of a JSON escape or UTF-16
        return "", "lone_surrogate"
    return decoded(data, fallback)


def decoded(data: bytes, fallback: str) -> tuple[str, str]:
    """(text, "") of bytes that are UTF-8 or, failing that, in the fallback encoding; else ("", the reason word)."""
    for encoding in ("utf-8", fallback):
        try:
            if encoding:
                return data.decode(encoding), ""
        except UnicodeDecodeError:
            continue
    return "", "not_utf8"
