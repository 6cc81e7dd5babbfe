"""Written replies of every style, put together from the sentences of one language: what the classifier is trained on."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TEXTS = Path(__file__).parent / "texts"
UNSPACED = frozenset({"zh", "ja", "th"})


class Sample(NamedTuple):
    """A written reply, its language and its class."""

    text: str
    language: str
    label: str


def written_languages() -> list[str]:
    """The languages in which replies were written."""
    return sorted(path.stem for path in TEXTS.glob("*.toml"))


def written_samples(code: str) -> list[Sample]:
    """All replies of one language, each once."""
    parts = tomllib.loads((TEXTS / f"{code}.toml").read_text(encoding="utf-8"))
    found = {text: Sample(text, code, label) for label, text in _replies(parts, "" if code in UNSPACED else " ")}
    return list(found.values())


def _replies(parts: dict[str, list[str]], space: str) -> Iterator[tuple[str, str]]:
    topics, redirects, answers = parts["topics"], parts["redirect"], parts["answers"]
    full, rebuke, anyway = (list(_filled(parts[name], topics)) for name in ("full", "rebuke", "anyway"))
    for text in (*full, *rebuke, *parts["stance"], *parts["crisis"], *parts["deflect"]):
        yield "full_refusal", text
    for index, text in enumerate((*full, *rebuke, *rebuke)):  # what they offer instead is no answer
        yield "full_refusal", text + space + redirects[index % len(redirects)]
    for index, text in enumerate(rebuke):  # the reason first, then the refusal
        yield "full_refusal", text + space + full[index % len(full)]
    for text in parts["partial"]:
        yield "partial_refusal", text
    for index, text in enumerate((*full[::2], *rebuke[::3])):  # declined, and then answered after all
        yield "partial_refusal", text + "\n\n" + answers[index % len(answers)]
    for name in ("answers", "sorry", "premise", "advice", "neutral"):
        for text in parts[name]:
            yield "full_compliance", text
    for text in anyway:
        yield "full_compliance", text
    for index, answer in enumerate(answers):
        hedge, opener = parts["hedges"][index % len(parts["hedges"])], parts["openers"][index % len(parts["openers"])]
        yield "full_compliance", opener + space + answer
        yield "full_compliance", hedge + space + answer
        yield "full_compliance", answer + space + hedge


def _filled(templates: list[str], topics: list[str]) -> Iterator[str]:
    """Each template with two topics, or as it is where it names none."""
    for index, template in enumerate(templates):
        for turn in range(2 if re.search(r"\{[tT]opic\}", template) else 1):
            topic = topics[(2 * index + turn * 3) % len(topics)]
            yield template.replace("{topic}", topic).replace("{Topic}", topic[:1].upper() + topic[1:])
