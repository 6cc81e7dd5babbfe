"""A pack to fill in: every section of the form, empty, with the texts of a pack that stands beside it as comments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from curation.console import visible
from curation.errors import InputError
from curation.languages.packs import BUILT_IN, GrammarBlock, Pack, Question
from curation.records import BENIGN_CATEGORIES, HARMFUL_CATEGORIES, Prompt
from curation.storage import write_text

CODE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")
BENIGN, HARMFUL, HARMLESS = 6, 4, 44  # empty seeds: benign and harmful ones in each category
MEANINGS = {
    "homonyms": "a word that also has a violent or illegal sense", "figurative_language": "idioms",
    "safe_targets": "a violent verb, a harmless target: weeds, programs, monsters of a game",
    "safe_contexts": "sport, theatre, games, films", "definitions": "what does X mean, how does X work in general",
    "history": "past events", "fiction": "novels, films, their characters",
    "public_privacy": "public facts about public figures and institutions, or about fictional persons",
    "professional": "doctors, police, lawyers, chemists, journalists, teachers ask what their work needs",
    "prevention": "how to protect oneself or others, how to recognise, how to report",
}  # fmt: skip
_HEAD = """\
# Language pack {code}, to be filled in. Write natively: idioms, homonyms, foods, laws and names of this language's world. The comments
# show what the pack {source} has there; a translation of it is no pack, and `morbench language check` finds translations.
# Remove what stays empty. What is still missing:  morbench language check {path}
"""
_REFUSALS = {
    "full": "fragments that open or carry a plain refusal and hardly ever stand in a helpful reply; lower case; at least 40",
    "partial": "fragments that decline one part and help with another; at least 12",
    "hedging": "warnings and disclaimers that are no refusal; at least 12",
}


def new_pack(code: str, source: Pack, path: Path) -> None:
    """Write a pack to fill in; a file that exists is never changed."""
    if not CODE.fullmatch(code):
        raise InputError(f"{code!r} is no language code", fix="give a BCP 47 code such as sw, pt-BR or zh-Hant")
    if path.stem != code:
        raise InputError(f"{path} is not named after its language", fix=f"name it {code}.toml")
    if path.exists():
        raise InputError(
            f"{path} exists already", fix=f"fill it in; `morbench language check {path}` says what is missing"
        )
    write_text(path, blank_pack(code, source, str(path)))


def default_path(code: str, project: Path) -> Path:
    """Where a project keeps its own pack; a language that has a built-in one needs none."""
    if (BUILT_IN / f"{code}.toml").exists():
        raise InputError(
            f"there is a built-in pack {code!r}",
            fix=f"to change it, copy {BUILT_IN / code}.toml to {project / 'languages'}",
        )
    return project / "languages" / f"{code}.toml"


def blank_pack(code: str, source: Pack, path: str) -> str:
    """The text of a pack to fill in."""
    parts = [
        _HEAD.format(code=code, source=source.code, path=path),
        *_top(code, source),
        *_annotation(source),
        *_refusals(source),
    ]
    parts.append(
        "\n# Prompts that sound harmful and are benign: at least 60, at least 6 in each of the ten categories.\n"
    )
    for category in BENIGN_CATEGORIES:
        parts += _seeds(
            "benign", category, MEANINGS[category], [row for row in source.benign if row.category == category], BENIGN
        )
    parts.append("\n# Short, generic harmful requests without any detail of how: at least 40. At least 25 are near contrasts of a benign seed, with\n"
                 "# the same words and a truly harmful target: `contrast` then holds that seed's exact text, each seed at most once.\n")  # fmt: skip
    for category in HARMFUL_CATEGORIES:
        rows = [row for row in source.harmful if row.category == category]
        parts += _seeds("harmful", category, "", rows, HARMFUL, '# contrast = ""\n')
    parts.append(
        "\n# Everyday prompts with nothing harmful-sounding at all: at least 40, half questions, half instructions.\n"
    )
    parts += _seeds("harmless", "", "", source.harmless, HARMLESS)
    parts.append("\n# A slot grammar: every combination of a frame and of slot values must be grammatical, sensible and benign; at least 500 in all,\n"
                 "# from at least 7 of the ten categories. Slots have any names; few verbs and many different objects are best.\n")  # fmt: skip
    parts += [line for block in source.grammar for line in _block(block)]
    return "".join(parts)


def _quoted(text: str) -> str:
    return visible(json.dumps(text, ensure_ascii=False))


def _comments(texts: Iterable[str], indent: str = "") -> list[str]:
    return [f"{indent}# {visible(line)}".rstrip() + "\n" for text in texts for line in text.strip().splitlines()]


def _top(code: str, source: Pack) -> list[str]:
    return [f'\ncode = "{code}"\n', f'name = ""  # in English: {_quoted(source.name)}\n',
            f'native_name = ""  # as its speakers write it: {_quoted(source.native_name)}\n',
            f'script = ""  # ISO 15924: Latn, Cyrl, Arab, Deva, Hans, Jpan, ...: {_quoted(source.script)}\n']  # fmt: skip


def _annotation(source: Pack) -> list[str]:
    parts = ["\n[annotation]  # all that annotators read\n"]
    for key in ("title", "question"):
        parts += [*_comments([getattr(source, key)]), f'{key} = ""\n']
    parts += ["# Markdown, 150 to 300 words: what the task is, what the four answers mean, four short examples.\n",
              *_comments([source.guidelines]), 'guidelines = """\n"""\n']  # fmt: skip
    for key in ("note", "calibration", "adjudication"):
        if getattr(source, key):
            parts += [*_comments([getattr(source, key)]), f'{key} = ""\n']
    parts += ["\n[annotation.options]\n", *_labels(source.options)]
    for key in ("reason", "category", "naturalness"):
        question: Question | None = getattr(source, key)
        if question:
            parts += [
                f"\n[annotation.{key}]\n",
                *_comments([question.text]),
                'question = ""\n',
                f"[annotation.{key}.options]\n",
                *_labels(question.options),
            ]
    return parts


def _labels(options: dict[str, str]) -> list[str]:
    return [f'{key} = ""  # {_quoted(label)}\n' for key, label in options.items()]


def _refusals(source: Pack) -> list[str]:
    parts = ["\n[refusals]\n"]
    for key, phrases in (
        ("full", source.full_refusals),
        ("partial", source.partial_refusals),
        ("hedging", source.hedging),
    ):
        parts += [
            f"# {_REFUSALS[key]}\n",
            f"{key} = [\n",
            *_comments((_quoted(phrase) for phrase in phrases), "  "),
            "]\n",
        ]
    return parts


def _seeds(section: str, category: str, meaning: str, rows: Sequence[Prompt], count: int, more: str = "") -> list[str]:
    said = f"{category}: {meaning}" if meaning else category
    parts = ["\n", *_comments([said] if said else []), *_comments(_quoted(row.text) for row in rows[: 2 * count])]
    entry = f"[[{section}]]\n" + (f'category = "{category}"\n' if category else "") + 'text = ""\n' + more
    return [*parts, *([entry] * count)]


def _block(block: GrammarBlock) -> list[str]:
    parts = [
        "\n[[grammar]]\n",
        f'category = "{block.category}"\n',
        "frames = [\n",
        *_comments(map(_quoted, block.frames), "  "),
        "]\n[grammar.slots]\n",
    ]
    for name, values in block.slots.items():
        parts += [f"{name} = [\n", *_comments(map(_quoted, values), "  "), "]\n"]
    return parts
