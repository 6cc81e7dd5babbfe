"""Steered sampling: a small model continues a list of seeds while the harm direction is added to its residual stream.

Small generators write much that is odd, so every sample passes a fluency filter; who meant what is unknown
(`intent = unknown`), so each sample that gets further is decided by people.
"""

from __future__ import annotations

import math
import random
import re
import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from curation.config import FILE_NAME
from curation.errors import ConfigError, PackError
from curation.languages.packs import Pack
from curation.records import REFUSED, Prompt, Reject, canonical, digest, make_prompt, normalise
from curation.refusals.labelling import label_texts
from curation.steps import Outcome, Output, Step
from curation.workspace import Workspace
from rass.directions import Direction
from rass.fluency import surprise
from rass.models import ChatModel
from rass.pool import loaded, model_digest
from rass.probing import boundary_for, boundary_key
from rass.reference.carriers import CARRIERS, WITHOUT_ADAPTER
from rass.steering import steered

SHOTS = 6
MAX_NEW_TOKENS = 28
TEMPERATURE, TOP_P = 0.9, 0.95
BATCH = 32


class Sample(NamedTuple):
    """A sampled continuation and how it was made."""

    text: str
    coefficient: float
    shots: tuple[str, ...]


def draw(
    chat: ChatModel, pack: Pack, direction: Direction, coefficients: Sequence[float], count: int, seed: int
) -> list[Sample]:
    """Sample `count` continuations of few-shot lists of benign seeds, the coefficients taking turns."""
    import torch

    shuffler = random.Random(digest("shots", str(seed), pack.code))
    plans = [(coefficients[index % len(coefficients)], tuple(shuffler.sample([row.text for row in pack.benign], SHOTS)))
             for index in range(count)]  # fmt: skip
    found: list[Sample] = []
    with torch.random.fork_rng(devices=[chat.device] if chat.device.type == "cuda" else []), torch.inference_mode():
        torch.manual_seed(int(digest("sampling", str(seed), pack.code)[:12], 16))
        for start in range(0, count, BATCH):
            part = plans[start : start + BATCH]
            texts = ["".join(f"- {shot}\n" for shot in shots) + "-" for _, shots in part]
            ids, mask = chat.pad([_with_start(chat, text) for text in texts])
            with steered(chat, direction, torch.tensor([coefficient for coefficient, _ in part])):
                out = chat.model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=MAX_NEW_TOKENS, do_sample=True,
                                          temperature=TEMPERATURE, top_p=TOP_P, top_k=0, eos_token_id=chat.end_ids,
                                          pad_token_id=chat.end_ids[0])  # fmt: skip
            written = chat.tokenizer.batch_decode(out[:, ids.shape[1] :], skip_special_tokens=True)
            found += [Sample(text.split("\n")[0].strip(), coefficient, shots)
                      for text, (coefficient, shots) in zip(written, part, strict=True)]  # fmt: skip
    return found


def _with_start(chat: ChatModel, text: str) -> list[int]:
    """Token ids of plain text, with the model's start token where it has one."""
    ids = list(chat.tokenizer(text, add_special_tokens=False)["input_ids"])
    return [chat.tokenizer.bos_token_id, *ids] if chat.tokenizer.bos_token_id is not None else ids


def generator_of(model: str) -> str:
    """The model that writes toward a target's boundary: the target itself, a reference model without its adapter.

    With the adapter, three samples in four were refusals to go on with the list, steered or not.
    """
    return model + WITHOUT_ADAPTER if model in CARRIERS else model


def judge(text: str, known: set[str], pack: Pack) -> str:
    """A reason word when a sample cannot be a prompt, whatever its fluency; else an empty string."""
    if label_texts([text], [pack.code], {pack.code: pack})[0].label in REFUSED:
        return "refusal"  # steered far enough, a refusing generator refuses to go on with the list
    letters = sum(char.isalpha() for char in text)
    if letters < 5:
        return "too_short"
    if normalise(text) in known:
        return "copy_of_seed"
    if re.search(r"(.{2,}?)\1{3,}", text) or (
        len(words := text.casefold().split()) > 5 and len(set(words)) < len(words) / 2
    ):
        return "repeats"
    return ""


