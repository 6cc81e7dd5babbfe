"""Replies: every target is asked every prompt in its languages, greedily and in batches of similar length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from curation.config import TargetSection
from curation.records import Prompt, Reply, canonical, reply_id
from curation.steps import Outcome, Output, Step
from curation.workspace import CHOSEN, Workspace
from rass.models import ChatModel, length_batches
from rass.pool import loaded, model_digest

SHARD_ROWS = 96


class Generation(NamedTuple):
    """Generated text, and whether the model ended its turn itself."""

    text: str
    finished: bool


def generate_replies(
    chat: ChatModel, prompts: Sequence[str], *, max_new_tokens: int, batch_size: int
) -> list[Generation]:
    """Greedy replies in the order of `prompts`."""
    encoded = chat.encode(prompts)
    found: list[Generation] = [Generation("", False)] * len(prompts)
    for batch in length_batches([len(ids) for ids in encoded], batch_size):
        for index, generation in zip(batch, _generate(chat, [encoded[i] for i in batch], max_new_tokens), strict=True):
            found[index] = generation
    return found


def _generate(chat: ChatModel, encoded: list[list[int]], max_new_tokens: int) -> list[Generation]:
    import torch

    ids, mask = chat.pad(encoded)
    ends = chat.end_ids
    with torch.inference_mode():
        out = chat.model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=max_new_tokens, do_sample=False,
                                  num_beams=1, eos_token_id=ends, pad_token_id=ends[0])  # fmt: skip
    new = out[:, ids.shape[1] :]
    finished = torch.isin(new, torch.tensor(ends, device=new.device)).any(1).tolist()
    texts = chat.tokenizer.batch_decode(new, skip_special_tokens=True)
    return [Generation(text.strip(), bool(done)) for text, done in zip(texts, finished, strict=True)]


def respond_step(workspace: Workspace, target: TargetSection, *, seeds: bool) -> Outcome:
    """Ask one target the project's seeds, or everything else that is alive."""
    config = workspace.config.replies
    settings = canonical(
        {"decoding": "greedy", "max_new_tokens": config.max_new_tokens, "model": model_digest(target.model)}
    )

    def prepare():  # type: ignore[no-untyped-def]
        chat = loaded(target.model)

        def work(rows: list[Prompt]) -> Output:
            texts = generate_replies(chat, [row.text for row in rows], max_new_tokens=config.max_new_tokens,
                                     batch_size=config.batch_size)  # fmt: skip
            return Output([Reply(reply_id(row.id, target.name, settings), row.id, target.name, reply.text, settings, reply.finished)
                           for row, reply in zip(rows, texts, strict=True)])  # fmt: skip

        return work

    rows = workspace.table(Prompt).rows(("seeds",)) if seeds else workspace.alive(CHOSEN)
    languages = target.languages or workspace.config.project.languages
    inputs = [row for row in rows if row.language in languages and (row.method == "seed") == seeds]
    name = f"respond-seeds-{target.name}" if seeds else f"respond-{target.name}"
    step = Step(
        name,
        1,
        {"settings": settings, "batch_size": config.batch_size},
        prepare,
        SHARD_ROWS,
        f"replies of {target.name}",
    )
    return workspace.run(step, inputs, Reply)


def run_respond_seeds(workspace: Workspace) -> list[Outcome]:
    """Ask every target the seeds in its languages."""
    return [respond_step(workspace, target, seeds=True) for target in workspace.config.targets]


def run_respond(workspace: Workspace) -> list[Outcome]:
    """Ask every target the candidates in its languages."""
    return [respond_step(workspace, target, seeds=False) for target in workspace.config.targets]
