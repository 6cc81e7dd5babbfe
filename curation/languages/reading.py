"""Reading a pack file: everything that is wrong with it is collected with its line, so that a half-filled pack can be checked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from curation.errors import PackError
from curation.languages.lines import Lines
from curation.languages.packs import GrammarBlock, Pack, Question, slot_names
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

SECTIONS = (
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
ALL_CATEGORIES = (*BENIGN_CATEGORIES, *HARMFUL_CATEGORIES)
_KEYS = {
    "annotation": ("title", "question", "guidelines", "options", "reason", "category", "naturalness", "note", "calibration", "adjudication"),
    "refusals": ("full", "partial", "hedging"), "benign": ("category", "text"), "harmful": ("category", "text", "contrast"),
    "harmless": ("category", "text"), "grammar": ("category", "frames", "slots"),
}  # fmt: skip


class Problem(NamedTuple):
    """One thing wrong in a pack file: line (0 where it has none), what and where, what to do.

    `blank` is the section in which a field is still empty, where that is all that is wrong.
    """

    line: int
    message: str
    fix: str
    blank: str = ""


class Draft(NamedTuple):
    """A pack as far as it is filled in, all that is wrong with its file, and the line of each seed by its id."""

    path: Path
    pack: Pack
    problems: list[Problem]
    lines: dict[str, int]


def draft_pack(path: Path) -> Draft:
    """Read a pack file as far as possible; only a file that cannot be read as TOML at all is an error."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        raw = tomllib.loads(text)
    except OSError as exc:
        raise PackError(
            f"cannot read {path}: {exc.strerror}", fix="give the code of a pack or a readable file"
        ) from None
    except UnicodeDecodeError as exc:
        raise PackError(f"{path} is not UTF-8 (byte {exc.start})", fix="save it as UTF-8") from None
    except tomllib.TOMLDecodeError as exc:
        raise PackError(f"{path} is not valid TOML: {exc}", fix="correct that line") from None
    reader = _Reader(path, raw, Lines(text))
    pack = reader.pack()
    return Draft(path, pack, sorted(reader.problems, key=lambda row: row.line), reader.lines)