def run_sampling(workspace: Workspace) -> Outcome:
    """Draw steered samples in every language and keep the fluent, new ones."""
    config = workspace.config
    boundaries = {target.name: boundary_key(workspace, target) for target in config.targets}
    settings = {"samples": config.candidates.samples, "steering": list(config.candidates.steering),
                "max_perplexity_ratio": config.candidates.max_perplexity_ratio, "seed": config.project.seed,
                "temperature": TEMPERATURE, "top_p": TOP_P, "shots": SHOTS, "boundaries": boundaries}  # fmt: skip

    def prepare():  # type: ignore[no-untyped-def]
        return lambda rows: _sample_language(workspace, rows)

    seeds = [
        row for row in workspace.table(Prompt).rows(("seeds",)) if row.intent == "benign" and row.category != "harmless"
    ]
    outcomes = []
    for language in config.project.languages:
        rows = [row for row in seeds if row.language == language] if config.candidates.samples else []
        if rows and not config.targets_for(language):
            raise ConfigError(
                f"{workspace.root / FILE_NAME}: no target is asked prompts in {language!r}",
                fix="add that language to a target, or take it out of project.languages",
            )
        if rows and len(rows) <= SHOTS:
            raise PackError(
                f"the language pack {language!r} has {len(rows)} [[benign]] seeds, sampling needs {SHOTS + 1}",
                fix="write some more",
            )
        generators = [model_digest(generator_of(target.model)) for target in config.targets_for(language)[:1]]
        step = Step(
            f"sample-{language}",
            2,
            settings | {"generators": generators},
            prepare,
            title=f"steered sampling, {language}",
        )
        outcomes.append(workspace.run(step, rows, Prompt))
    return Outcome(
        [row for outcome in outcomes for row in outcome.rows],
        [row for outcome in outcomes for row in outcome.rejects],
        sum(outcome.computed for outcome in outcomes),
    )


def _sample_language(workspace: Workspace, seeds: list[Prompt]) -> Output:
    """Samples of one language."""
    config = workspace.config
    language = seeds[0].language
    target = config.targets_for(language)[0]
    generator = generator_of(target.model)
    boundary, pack = boundary_for(workspace, target), workspace.packs[language]
    chat = loaded(generator)
    step = f"sample-{language}"
    samples = draw(
        chat, pack, boundary.direction, config.candidates.steering, config.candidates.samples, config.project.seed
    )
    header = "".join(f"- {row.text}\n" for row in seeds[:SHOTS]) + "-"
    known = {normalise(row.text) for row in seeds}
    kept: dict[str, Prompt] = {}
    rejects: list[Reject] = []
    rows = [make_prompt(sample.text, language, category="unsorted", intent="unknown", method="sampling", generator=generator,
                        detail={"writer": "sampling/1", "layer": boundary.direction.layer, "coefficient": sample.coefficient,
                                "model": model_digest(generator), "shots": [digest(shot)[:8] for shot in sample.shots]})
            for sample in samples]  # fmt: skip
    reasons = [judge(row.text, known, pack) for row in rows]
    fluent = surprise(chat, [row.text for row in rows], header)
    usual = statistics.median(surprise(chat, [row.text for row in seeds[SHOTS:]], header))
    ceiling = usual + math.log(config.candidates.max_perplexity_ratio)
    seen: dict[str, int] = defaultdict(int)
    for row, reason, nats in zip(rows, reasons, fluent, strict=True):
        reason = reason or ("not_fluent" if nats > ceiling else "") or ("same_text" if row.id in kept else "")
        if reason:
            seen[row.id] += 1  # several empty samples share an id: number them, so that each keeps its own row
            evidence = canonical(
                {"text": row.text, "language": language, "nats_per_token": round(nats, 3), "ceiling": round(ceiling, 3)}
            )
            rejects.append(Reject(f"{row.id}-{seen[row.id]}", step, reason, evidence))
        else:
            kept[row.id] = row
    return Output(sorted(kept.values(), key=lambda row: row.id), rejects)
