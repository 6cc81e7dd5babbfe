"""An import: raw rows in, prompts and rejects out, a shard at a time; killed and run again it goes on where it was."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from curation.errors import InputError
from curation.imports.hub import PREFIX, Dataset
from curation.imports.layouts import FORMATS, detect_layout, load_layout
from curation.imports.mapping import COLUMN, Mapping, folded, load_mapping
from curation.imports.repeats import Repeats, count_repeats
from curation.imports.rows import Raw, Shaper
from curation.imports.sources import Source
from curation.progress import progress_bar
from curation.records import Prompt
from curation.steps import Output, Shards, Step, Work
from curation.tables import Manifest
from curation.workspace import IMPORT, Workspace

VERSION = 1
SHARD_ROWS = 5_000
SHARD_CHARACTERS = 8_000_000  # of long rows fewer make a shard
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")


class Options(NamedTuple):
    """What the user may say beside the source."""

    layout: str = ""  # empty: found out
    mapping: Path | None = None
    name: str = ""  # empty: after the source
    language: str = ""  # of rows that do not say
    licence: str = ""  # of rows that do not say
    fallback: str = ""  # encoding of rows that are not UTF-8
    config: str = ""  # of a data set on the hub
    split: str = "train"
    replace: bool = False


class Imported(NamedTuple):
    """What an import left in the project."""

    step: str
    layout: str
    prompts: Counter[tuple[str, str]]  # (language, intent)
    rejects: Counter[str]  # by reason
    repeats: Repeats
    computed: int  # shards that were made now


def run_import(workspace: Workspace, given: str, options: Options = Options()) -> Imported:
    """Import a file, a folder or a data set on the hub as prompts of the project."""
    source, layout, mapping = choose(given, options)
    name = options.name or default_name(source)
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name[:60]!r} cannot name an import", fix="--name takes lower-case letters, digits and . _ -"
        )
    step_name = IMPORT + name
    languages = workspace.config.project.languages
    settings: dict[str, object] = {"languages": list(languages), "fallback": options.fallback}
    settings["mapping"] = mapping.model_dump(mode="json", exclude={"files", "columns", "header", "delimiter"})
    shaper = Shaper(mapping, step_name, languages, options.fallback)
    step = Step(step_name, VERSION, settings, lambda: _work(shaper))
    table = workspace.table(Prompt)
    shards = Shards(step, table, workspace.rejects(step_name))
    prompts: Counter[tuple[str, str]] = Counter()
    rejects: Counter[str] = Counter()
    with progress_bar(f"import {name}", total=sum(part.size for part in source.chosen(mapping))) as advance:
        shown = 0
        for shard in cut(source.rows(mapping, options.fallback)):
            kept, lost = shards.run(shard)
            prompts.update((row.language, row.intent) for row in kept)
            rejects.update(row.reason for row in lost)
            advance(source.position.bytes - shown)
            shown = source.position.bytes
    if not prompts and not rejects:
        raise InputError(f"{source.name} holds no rows", fix="give a file with rows")
    _check_kept(table.folder / f"{step_name}.json", shards.manifest(), options.replace)
    shards.close()
    return Imported(step_name, layout, prompts, rejects, count_repeats(table, step_name), shards.computed)


def choose(given: str, options: Options) -> tuple[Source, str, Mapping]:
    """The source, the name of its layout, and its mapping with the user's language and licence."""
    on_hub = given.startswith(PREFIX) or options.layout == "hub"
    format_ = options.layout if options.layout in FORMATS[:-1] else ""
    dataset = Dataset.parse(given, options.config, options.split) if on_hub else None
    source = Source.open(given, format_, dataset)
    columns = None
    if options.mapping is None and options.layout not in {"", *FORMATS}:
        layout, mapping = options.layout, load_layout(options.layout)
    else:
        told = load_mapping(options.mapping) if options.mapping else None
        columns = _columns(source, told)
        layout = "mapping" if told else options.layout or detect_layout(source.matches, columns)
        mapping = told or load_layout(layout)
    parts = {"language": options.language, "licence": options.licence, "source": mapping.title or source.name}
    changed = {
        name: getattr(mapping, name).model_copy(update={"default": told}) for name, told in parts.items() if told
    }
    mapping = mapping.model_copy(update=changed)
    _check_said("licence", mapping, columns, "an SPDX name such as CC-BY-4.0, or unknown")
    if not mapping.texts:
        _check_said("language", mapping, columns, "a code such as en")
    return source, layout, mapping


def default_name(source: Source) -> str:
    """A name after the file, folder or data set."""
    dataset = source.dataset
    name = f"{dataset.name}-{dataset.config}" if dataset is not None else re.sub(r"\.[A-Za-z]+\Z", "", source.name)
    return re.sub(r"[^a-z0-9._]+", "-", name.lower()).strip("-._")[:60] or "set"


def cut(rows: Iterable[Raw]) -> Iterator[list[Raw]]:
    """Rows in shards that depend on the rows alone."""
    shard: list[Raw] = []
    characters = 0
    for row in rows:
        shard.append(row)
        characters += sum(len(cell) for cell in row.cells if isinstance(cell, (str, bytes)))
        if len(shard) == SHARD_ROWS or characters >= SHARD_CHARACTERS:
            yield shard
            shard, characters = [], 0
    if shard:
        yield shard


def _work(shaper: Shaper) -> Work:
    def work(rows: list[Raw]) -> Output:
        found = [shaper.shape(row) for row in rows]
        return Output([row for kept, _ in found for row in kept], [row for _, lost in found for row in lost])

    return work


def _columns(source: Source, mapping: Mapping | None) -> list[str] | None:
    try:
        return source.columns(mapping)
    except InputError:
        if source.dataset is not None:
            raise
        return (
            None  # a set without header may begin with anything; where a header is needed, reading says what is wrong
        )


def _check_said(part: str, mapping: Mapping, columns: list[str] | None, example: str) -> None:
    """Refuse a source whose rows can have no licence (or language) at all before anything is read."""
    chosen = getattr(mapping, part)
    there = {(COLUMN, folded(name)) for name in columns or ()}
    keys = chosen.reads
    if not chosen.default and (not keys or (columns is not None and not chosen.path and not set(keys) & there)):
        raise InputError(f"nothing says which {part} the rows have", fix=f"add --{part} with {example}")


def _check_kept(path: Path, fresh: Manifest, replace: bool) -> None:
    """Refuse to take the place of an earlier import of other rows, unless that is wanted."""
    if replace or not path.exists():
        return
    old = Manifest.read(path)
    if old.shards != fresh.shards:
        rows = sum(rows for *_, rows in old.shards)
        raise InputError(f"there is an import {path.stem.removeprefix(IMPORT)!r} of {rows} other prompts in this project",
                         fix="give another --name, or --replace to take these instead")  # fmt: skip
