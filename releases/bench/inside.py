"""Bench rows of a model's inside: activations against the usual ways to get them, and generation while steered."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from curation.languages.packs import available_languages, load_pack
from curation.records import Prompt
from rass.activations import collect
from rass.directions import Direction
from rass.models import ChatModel, length_batches
from rass.steering import steered
from rass.strengths import Gate
from releases.bench.rows import BenchRow, limit_row

if TYPE_CHECKING:
    import numpy as np

DEPTH = 0.6  # the share of the layers at which a boundary is usually found
# a language model of about 7 billion parameters, randomly initialised: speed does not depend on what it knows
SEVEN_BILLION: dict[str, Any] = {"layers": 32, "hidden_size": 4096, "intermediate_size": 11008, "num_attention_heads": 32,
                 "num_key_value_heads": 32, "vocab_size": 32000, "initializer_range": 0.02}  # fmt: skip


def inside_rows() -> list[BenchRow]:
    """All rows of this file: the reference model on the CPU, and a model of 7B size where there is a GPU."""
    import torch

    from rass.models import load_model

    chat = load_model("reference", device="cpu")
    rows = [
        *activation_rows(chat, seed_texts(192), repeats=3),
        *steering_rows(chat, seed_texts(32), repeats=7, new_tokens=16),
    ]
    if torch.cuda.is_available():
        from rass.testing import random_chat

        chat = random_chat(device="cuda", dtype="bfloat16", **SEVEN_BILLION)
        rows += [*activation_rows(chat, seed_texts(512), repeats=5), *steering_rows(chat, seed_texts(32), repeats=7)]
    return rows


def seeds() -> list[Prompt]:
    """Every seed of every pack, in an order that mixes languages and kinds."""
    packs = [load_pack(code) for code in available_languages()]
    rows = [row for pack in packs for row in (*pack.benign, *pack.harmful, *pack.harmless)]
    random.Random(7).shuffle(rows)
    return rows


def seed_texts(count: int) -> list[str]:
    """Texts of that many seeds, from the start again where there are not enough."""
    rows = seeds()
    return [rows[index % len(rows)].text for index in range(count)]


def activation_rows(
    chat: ChatModel, prompts: Sequence[str], *, repeats: int, batch_size: int = 32, alone: int = 24
) -> list[BenchRow]:
    """Prompts per second through one layer against a full forward and a loop over single prompts.

    `alone` prompts, evenly chosen by length, go through the loop, which is slow.
    """
    layer = round(DEPTH * len(chat.layers))
    by_length = sorted(prompts, key=len)
    few = by_length[:: max(1, len(prompts) // alone)][:alone]
    ways: dict[str, tuple[Callable[[], object], int]] = {
        "ours": (lambda: collect(chat, prompts, [layer], batch_size=batch_size), len(prompts)),
        "full": (lambda: full_forward(chat, prompts, layer, batch_size), len(prompts)),
        "headless": (lambda: full_forward(chat, prompts, layer, batch_size, head=False), len(prompts)),
        "loop": (lambda: prompt_loop(chat, few, layer), len(few)),
    }
    speed = interleaved({name: run for name, (run, _) in ways.items()}, repeats)
    rate = {name: [count / seconds for seconds in speed[name]] for name, (_, count) in ways.items()}
    on = f"{chat.name} on {chat.device.type}, layer {layer} of {len(chat.layers)}"

    def against(other: str, at_least: float | None = None) -> float:
        return median(one / two for one, two in zip(rate["ours"], rate[other], strict=True))

    rows = [
        limit_row(f"activations, {on}", median(rate["ours"]), "prompts/s"),
        limit_row(
            "  against a forward pass with all hidden states, same batches", against("full"), "times", at_least=1.5
        ),
        limit_row("  against the same without the vocabulary matrix", against("headless"), "times"),
        limit_row("  against a loop over single prompts", against("loop"), "times", at_least=5),
    ]
    return [dataclasses.replace(row, n=len(few if "loop" in row.what else prompts)) for row in rows]


def full_forward(
    chat: ChatModel, prompts: Sequence[str], layer: int, batch_size: int, *, head: bool = True
) -> np.ndarray:
    """What is done without this package: all hidden states of the whole model, of which one layer's last token is kept."""
    import numpy as np
    import torch

    model = chat.model if head else chat.decoder
    encoded = chat.encode(prompts)
    found = np.zeros((len(prompts), chat.hidden_size), np.float32)
    with torch.inference_mode():
        for rows in length_batches([len(ids) for ids in encoded], batch_size):
            ids, mask = chat.pad([encoded[row] for row in rows])
            states = model(input_ids=ids, attention_mask=mask, use_cache=False, output_hidden_states=True).hidden_states
            found[rows] = states[layer + 1][:, -1].float().cpu().numpy()
    return found


