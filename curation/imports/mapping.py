"""A mapping: which column, path or fixed value gives each part of a prompt. Built-in layouts and users' files share it.

title = "My set"                                   # what a row's source is called, where no column says it
[prompt]
column = "question"                                # or several, the first that is there: ["question", "text"]
[language]
column = "lang"
values = { English = "en", Mandarin = "zh" }       # * stands for anything: { "en-*" = "en" }
[intent]
column = "label"
values = { safe = "benign", unsafe = "harmful" }
default = "unknown"                                # where the cell is empty or no value fits
[licence]
default = "CC-BY-4.0"
"""

from __future__ import annotations

import fnmatch
import re
import sys
from collections.abc import Mapping as Cells
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from curation.errors import InputError
from curation.records import INTENTS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

COLUMN, PATH = "column", "path"  # where a value is read: in the row, or in the name of its file


class Part(BaseModel):
    """Where one part of a prompt comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: tuple[str, ...] = Field(
        default=(), description="a column, or several of which the first that is filled counts"
    )
    path: str = Field(default="", description="a named group of the pattern in `files`")
    values: dict[str, str] = Field(
        default={}, description="what a value means; * and ? as in file names, the first fit counts"
    )
    default: str = Field(default="", description="where there is no value, or none that `values` knows")

    @field_validator("column", mode="before")
    @classmethod
    def _one_or_more(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given

    @cached_property
    def reads(self) -> tuple[tuple[str, str], ...]:
        """The cells that this part looks at, in order."""
        return (*((COLUMN, folded(name)) for name in self.column), *([(PATH, self.path)] if self.path else []))

    @cached_property
    def _meanings(self) -> tuple[tuple[str, str], ...]:
        return tuple((folded(name), meant) for name, meant in self.values.items())

    def value(self, cells: Cells[tuple[str, str], Any]) -> Any:
        """The value in one row: a cell as it stands, or what `values` makes of it; the default where there is none."""
        for key in self.reads:
            found = cells.get(key)
            if found is not None and found != "":
                break
        else:
            return self.default
        if not self.values:
            return found
        text = folded(found)
        for name, meant in self._meanings:
            if text == name or fnmatch.fnmatchcase(text, name):
                return meant
        return self.default or found


class Mapping(BaseModel):
    """How the rows of a set become prompts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field(default="", max_length=120)
    files: tuple[str, ...] = Field(
        default=(), description="patterns of the set's file names; named groups are read by `path`"
    )
    columns: tuple[str, ...] = Field(default=(), description="columns that must be there; the set is known by them")
    header: bool = Field(default=True, description="false: a CSV of one column, without a first line that names it")
    delimiter: str = Field(default="", max_length=1, description="empty: comma, or tab in a .tsv")
    prompt: Part = Part()
    texts: dict[str, str] = Field(
        default={}, description="language -> column, where each language has a column of its own"
    )
    language: Part = Part()
    category: Part = Part(default="unsorted")
    intent: Part = Part(default="unknown")
    licence: Part = Part()
    source: Part = Part()
    id: Part = Part()
    group: Part = Part()

    @field_validator("files")
    @classmethod
    def _patterns(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in given:
            try:
                re.compile(pattern)
            except re.error as exc:
                raise ValueError(f"not a pattern: {exc}") from None
        return given

    @model_validator(mode="after")
    def _sensible(self) -> Mapping:
        if not (self.prompt.column or self.texts):
            raise ValueError("[prompt] needs a column, or [texts] a column for each language")
        meant = {*self.intent.values.values(), self.intent.default} - {""}
        if not meant <= set(INTENTS):
            raise ValueError(f"[intent] may mean {', '.join(INTENTS)}, found {', '.join(sorted(meant - set(INTENTS)))}")
        return self

    @cached_property
    def inputs(self) -> tuple[tuple[str, str], ...]:
        """Every cell that the mapping looks at: (column or path, name)."""
        parts = (self.prompt, self.language, self.category, self.intent, self.licence, self.source, self.id, self.group)
        keys = [key for part in parts for key in part.reads]
        return tuple(dict.fromkeys([*keys, *((COLUMN, folded(name)) for name in self.texts.values())]))

    def lacking(self, found: Cells[str, Any] | list[str]) -> list[str]:
        """The required columns that are not among those found."""
        there = {folded(name) for name in found}
        alternatives = [self.prompt.column] if self.prompt.column else [(name,) for name in self.texts.values()]
        needed = [*((name,) for name in self.columns), *alternatives]
        return list(dict.fromkeys(names[0] for names in needed if not {folded(name) for name in names} & there))

    def groups(self, path: str) -> dict[str, str] | None:
        """The named groups of the first pattern that the end of a path fits; None where none fits."""
        for pattern in self.files:
            match = re.search(rf"(?:\A|/)(?:{pattern})\Z", path)
            if match:
                return {name: value for name, value in match.groupdict().items() if value}
        return None


def folded(name: str) -> str:
    """A column or value as it is compared: without case and outer white space."""
    return str(name).strip().casefold()


def load_mapping(path: Path) -> Mapping:
    """Read a mapping file; the error names file and key."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist", fix="check the path of the mapping file") from None
    except OSError as exc:
        raise InputError(f"cannot read {path}: {exc.strerror}", fix="give a readable mapping file") from None
    except UnicodeDecodeError as exc:
        raise InputError(f"{path} is not UTF-8 (byte {exc.start})", fix="save it as UTF-8") from None
    except tomllib.TOMLDecodeError as exc:
        raise InputError(f"{path} is not valid TOML: {exc}", fix="correct that line") from None
    try:
        return Mapping.model_validate(raw)
    except ValidationError as exc:
        first = exc.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise InputError(
            f"{path}: {key + ': ' if key else ''}{said}",
            fix=f"known: {', '.join(Mapping.model_fields)}; each of prompt ... group has {', '.join(Part.model_fields)}",
        ) from None
