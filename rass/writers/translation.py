"""Translation by a model: what other languages have, brought into this one, and distrusted at every step.

A translator may refuse (of OR-Bench's hard prompts one model refused 84 %): its output is looked through for refusals in the
source's language, in this one and in English. Then the output is checked like any candidate, and translated back: where
what comes back does not mean what was sent, the translation is dropped, with both texts as evidence.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections import defaultdict
from typing import Any

from curation.embedding import centre_by_language
from curation.endpoint import Decoding
from curation.errors import ConfigError
from curation.languages.packs import Pack, load_pack
from curation.records import Prompt, canonical, digest
from curation.refusals.phrases import PhraseBook
from curation.steps import Output
from rass.generators import Request
from rass.pool import encoder
from rass.writers.mutation import round_robin
from rass.writers.requests import Order, instruction, instruction_digest, seeded, write_drafts
from rass.writers.running import Task, generator_digest
from rass.writers.screening import Draft, judge_completion, refusal_in, sort_out

VERSION = 1
DECODING = Decoding(max_new_tokens=96)  # greedy: one translation, the likeliest
LEAST_SIMILARITY = 0.7  # cosine, centred by language, of a text and its translation translated back


def settings(task: Task) -> dict[str, Any]:
    """What decides the result beside the section and the boundaries."""
    if len(task.workspace.packs) < 2:
        raise ConfigError(
            f"the writer 'translation' has nothing to translate into {task.language!r}: the project has no other language",
            fix="add a language to project.languages, or remove that writer",
        )
    return {"decoding": list(DECODING), "least_similarity": LEAST_SIMILARITY, "sources": digest(*(row.id for row in sources(task))),
            "instruction": instruction_digest("translation"), "embedding": task.workspace.config.duplicates.embedding,
            "max_perplexity_ratio": task.workspace.config.candidates.max_perplexity_ratio,
            "generator": generator_digest(task)}  # fmt: skip


def sources(task: Task) -> list[Prompt]:
    """What is translated: other languages' benign seeds and what writers before this one wrote, languages and categories in turn."""
    writers = (section.name for section in task.workspace.config.writers)
    before = set(itertools.takewhile(lambda name: name != task.section.name, writers))
    steps = [step for step, writer in task.workspace.writing_steps().items() if writer in before]
    groups: dict[tuple[str, str], list[Prompt]] = defaultdict(list)
    rows = {row.id: row for row in task.workspace.table(Prompt).rows(("seeds", *steps))}
    for row in sorted(rows.values(), key=lambda row: digest(str(task.seed), row.id)):
        if row.language == task.language or row.language not in task.workspace.packs:
            continue
        if row.intent != "harmful" and row.category != "harmless":
            groups[row.category, row.language].append(row)
    return round_robin([groups[key] for key in sorted(groups)], task.section.count)


def write(task: Task) -> Output:
    """Translations that are no refusals, in the language, fluent, and mean what was sent."""
    rows = sources(task)
    drafts = write_drafts(task, [_order(task, row) for row in rows], seeded(task, DECODING))
    by_id = {row.id: row for row in rows}
    book = PhraseBook.from_packs({"en": load_pack("en", task.workspace.languages_folder), **task.workspace.packs})
    drafts = [without_refusal(draft, by_id[draft.prompt.seed_id], book) for draft in drafts]
    drafts = back_translated(task, task.screen.check(drafts), by_id)
    return sort_out(drafts, task.step)


def _order(task: Task, row: Prompt) -> Order:
    packs = task.workspace.packs
    detail = {"writer": f"translation/{VERSION}", "source_language": row.language, "source_intent": row.intent}
    return Order(request_for(row.text, packs[row.language], task.pack), row.category, row, detail)


def request_for(text: str, source: Pack, into: Pack) -> Request:
    """The request to translate a text; the shots are what both packs say to annotators."""
    rules = instruction("translation", source=source.name, language=into.name)
    return Request(rules, tuple(parallel(source, into)), text, marks=(f"{source.name}:", f"{into.name}:"))


def parallel(source: Pack, into: Pack) -> list[tuple[str, str]]:
    """Texts that stand in both packs with the same meaning, the sentences among them."""
    questions = [(getattr(source, name), getattr(into, name)) for name in ("reason", "naturalness", "category")]
    asked = [(left.text, right.text) for left, right in questions if left is not None and right is not None]
    return [(source.question, into.question), *asked, (source.title, into.title)]


def without_refusal(draft: Draft, source: Prompt, book: PhraseBook) -> Draft:
    """The draft with a reason where its text is a translator's refusal, in the source's language, the target's or English."""
    if draft.reason:
        return draft
    found = refusal_in(draft.prompt.text, (draft.prompt.language, source.language, "en"), book)
    if found and not refusal_in(source.text, (source.language,), book):  # "I can't open the tin" is no refusal
        return draft._replace(reason="translator_refused", evidence={"phrase": found, "source_text": source.text})
    return draft


def back_translated(task: Task, drafts: list[Draft], sources: dict[str, Prompt]) -> list[Draft]:
    """Drafts with both texts as evidence, and a reason where the way back does not lead to what was sent."""
    good = [index for index, draft in enumerate(drafts) if not draft.reason]
    packs = task.workspace.packs
    rows = [sources[drafts[index].prompt.seed_id] for index in good]
    requests = [request_for(drafts[index].prompt.text, task.pack, packs[row.language])
                for index, row in zip(good, rows, strict=True)]  # fmt: skip
    found = task.pen.complete(requests, seeded(task, DECODING, "back"), title=f"translated back from {task.language}")
    texts = [judge_completion(completion)[0] for completion in found]
    failures = [completion.failure for completion in found]
    similarity = _similarity(task, rows, texts)
    for index, row, text, failure, likeness in zip(good, rows, texts, failures, similarity, strict=True):
        evidence = {"source_text": row.text, "back": text, "similarity": round(likeness, 4)}
        reason = "" if likeness >= LEAST_SIMILARITY else "meaning_changed"
        if failure:
            reason, evidence = "generator_failed", {"failure": failure, "source_text": row.text}
        draft = drafts[index]
        detail = canonical(json.loads(draft.prompt.detail) | {"back": text, "similarity": round(likeness, 4)})
        drafts[index] = Draft(dataclasses.replace(draft.prompt, detail=detail), reason, evidence)
    return drafts


def _similarity(task: Task, rows: list[Prompt], backs: list[str]) -> list[float]:
    """Cosine of each source and its way back, centred on the seeds of the source's language."""
    if not rows:
        return []
    languages = {row.language for row in rows}
    anchors = [row for row in task.workspace.table(Prompt).rows(("seeds",)) if row.language in languages]
    texts = [*(row.text for row in rows), *backs, *(row.text for row in anchors)]
    spoken = [*(row.language for row in rows), *(row.language for row in rows), *(row.language for row in anchors)]
    vectors = centre_by_language(encoder(task.workspace.config.duplicates.embedding).encode(texts), spoken)
    count = len(rows)
    return [float(left @ right) for left, right in zip(vectors[:count], vectors[count : 2 * count], strict=True)]
