"""One row of a set becomes prompts, or rejects with a reason word; its place, source and licence go along."""

from __future__ import annotations

import ast
import dataclasses
import re
from functools import cached_property
from typing import Any, NamedTuple

from curation.imports.decoding import decoded, mended
from curation.imports.mapping import COLUMN, Mapping, folded
from curation.languages.identification import primary
from curation.records import INTENTS, Prompt, Reject, digest, make_prompt

LONGEST_PROMPT = 20_000  # characters
LONGEST_WORD = 200  # characters of a source, licence or id that are kept
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*")
_NO_WORD = re.compile(r"[^\w]+")
_RESERVED = "harmless"  # what people are never asked about; an imported prompt may turn out to be refused


class Raw(NamedTuple):
    """A row as it was read: where it stands, the cells that the mapping looks at, and what is wrong with it."""

    file: str
    number: int  # the line, or the row in its file, from 1
    cells: tuple[Any, ...]  # in the order of Mapping.inputs
    problem: str = ""  # a reason word; then there are no cells
    evidence: str = ""

    @property
    def place(self) -> str:
        """File and line, as it is kept with the prompt."""
        return f"{self.file}:{self.number}"


class Unusable(Exception):
    """A row that gives no prompt: the reason word and its evidence."""

    def __init__(self, reason: str, evidence: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.evidence = evidence


@dataclasses.dataclass(frozen=True)
class Shaper:
    """Makes prompts of rows, by a mapping and for the project's languages."""

    mapping: Mapping
    step: str
    languages: tuple[str, ...]
    fallback: str = ""  # the encoding of rows that are not UTF-8

    def shape(self, raw: Raw) -> tuple[list[Prompt], list[Reject]]:
        """The prompts of one row (one a language where the set has a column for each) and what is dropped of it."""
        prompts: list[Prompt] = []
        rejects: list[Reject] = []
        try:
            cells = self._cells(raw)
        except Unusable as exc:
            return [], [self._reject(raw, exc, "")]
        for language, column in self.mapping.texts.items() or [("", "")]:
            key = (COLUMN, folded(column)) if column else None
            try:
                prompts.append(self._prompt(raw, cells, language, cells[key] if key else None))
            except Unusable as exc:
                rejects.append(self._reject(raw, exc, language))
        return prompts, rejects

    def _cells(self, raw: Raw) -> dict[tuple[str, str], Any]:
        if raw.problem:
            raise Unusable(raw.problem, raw.evidence)
        texts = self._texts
        return {
            key: None if cell is None else self._cell(cell, key in texts)
            for key, cell in zip(self.mapping.inputs, raw.cells, strict=True)
        }

    @cached_property
    def _texts(self) -> frozenset[tuple[str, str]]:
        columns = (*self.mapping.prompt.column, *self.mapping.texts.values())
        return frozenset((COLUMN, folded(name)) for name in columns)

    def _cell(self, cell: Any, is_text: bool) -> Any:
        """A cell as text; what is none stays as it is where a prompt is looked for, so that it can be told."""
        if isinstance(cell, (bytes, str)):
            text, problem = decoded(cell, self.fallback) if isinstance(cell, bytes) else (cell, "")
            if not problem:
                text, problem = mended(text, self.fallback)
            if problem:
                raise Unusable(problem)
            return text
        if is_text:
            return cell
        return self._cell(cell[0], False) if isinstance(cell, list) and cell else str(cell)[:LONGEST_WORD]

    def _prompt(self, raw: Raw, cells: dict[tuple[str, str], Any], language: str, text: Any) -> Prompt:
        mapping = self.mapping
        text = text if language else mapping.prompt.value(cells)
        if text is not None and not isinstance(text, str):
            raise Unusable("not_text", type(text).__name__)
        text = (text or "").strip().strip("\ufeff").strip()
        if not text:
            raise Unusable("no_text")
        if len(text) > LONGEST_PROMPT:
            raise Unusable("too_long", f"{len(text)} characters")
        code = self._language(language or mapping.language.value(cells))
        intent = mapping.intent.value(cells)
        if intent not in INTENTS:
            raise Unusable("unknown_intent", repr(intent[:40]))
        licence = mapping.licence.value(cells)[:LONGEST_WORD]
        if not licence:
            raise Unusable("no_licence")
        told = first_of(mapping.category.value(cells))
        category = slug(told)
        detail = {"source": mapping.source.value(cells)[:LONGEST_WORD], "licence": licence, "row": raw.place}
        for key, value in (("id", mapping.id.value(cells)), ("group", mapping.group.value(cells)),
                           ("category", "" if told == category else told)):  # fmt: skip
            if value:
                detail[key] = value[:LONGEST_WORD]
        return make_prompt(text, code, category=category, intent=intent, method="import", detail=detail)

    def _language(self, given: str) -> str:
        """The project's language that a code names: the same one, or the one whose variety it is."""
        if not given:
            raise Unusable("no_language")
        if given in self.languages:
            return given
        if not _LANGUAGE.fullmatch(given):
            raise Unusable("no_language", repr(given[:40]))
        if primary(given) in self.languages:
            return primary(given)
        raise Unusable("other_language", primary(given))

    def _reject(self, raw: Raw, exc: Unusable, language: str) -> Reject:
        evidence = " ".join(part for part in (raw.place, language, exc.evidence) if part)
        key = digest("row", self.step, raw.place, language)[:16]
        return Reject(key, self.step, exc.reason, evidence)


def first_of(category: str) -> str:
    """The first entry of a list that was written as text, as Python or JSON print one; other text as it is."""
    if category.startswith("[") and len(category) < 2000:
        try:
            found = ast.literal_eval(category)
        except (ValueError, SyntaxError):
            return category
        return str(found[0]) if isinstance(found, list) and found else ""
    return category


def slug(category: str) -> str:
    """A category as the project writes them: lower case, words joined by underscores."""
    word = _NO_WORD.sub("_", category.casefold()).strip("_")[:60].strip("_") or "unsorted"
    return "plain" if word == _RESERVED else word