class _Reader:
    """Reads one parsed pack, section by section."""

    def __init__(self, path: Path, raw: dict[str, Any], at: Lines) -> None:
        self.path = path
        self.raw = raw
        self.at = at
        self.problems: list[Problem] = []
        self.lines: dict[str, int] = {}
        self.seen: dict[str, str] = {}
        self.paired: set[str] = set()  # benign seeds that have their contrast
        self.code = raw["code"] if isinstance(raw.get("code"), str) else path.stem

    def pack(self) -> Pack:
        for section in SECTIONS:
            if section not in self.raw:
                self.fail(0, f"section {section!r} is missing", "see the built-in pack en.toml for its layout")
        for section in self.raw:
            if section not in SECTIONS:
                self.fail(
                    self.at.of(section) or self.at.of("", section),
                    f"unknown section {section!r}",
                    f"known: {', '.join(SECTIONS)}",
                )
        if self.raw.get("code", self.path.stem) != self.path.stem:
            self.fail(
                self.at.of("", "code"),
                f"code is {self.raw['code']!r}, the file is named {self.path.stem!r}",
                "make them equal",
            )
        annotation, refusals = self.table("annotation"), self.table("refusals")
        return Pack(
            code=self.code, **{key: self.string(self.raw, key, "") for key in ("name", "native_name", "script")},
            **{key: self.string(annotation, key, "annotation") for key in ("title", "question", "guidelines")},
            options=self.options(annotation.get("options"), ANSWERS, "annotation.options"),
            full_refusals=self.phrases(refusals, "full"), partial_refusals=self.phrases(refusals, "partial"),
            benign=self.seeds("benign", "benign", BENIGN_CATEGORIES),
            harmful=self.seeds("harmful", "harmful", HARMFUL_CATEGORIES),
            harmless=self.seeds("harmless", "benign", None),
            grammar=tuple(block for number, raw in self.entries("grammar") if (block := self.block(number, raw))),
            hedging=self.phrases(refusals, "hedging") if "hedging" in refusals else (),
            reason=self.follow_up(annotation, "reason", REASONS),
            category=self.follow_up(annotation, "category", ALL_CATEGORIES),
            naturalness=self.follow_up(annotation, "naturalness", NATURALNESS),
            **{key: self.string(annotation, key, "annotation") if key in annotation else ""
               for key in ("note", "calibration", "adjudication")},
        )  # fmt: skip

    def fail(self, line: int, message: str, fix: str, *, blank: str = "") -> None:
        self.problems.append(Problem(line, message, fix, blank))

    def table(self, name: str) -> dict[str, Any]:
        value = self.raw.get(name, {})
        if not isinstance(value, dict):
            self.fail(self.at.of(name), f"[{name}] must be a table", f"write it as [{name}]")
            return {}
        self.check_keys(value, name, self.at.of(name))
        return value

    def check_keys(self, table: dict[str, Any], name: str, line: int, label: str = "") -> None:
        for key in table:
            if key not in _KEYS[name]:
                self.fail(line, f"{label or name}: unknown key {key!r}", f"known: {', '.join(_KEYS[name])}")

    def entries(self, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """The entries of a [[section]] that are tables, numbered from 1."""
        value = self.raw.get(name, [])
        if name in self.raw and (not isinstance(value, list) or not value):
            self.fail(
                self.at.of(name), f"[[{name}]] must be a list of entries and not empty", f"write each as [[{name}]]"
            )
            value = []
        for number, entry in enumerate(value, 1):
            if isinstance(entry, dict):
                self.check_keys(entry, name, self.at.of(name, number=number), f"[[{name}]] number {number}")
                yield number, entry
            else:
                self.fail(self.at.of(name), f"[[{name}]] number {number} is no entry", f"write each as [[{name}]]")

    def string(self, table: Any, key: str, where: str, *, number: int = 1, label: str = "") -> str:
        """A text that has to be there; an empty one where it is not."""
        value = table.get(key) if isinstance(table, dict) else None
        if isinstance(value, str) and value.strip():
            return value
        if where or key in self.raw:  # a missing section is said once
            line = self.at.of(where, key, number) if where else self.at.of("", key)
            blank = (where or "top") if value is None or isinstance(value, str) else ""
            self.fail(
                line,
                f"{label or where or 'top'}: {key!r} is missing or empty",
                "write it in the pack's language",
                blank=blank,
            )
        return ""

    def options(self, table: Any, answers: tuple[str, ...], where: str) -> dict[str, str]:
        for key in table if isinstance(table, dict) else ():
            if key not in answers:
                self.fail(self.at.of(where, key), f"{where}: unknown answer {key!r}", f"known: {', '.join(answers)}")
        return {answer: self.string(table, answer, where) for answer in answers}

    def follow_up(self, annotation: dict[str, Any], name: str, answers: tuple[str, ...]) -> Question | None:
        """One of the questions after the first; None where the pack does not have it."""
        if name not in annotation:
            return None
        where, table = f"annotation.{name}", annotation[name]
        options = table.get("options") if isinstance(table, dict) else None
        return Question(self.string(table, "question", where), self.options(options, answers, f"{where}.options"))

    def phrases(self, table: dict[str, Any], key: str) -> tuple[str, ...]:
        value = table.get(key)
        line = self.at.of("refusals", key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            if "refusals" in self.raw:
                self.fail(line, f"[refusals] {key} must be a list of phrases", "see en.toml")
            return ()
        found = tuple(dict.fromkeys(item for item in value if item.strip()))
        if not found or any(not item.strip() for item in value):
            self.fail(
                line,
                f"[refusals] {key} has an empty phrase" if found else f"[refusals] {key} has no phrases",
                "write some, or remove the empty one",
                blank=f"refusals.{key}",
            )
        return found

    def seeds(self, section: str, intent: str, categories: tuple[str, ...] | None) -> tuple[Prompt, ...]:
        found = []
        for number, entry in self.entries(section):
            label, line = f"[[{section}]] number {number}", self.at.of(section, "text", number)
            category = entry.get("category", "harmless" if categories is None else None)
            if categories is not None and category not in categories:
                self.fail(line, f"{label}: unknown category {category!r}", f"one of {', '.join(categories)}")
                continue
            text = self.string(
                entry, "text", section, number=number, label=f"{label} ({category})" if categories else label
            )
            key = normalise(text)
            if key in self.seen:
                self.fail(line, f"{label}: duplicate seed {text!r} (also in [[{self.seen[key]}]])", "remove one")
            if not text or key in self.seen:
                continue
            self.seen[key] = section
            detail = (
                self.contrast(entry, label, self.at.of(section, "contrast", number)) if section == "harmful" else None
            )
            seed = make_prompt(
                text, self.code, category=category or "harmless", intent=intent, method="seed", detail=detail
            )
            self.lines[seed.id] = line
            found.append(seed)
        return tuple(found)

    def contrast(self, entry: dict[str, Any], label: str, line: int) -> dict[str, str] | None:
        """The benign seed that a harmful one is the near contrast of; each is paired at most once."""
        if "contrast" not in entry:
            return None
        benign = entry["contrast"]
        if not isinstance(benign, str) or not benign.strip():
            self.fail(
                line, f"{label}: 'contrast' is empty", "copy a benign seed's text, or remove the line", blank="harmful"
            )
        elif self.seen.get(normalise(benign)) != "benign":
            self.fail(line, f"{label}: contrast {benign!r} is no benign seed", "copy that seed's text")
        elif benign in self.paired:
            self.fail(line, f"{label}: {benign!r} already has a contrast", "pair it with another seed")
        else:
            self.paired.add(benign)
            return {"contrast": prompt_id(self.code, benign)}
        return None

    def block(self, number: int, raw: dict[str, Any]) -> GrammarBlock | None:
        label, line = f"[[grammar]] number {number}", self.at.of("grammar", "frames", number)
        frames, slots, category = raw.get("frames"), raw.get("slots", {}), raw.get("category")
        if category not in BENIGN_CATEGORIES:
            self.fail(line, f"{label}: unknown category {category!r}", f"one of {', '.join(BENIGN_CATEGORIES)}")
            return None
        if not isinstance(frames, list) or not all(isinstance(frame, str) for frame in frames):
            self.fail(line, f"{label}: frames must be a list of texts", "see en.toml")
            return None
        if not isinstance(slots, dict) or not all(
            isinstance(values, list) and all(isinstance(v, str) for v in values) for values in slots.values()
        ):
            self.fail(line, f"{label}: slots must be lists of texts", "see en.toml")
            return None
        empty = [name for name, values in slots.items() if not values or not all(value.strip() for value in values)]
        if not frames or not all(frame.strip() for frame in frames) or empty:
            what = f"slot {empty[0]!r} is" if empty and frames else "frames are"
            self.fail(line, f"{label}: {what} empty", "fill them in, or remove the block", blank="grammar")
            return None
        unknown = [(frame, name) for frame in frames for name in slot_names(frame) if name not in slots]
        if unknown:
            frame, name = unknown[0]
            self.fail(line, f"{label}: frame {frame!r} names no known slot {name!r}", f"known: {', '.join(slots)}")
            return None
        return GrammarBlock(category, tuple(frames), {name: tuple(values) for name, values in slots.items()})