def prompt_loop(chat: ChatModel, prompts: Sequence[str], layer: int) -> np.ndarray:
    """What steering-vectors does by default: prompt by prompt through the whole model, each layer's output recorded."""
    import numpy as np
    import torch

    found = []
    with torch.inference_mode():
        for prompt in prompts:
            seen: dict[int, Any] = {}
            handles = [block.register_forward_hook(_recording(seen, index)) for index, block in enumerate(chat.layers)]
            try:
                chat.model(input_ids=torch.tensor(chat.encode([prompt]), device=chat.device))
            finally:
                for handle in handles:
                    handle.remove()
            found.append(seen[layer][0, -1].float().cpu().numpy())
    return np.stack(found)


def _recording(seen: dict[int, Any], index: int) -> Callable[..., None]:
    def hook(_module: Any, _inputs: Any, output: Any) -> None:
        seen[index] = output[0] if isinstance(output, tuple) else output

    return hook


def steering_rows(chat: ChatModel, prompts: Sequence[str], *, repeats: int, new_tokens: int = 32) -> list[BenchRow]:
    """Tokens per second of batched generation while steered, against the same generation unsteered."""
    layer = round(DEPTH * len(chat.layers))
    direction = harm_direction(chat, layer)
    ids, mask = chat.pad(chat.encode(prompts))

    def write() -> None:
        import torch

        with torch.inference_mode():
            chat.model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=new_tokens, min_new_tokens=new_tokens,
                                do_sample=False, eos_token_id=chat.end_ids, pad_token_id=chat.end_ids[0]).cpu()  # fmt: skip

    def while_steered(*arguments: Any, **named: Any) -> Callable[[], None]:
        def run() -> None:
            with steered(chat, direction, *arguments, **named):
                write()

        return run

    strengths = [index / len(prompts) for index in range(len(prompts))]
    ways = {
        "unsteered": write,
        "one layer, each row its own strength": while_steered(strengths),
        "the same, gated": while_steered(strengths, gate=Gate(0.0, 1.0)),
        "ablated in every layer": while_steered(action="ablate", layers=range(len(chat.layers))),
    }
    seconds = interleaved(ways, repeats)
    tokens = len(prompts) * new_tokens
    rows = [limit_row(f"generation, {chat.name} on {chat.device.type}, batch {len(prompts)}",
                      median(tokens / each for each in seconds["unsteered"]), "tokens/s")]  # fmt: skip
    for name in list(ways)[1:]:
        share = median(plain / own for plain, own in zip(seconds["unsteered"], seconds[name], strict=True))
        bar = None if "ablated" in name else 0.95
        rows.append(limit_row(f"  steered ({name}), share of that speed", share, "", at_least=bar))
    return [dataclasses.replace(row, n=repeats) for row in rows]


def harm_direction(chat: ChatModel, layer: int) -> Direction:
    """Difference of means of some harmful and harmless seeds."""
    rows = seeds()
    harmful = [row.text for row in rows if row.intent == "harmful"][:32]
    harmless = [row.text for row in rows if row.category == "harmless"][:32]
    return Direction.from_activations(
        layer, *(collect(chat, texts, [layer]).hidden[layer] for texts in (harmful, harmless))
    )


def interleaved(ways: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each way, after one round to warm up; every round turns the order round, so that drift favours none."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name in list(ways) if turn % 2 else list(ways)[::-1]:
            started = time.perf_counter()
            ways[name]()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return seconds
