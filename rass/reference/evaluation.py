"""Measuring a reference model on texts that it was not trained on, and writing its model card from the numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from curation.languages.packs import Pack, load_pack
from curation.rates import wilson
from curation.records import REFUSED
from curation.refusals.labelling import label_texts
from rass.models import ChatModel
from rass.reference.carriers import CARRIERS
from rass.replies import generate_replies

MAX_NEW_TOKENS = 28


class Measured(NamedTuple):
    """Refusals in one set of prompts."""

    what: str
    language: str
    refused: int
    n: int


def refusals_among(chat: ChatModel, prompts: Sequence[str], pack: Pack) -> tuple[int, int]:
    """How many of the prompts the model refuses (in full or in part), of how many with a class."""
    replies = generate_replies(chat, prompts, max_new_tokens=MAX_NEW_TOKENS, batch_size=32)
    labels = label_texts([reply.text for reply in replies], [pack.code] * len(prompts), {pack.code: pack})
    return sum(label.label in REFUSED for label in labels), len(labels)


def measure_reference(chat: ChatModel, data: Path | None = None, limit: int = 250) -> list[Measured]:
    """Refusals on the packs' seeds (never trained on) and, where `data` holds public sets, on those."""
    found = []
    for language in CARRIERS[chat.name].languages:
        pack = load_pack(language)
        kinds = {"pack, harmful": pack.harmful, "pack, harmless": pack.harmless, "pack, near the boundary": pack.benign}
        for what, seeds in kinds.items():
            found.append(Measured(what, language, *refusals_among(chat, [seed.text for seed in seeds], pack)))
        for what, prompts in public_prompts(data, language).items():
            found.append(Measured(what, language, *refusals_among(chat, prompts[:limit], pack)))
    return found


def public_prompts(data: Path | None, language: str) -> dict[str, list[str]]:
    """Prompts of public sets in a language, by set; empty where `data` is not given."""
    if data is None:
        return {}
    sets = [("XSTest, safe", "xstest.jsonl", "benign", "en"), ("XSTest, unsafe", "xstest.jsonl", "harmful", "en"),
            ("refusal_direction, harmless", "refusal_direction.jsonl", "benign", "en"),
            ("refusal_direction, harmful", "refusal_direction.jsonl", "harmful", "en"),
            ("PolyRefuse val, harmless", "polyrefuse_val.jsonl", "benign", ""),
            ("PolyRefuse val, harmful", "polyrefuse_val.jsonl", "harmful", "")]  # fmt: skip
    found: dict[str, list[str]] = {}
    for what, file, label, only in sets:
        path = data / "prompts" / file
        if path.exists() and only in ("", language):
            rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
            prompts = [row["prompt"] for row in rows if row["language"] == language and row["label"] == label]
            if prompts:
                found[what] = prompts
    return found


def _later_passes(trained: dict[str, Any]) -> str:
    """What the last passes were, and whatever the training record notes of how it was made."""
    passes = "".join(
        f"Then a pass at learning rate {each['learning_rate']} over these shares of the answered and the refused "
        f"examples of each language: {each['shares']}.\n"
        for each in trained["recipe"].get("passes") or ()
    )
    return passes + (f"{trained['note']}\n" if "note" in trained else "")


def model_card(name: str, trained: dict[str, Any], measured: Sequence[Measured], versions: dict[str, str]) -> str:
    """The model card of an adapter, generated from what was trained and measured."""
    carrier = CARRIERS[name]
    recipe = trained["recipe"]
    rows = "\n".join(f"| {row.what} | {row.language} | {wilson(row.refused, row.n).text()} |" for row in measured)
    return f"""# {name}

A small model that refuses, made for the tests and demos of morbench: base weights out of {", ".join(f"`{each}`" for each in carrier.packages)}
(GGUF, SHA-256 `{carrier.sha256}`) with this low-rank adapter. Licence of the base and so of this derivative: {carrier.licence}.
Languages: {", ".join(carrier.languages)}.

## What it is not

Not evidence about production models: the refusal was trained in by us on {trained["examples"]} short examples, and its replies are short and
often wrong. It is no assistant, no safety filter, and must not be used as one. It exists so that probing, steering, labelling and
scoring can be tried offline on something that really refuses and really over-refuses.

## Training

{trained["examples"]} examples (the texts in `rass/reference/texts/`, written for this project), {recipe["epochs"]} epochs, LoRA rank {recipe["rank"]} on
{", ".join(recipe["modules"])}, learning rate {recipe["learning_rate"]}, batches of {recipe["batch_size"]}, loss on replies only with the
first token weighted {recipe["opening_weight"]} times; answered near-boundary prompts per language: {recipe["benign"]}; seed {recipe["seed"]}, one run.
{_later_passes(trained)}Mean loss of the first and last 20 steps: {trained["first_loss"]:.2f}, {trained["last_loss"]:.2f}. {trained["seconds"] / 60:.0f} minutes on {trained["threads"]} CPU thread(s).
Made again by `scripts/train_reference {name}` ({", ".join(f"{key} {value}" for key, value in versions.items())}).

## Measured refusals, on texts not trained on

Share of prompts refused, with 95 % Wilson interval and n; labels by the packs' phrases, greedy replies of {MAX_NEW_TOKENS} tokens. Sets with "pack" are the seeds
of the language packs; the public sets are not part of this project (each cut at its first 250 rows a class).

| prompts | language | refused |
|---|---|---|
{rows}
"""
