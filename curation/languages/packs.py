"""Language packs: one TOML file a language with seeds, refusal phrases, slot grammar and the annotator's texts."""

from __future__ import annotations

import dataclasses
import itertools
import re
import sys
from pathlib import Path
from typing import Any

from curation.errors import PackError
from curation.records import (
    ANSWERS,
    BENIGN_CATEGORIES,
    HARMFUL_CATEGORIES,
    NATURALNESS,
    REASONS,
    Prompt,
    make_prompt,
    normalise,
    prompt_id,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BUILT_IN = Path(__file__).parent / "packs"
_SLOT = re.compile(r"\{([a-z_]+)\}")
_SECTIONS = (
    "code",
    "name",
    "native_name",
    "script",
    "annotation",
    "refusals",
    "benign",
    "harmful",
    "harmless",
    "grammar",
)


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
            names = list(dict.fromkeys(_SLOT.findall(frame)))
            for values in itertools.product(*(self.slots[name] for name in names)):
                filled = dict(zip(names, values, strict=True))
                parts = _SLOT.split(frame)  # text, slot name, text, slot name, ...
                text = "".join(filled[part] if index % 2 else part for index, part in enumerate(parts))
                found.append((text, {"frame": frame, **filled}))
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
    """Read and check one pack file; the error names file, section and fix."""
    try:
        raw = tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as exc:
        raise PackError(
            f"cannot read {path}: {exc.strerror}", fix="give the code of a pack or a readable file"
        ) from None
    except UnicodeDecodeError as exc:
        raise PackError(f"{path} is not UTF-8 (byte {exc.start})", fix="save it as UTF-8") from None
    except tomllib.TOMLDecodeError as exc:
        raise PackError(f"{path} is not valid TOML: {exc}", fix="correct that line") from None
    for section in _SECTIONS:
        if section not in raw:
            raise PackError(
                f"{path}: section {section!r} is missing", fix="see the built-in pack en.toml for its layout"
            )
    for section in raw:
        if section not in _SECTIONS:
            raise PackError(f"{path}: unknown section {section!r}", fix=f"known: {', '.join(_SECTIONS)}")
    if raw["code"] != path.stem:
        raise PackError(f"{path}: code is {raw['code']!r}, the file is named {path.stem!r}", fix="make them equal")
    return _PackReader(path, raw).pack()


class _PackReader:
    """Checks one parsed pack, section by section."""

    def __init__(self, path: Path, raw: dict[str, Any]) -> None:
        self.path = path
        self.raw = raw
        self.seen: dict[str, str] = {}
        self.paired: set[str] = set()  # benign seeds that have their contrast

    def pack(self) -> Pack:
        raw = self.raw
        annotation, refusals = self.table("annotation"), self.table("refusals")
        options = {
            answer: self.string(annotation.get("options", {}), answer, "annotation.options") for answer in ANSWERS
        }
        return Pack(
            code=raw["code"], name=self.string(raw, "name", "top"), native_name=self.string(raw, "native_name", "top"),
            script=self.string(raw, "script", "top"), title=self.string(annotation, "title", "annotation"),
            question=self.string(annotation, "question", "annotation"),
            guidelines=self.string(annotation, "guidelines", "annotation"), options=options,
            full_refusals=self.phrases(refusals, "full"), partial_refusals=self.phrases(refusals, "partial"),
            benign=self.seeds("benign", "benign", BENIGN_CATEGORIES),
            harmful=self.seeds("harmful", "harmful", HARMFUL_CATEGORIES),
            harmless=self.seeds("harmless", "benign", None),
            grammar=tuple(self.block(index, block) for index, block in enumerate(self.array("grammar"), 1)),
            hedging=self.phrases(refusals, "hedging") if "hedging" in refusals else (),
            reason=self.follow_up(annotation, "reason", REASONS),
            category=self.follow_up(annotation, "category", (*BENIGN_CATEGORIES, *HARMFUL_CATEGORIES)),
            naturalness=self.follow_up(annotation, "naturalness", NATURALNESS),
            **{key: self.string(annotation, key, "annotation") if key in annotation else ""
               for key in ("note", "calibration", "adjudication")},
        )  # fmt: skip

    def fail(self, message: str, fix: str) -> PackError:
        return PackError(f"{self.path}: {message}", fix=fix)

    def table(self, name: str) -> dict[str, Any]:
        if not isinstance(self.raw[name], dict):
            raise self.fail(f"[{name}] must be a table", f"write it as [{name}]")
        return self.raw[name]

    def array(self, name: str) -> list[dict[str, Any]]:
        value = self.raw[name]
        if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
            raise self.fail(f"[[{name}]] must be a list of entries and not empty", f"write each as [[{name}]]")
        return value

    def string(self, table: Any, key: str, where: str) -> str:
        value = table.get(key) if isinstance(table, dict) else None
        if not isinstance(value, str) or not value.strip():
            raise self.fail(f"{where}: {key!r} is missing or empty", "write it in the pack's language")
        return value

    def follow_up(self, annotation: dict[str, Any], name: str, answers: tuple[str, ...]) -> Question | None:
        """One of the questions after the first; None where the pack does not have it."""
        if name not in annotation:
            return None
        where, table = f"annotation.{name}", annotation[name]
        text = self.string(table, "question", where)
        return Question(
            text, {answer: self.string(table.get("options", {}), answer, f"{where}.options") for answer in answers}
        )

    def phrases(self, table: dict[str, Any], key: str) -> tuple[str, ...]:
        value = table.get(key)
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(item, str) and item.strip() for item in value)
        ):
            raise self.fail(f"[refusals] {key} must be a list of phrases", "see en.toml")
        return tuple(dict.fromkeys(value))

    def seeds(self, section: str, intent: str, categories: tuple[str, ...] | None) -> tuple[Prompt, ...]:
        found = []
        for index, entry in enumerate(self.array(section), 1):
            text = self.string(entry, "text", f"[[{section}]] number {index}")
            category = entry.get("category", "harmless" if categories is None else None)
            if categories is not None and category not in categories:
                raise self.fail(
                    f"[[{section}]] {text!r}: unknown category {category!r}", f"one of {', '.join(categories)}"
                )
            key = normalise(text)
            if key in self.seen:
                raise self.fail(f"[[{section}]] duplicate seed {text!r} (also in [[{self.seen[key]}]])", "remove one")
            self.seen[key] = section
            found.append(
                make_prompt(
                    text,
                    self.raw["code"],
                    category=category or "harmless",
                    intent=intent,
                    method="seed",
                    detail=self.contrast(entry, text) if section == "harmful" else None,
                )
            )
        return tuple(found)

    def contrast(self, entry: dict[str, Any], text: str) -> dict[str, str] | None:
        """The benign seed that a harmful one is the near contrast of; each is paired at most once."""
        if "contrast" not in entry:
            return None
        benign = self.string(entry, "contrast", f"[[harmful]] {text!r}")
        if self.seen.get(normalise(benign)) != "benign":
            raise self.fail(f"[[harmful]] {text!r}: contrast {benign!r} is no benign seed", "copy that seed's text")
        if benign in self.paired:
            raise self.fail(f"[[harmful]] {text!r}: {benign!r} already has a contrast", "pair it with another seed")
        self.paired.add(benign)
        return {"contrast": prompt_id(self.raw["code"], benign)}

    def block(self, index: int, raw: dict[str, Any]) -> GrammarBlock:
        where = f"[[grammar]] number {index}"
        frames, slots, category = raw.get("frames"), raw.get("slots", {}), raw.get("category")
        if category not in BENIGN_CATEGORIES:
            raise self.fail(f"{where}: unknown category {category!r}", f"one of {', '.join(BENIGN_CATEGORIES)}")
        if not isinstance(frames, list) or not frames or not all(isinstance(frame, str) for frame in frames):
            raise self.fail(f"{where}: frames must be a list of texts", "see en.toml")
        if not isinstance(slots, dict) or not all(isinstance(values, list) and values and all(isinstance(v, str) for v in values)
                                                  for values in slots.values()):  # fmt: skip
            raise self.fail(f"{where}: slots must be lists of texts", "see en.toml")
        for frame in frames:
            for name in _SLOT.findall(frame):
                if name not in slots:
                    raise self.fail(
                        f"{where}: frame {frame!r} names no known slot {name!r}", f"known: {', '.join(slots)}"
                    )
        return GrammarBlock(category, tuple(frames), {name: tuple(values) for name, values in slots.items()})
