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
from typing import Any, NamedTuple

from curation.errors import PackError
from curation.languages.packs import Pack
from curation.records import REFUSED, Prompt, Reject, canonical, digest, make_prompt, normalise
from curation.refusals.labelling import label_texts
from curation.steps import Output
from rass.directions import Direction
from rass.fluency import surprise
from rass.models import ChatModel
from rass.pool import model_digest
from rass.steering import steered
from rass.writers.running import Task, generator_digest

VERSION = 3
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


def settings(task: Task) -> dict[str, Any]:
    """What decides the result beside the section and the boundaries."""
    config = task.workspace.config.candidates
    if len(task.benign) <= SHOTS:
        raise PackError(
            f"the language pack {task.language!r} has {len(task.benign)} [[benign]] seeds, sampling needs {SHOTS + 1}",
            fix="write some more",
        )
    return {"steering": list(config.steering), "max_perplexity_ratio": config.max_perplexity_ratio,
            "temperature": TEMPERATURE, "top_p": TOP_P, "shots": SHOTS, "generator": generator_digest(task)}  # fmt: skip


def write(task: Task) -> Output:
    """Samples of one language that are fluent and new."""
    config, language, step, seeds = task.workspace.config, task.language, task.step, task.benign
    generator, boundary, pack, chat = task.generator_name, task.boundary, task.pack, task.generator
    samples = draw(
        chat, pack, boundary.direction, config.candidates.steering, task.section.count, task.seed
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
