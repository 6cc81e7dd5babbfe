"""Small projects: a language pack cut down to a few seeds, and tables written without any model."""

from __future__ import annotations

import json
from pathlib import Path

from curation.languages.packs import load_pack
from curation.storage import write_text


def small_pack(folder: Path, code: str = "en", *, seeds: int = 12, blocks: int = 2) -> Path:
    """Write into `folder` the first seeds of each kind and the first grammar blocks of a built-in pack."""
    pack = load_pack(code)
    lines = [f"{key} = {toml(getattr(pack, key))}" for key in ("code", "name", "native_name", "script")]
    lines += ["[annotation]", *(f"{key} = {toml(getattr(pack, key))}" for key in ("title", "question", "guidelines"))]
    lines += ["[annotation.options]", *(f"{key} = {toml(text)}" for key, text in pack.options.items())]
    lines += [
        "[refusals]",
        f"full = {toml(list(pack.full_refusals))}",
        f"partial = {toml(list(pack.partial_refusals))}",
    ]
    for section in ("benign", "harmful", "harmless"):
        rows = getattr(pack, section)
        for row in rows[:: max(1, len(rows) // seeds)][:seeds]:
            lines += [f"[[{section}]]", f"text = {toml(row.text)}", f"category = {toml(row.category)}"]
    for block in pack.grammar[:blocks]:
        lines += [
            "[[grammar]]",
            f"category = {toml(block.category)}",
            f"frames = {toml(list(block.frames))}",
            "[grammar.slots]",
        ]
        lines += [f"{name} = {toml(list(values))}" for name, values in block.slots.items()]
    path = folder / f"{code}.toml"
    write_text(path, "\n".join(lines) + "\n")
    return path


def toml(value: str | list[str]) -> str:
    """A text or a list of texts as TOML, whose strings take JSON's escapes."""
    return json.dumps(value, ensure_ascii=False)
