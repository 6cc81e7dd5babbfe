"""Language packs: one TOML file a language with seeds, refusal phrases, slot grammar and the annotator's texts."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Mapping
from pathlib import Path

from curation.errors import PackError
from curation.records import Prompt

BUILT_IN = Path(__file__).parent / "packs"
_SLOT = re.compile(r"\{([a-z_]+)\}")


def slot_names(frame: str) -> tuple[str, ...]:
    """The slots of a frame, each once, in their order."""
    return tuple(dict.fromkeys(_SLOT.findall(frame)))


def fill(frame: str, values: Mapping[str, str]) -> str:
    """The frame with a value in each slot; braces inside a value stay as they are."""
    parts = _SLOT.split(frame)  # text, slot name, text, slot name, ...
    return "".join(values[part] if index % 2 else part for index, part in enumerate(parts))


@dataclasses.dataclass(frozen=True)
class GrammarBlock:
    """Frames with slots; every combination is a benign near-boundary prompt of `category`."""

    category: str
    frames: tuple[str, ...]
    slots: dict[str, tuple[str, ...]]

    def combinations(self) -> list[tuple[str, dict[str, str]]]:
        """Every (text, slots) of the block, in the pack's order."""
        found = []
        for frame in self.frames:
            names = slot_names(frame)
            for values in itertools.product(*(self.slots[name] for name in names)):
                filled = dict(zip(names, values, strict=True))
                found.append((fill(frame, filled), {"frame": frame, **filled}))
        return found


@dataclasses.dataclass(frozen=True)
class Question:
    """A closed question as annotators of one language read it: its text, and a label for each answer."""

    text: str
    options: dict[str, str]


@dataclasses.dataclass(frozen=True)
class Pack:
    """All that morbench knows of one language."""

    code: str
    name: str
    native_name: str
    script: str
    title: str
    question: str
    guidelines: str
    options: dict[str, str]
    full_refusals: tuple[str, ...]
    partial_refusals: tuple[str, ...]
    benign: tuple[Prompt, ...]
    harmful: tuple[Prompt, ...]
    harmless: tuple[Prompt, ...]
    grammar: tuple[GrammarBlock, ...]
    hedging: tuple[str, ...] = ()  # warnings and disclaimers that are no refusal
    reason: Question | None = None  # the follow-up questions; None where the pack leaves them to English
    category: Question | None = None
    naturalness: Question | None = None
    note: str = ""
    calibration: str = ""  # what a practice round says of itself
    adjudication: str = ""  # what a queue of disagreements says of itself


def available_languages(folder: Path | None = None) -> list[str]:
    """Codes of the built-in packs and of those in `folder`."""
    codes = {path.stem for path in BUILT_IN.glob("*.toml")}
    if folder is not None:
        codes |= {path.stem for path in folder.glob("*.toml")}
    return sorted(codes)


def load_pack(code: str, folder: Path | None = None) -> Pack:
    """Load the pack of a language; a file in `folder` comes before the built-in one."""
    candidates = [base / f"{code}.toml" for base in (folder, BUILT_IN) if base is not None]
    path = next((path for path in candidates if path.exists()), None)
    if path is None:
        raise PackError(f"no language pack {code!r}", fix=f"known: {', '.join(available_languages(folder))}")
    return read_pack(path)


def read_pack(path: Path) -> Pack:
    """Read one pack file; the error names file, line and fix of the first thing that is wrong."""
    from curation.languages.reading import draft_pack

    draft = draft_pack(path)
    if draft.problems:
        first, *more = draft.problems
        where = f"{path}, line {first.line}" if first.line else str(path)
        rest = f" (and {len(more)} more: `morbench language check {path}`)" if more else ""
        raise PackError(f"{where}: {first.message}", fix=f"{first.fix}{rest}")
    return draft.pack
