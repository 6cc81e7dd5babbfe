"""Labellers by name: `phrases`, `cascade`, or `judge:MODEL`."""

from __future__ import annotations

from curation.errors import ConfigError
from curation.refusals.labelling import Labeller, PhraseLabeller
from curation.refusals.phrases import PhraseBook

JUDGE = "judge:"


def load_labeller(name: str, book: PhraseBook) -> Labeller:
    """The labeller of that name; a model is loaded when the first reply needs it."""
    if name == "phrases":
        return PhraseLabeller(book)
    if name == "cascade":
        from curation.refusals.cascade import CascadeLabeller

        return CascadeLabeller(book)
    if name.startswith(JUDGE) and name != JUDGE:
        from curation.refusals.judge import load_judge

        return load_judge(name.removeprefix(JUDGE))
    raise ConfigError(
        f"no labeller {name!r}",
        fix="give phrases, cascade, or judge: with a folder, a hub name or http://host/v1#model",
    )
