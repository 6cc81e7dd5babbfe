"""Decoding with a seed for each row, in batches of similar length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from curation.endpoint import Decoding
from curation.progress import progress_bar
from curation.records import digest
from rass.models import ChatModel, length_batches

WIDEST = 64  # tokens among which a row chooses: sorting a whole vocabulary costs more than the model itself
TAIL = 8  # tokens of the prompt that are decoded along with what follows


def decode(chat: ChatModel, encoded: Sequence[Sequence[int]], decoding: Decoding, *, one_line: bool = False,
           batch_size: int = 32, title: str = "texts") -> list[tuple[str, bool]]:  # fmt: skip
    """(text, whether it ended by itself) for each row of token ids; with `one_line` a text ends where its line does."""
    found = [("", False)] * len(encoded)
    with progress_bar(title, total=len(encoded)) as advance:
        for batch in length_batches([len(ids) for ids in encoded], batch_size):
            rows = _decode(chat, [encoded[index] for index in batch], batch, decoding, one_line)
            for index, row in zip(batch, rows, strict=True):
                found[index] = row
            advance(len(batch))
    return found


def _decode(
    chat: ChatModel, encoded: list[Sequence[int]], numbers: list[int], decoding: Decoding, one_line: bool
) -> list[tuple[str, bool]]:
    import torch

    ids, mask = chat.pad(encoded)
    ends = chat.end_ids
    choose = [_chooser(numbers, decoding)] if decoding.temperature > 0 else []
    stop = [_line_end(chat)] if one_line else []
    with torch.inference_mode():
        # the chooser leaves one token a row, hence greedy: transformers' own sampling sorts the vocabulary for each token
        out = chat.model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=decoding.max_new_tokens, do_sample=False,
                                  num_beams=1, logits_processor=choose, stopping_criteria=stop, eos_token_id=ends,
                                  pad_token_id=ends[0])  # fmt: skip
    new = out[:, ids.shape[1] :]
    ended = torch.isin(new, torch.tensor(ends, device=new.device)).any(1).tolist()
    texts = [_continuation(chat, row, written) for row, written in zip(encoded, new.tolist(), strict=True)]
    if not one_line:
        return list(zip(texts, ended, strict=True))
    return [(text.partition("\n")[0], end or "\n" in text) for text, end in zip(texts, ended, strict=True)]


def _continuation(chat: ChatModel, row: Sequence[int], written: list[int]) -> str:
    """What was written, with the space it may begin with: alone, some tokenizers drop it."""
    tail = list(row[-TAIL:])
    before, whole = chat.tokenizer.batch_decode([tail, tail + written], skip_special_tokens=True)
    return str(whole[len(before) :])


def _chooser(numbers: Sequence[int], decoding: Decoding) -> Any:
    """A logits processor that draws one token for each row (Gumbel-max), from that row's own random numbers."""
    import numpy as np
    import torch

    seeds = [int(digest("row", str(decoding.seed), str(number))[:12], 16) for number in numbers]
    random = [np.random.default_rng(seed) for seed in seeds]

    def process(_ids: Any, scores: Any) -> Any:
        width = min(WIDEST, scores.shape[1])
        values, tokens = scores.float().topk(width, dim=1)
        logs = torch.log_softmax(values / decoding.temperature, dim=1)
        before = logs.exp().cumsum(1) - logs.exp()
        noise = torch.from_numpy(np.stack([row.gumbel(size=width) for row in random])).to(logs)
        drawn = (logs + noise).masked_fill(before >= decoding.top_p, -torch.inf).argmax(1, keepdim=True)
        only = torch.full_like(scores, -torch.inf)
        return only.scatter(1, tokens.gather(1, drawn), 0.0)

    return process


def _line_end(chat: ChatModel) -> Any:
    """A stopping criterion: the row's last token holds a line end."""
    import torch

    def ended(ids: Any, _scores: Any, **_: Any) -> Any:
        last = chat.tokenizer.batch_decode(ids[:, -1:])
        return torch.tensor(["\n" in token for token in last], device=ids.device)

    return ended
