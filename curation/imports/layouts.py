"""The published layouts of public sets, one TOML mapping each in layouts/, and which of them a file has."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path

from curation.errors import InputError
from curation.imports.mapping import Mapping, load_mapping

GENERIC = "generic"
FORMATS = ("csv", "jsonl", "parquet", "hub")  # the generic layout, however the file is called
_FOLDER = Path(__file__).parent / "layouts"


def known_layouts() -> list[str]:
    """The names that --layout takes."""
    return [*sorted(path.stem for path in _FOLDER.glob("*.toml") if path.stem != GENERIC), *FORMATS]


@functools.lru_cache(maxsize=32)
def load_layout(name: str) -> Mapping:
    """The mapping of a built-in layout; csv, jsonl, parquet and hub are the generic one."""
    if name not in {*known_layouts(), GENERIC}:
        raise InputError(
            f"unknown layout {name!r}",
            fix=f"known: {', '.join(known_layouts())}; or describe the set with --mapping FILE",
        )
    return load_mapping(_FOLDER / f"{GENERIC if name in FORMATS else name}.toml")


def detect_layout(paths: Iterable[str], columns: list[str] | None) -> str:
    """The layout whose file names and columns these are; the generic one where none fits.

    `columns` are those of the first file, None where it has no readable header.
    """
    names = list(paths)
    fitting = []
    for name in known_layouts():
        layout = load_layout(name)
        if name in FORMATS or (layout.files and not any(layout.groups(path) is not None for path in names)):
            continue
        if not layout.header or (columns is not None and not layout.lacking(columns)):
            fitting.append((len(layout.columns), bool(layout.files), name))
    return max(fitting)[2] if fitting else GENERIC
