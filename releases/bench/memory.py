"""Bench rows of long collections: memory that does not grow with the prompts, and runs that are killed and go on."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from releases.bench.inside import seed_texts
from releases.bench.rows import BenchRow, limit_row

PROMPTS, EARLY = 10_000, 1_000
# wide enough that keeping every state would show: 10,000 x 2 layers x 2 tokens x 512 values are 82 MB
SIZES: dict[str, Any] = {"layers": 2, "hidden_size": 512, "intermediate_size": 64, "num_attention_heads": 2, "num_key_value_heads": 2,
         "initializer_range": 0.02}  # fmt: skip


def memory_rows() -> list[BenchRow]:
    """Store and stream 10,000 prompts x 2 layers; kill a third run half way, and compare what it ends in."""
    with tempfile.TemporaryDirectory(prefix="morbench-inside-") as scratch:
        whole, killed = Path(scratch) / "whole", Path(scratch) / "killed"
        rows = [
            _flat_row("stored", _finished("store", whole)),
            _flat_row("streamed into means", _finished("means", whole)),
        ]
        process = _start("store", killed)
        while process.poll() is None and len(list(killed.glob("part-*"))) < 8:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = len(list(killed.glob("part-*")))
        _finished("store", killed)
        same = _contents(killed) == _contents(whole)
        what = f"killed with {kept} of {len(_contents(whole)) - 1} shards written and run again: the same bytes"
    return [*rows, dataclasses.replace(limit_row(what, float(same), "", at_least=1), n=PROMPTS)]


def _flat_row(what: str, peaks: dict[str, float]) -> BenchRow:
    name = (
        f"{PROMPTS:,} prompts x 2 layers {what}: peak memory against that at {EARLY:,} ({peaks['early'] / 1e3:.0f} MB)"
    )
    return dataclasses.replace(limit_row(name, peaks["end"] / peaks["early"], "times", at_most=1.05), n=PROMPTS)


def _start(kind: str, folder: Path) -> subprocess.Popen[str]:
    code = "import sys; from releases.bench.memory import run; run(sys.argv[1], sys.argv[2])"
    return subprocess.Popen(
        [sys.executable, "-c", code, kind, str(folder)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )


def _finished(kind: str, folder: Path) -> dict[str, float]:
    process = _start(kind, folder)
    out, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"collecting into {folder} failed with {process.returncode}")
    return dict(json.loads(out))


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def run(kind: str, folder: str) -> None:
    """Collect in this process, and print its peak memory in kB when it asks for prompt 1,000 and at its end."""
    from rass.activations import AFTER_INSTRUCTION, store, stream_means
    from rass.testing import random_chat

    chat = random_chat(**SIZES)
    peaks: dict[str, float] = {}

    def prompts() -> Iterator[tuple[str, str]]:
        texts = [text for text in seed_texts(3000) if len(text.encode()) <= 48]  # long ones would hide small growth
        for index in range(PROMPTS):
            if index == EARLY:
                peaks["early"] = _peak()
            yield f"prompt-{index:05d}", f"{texts[index % len(texts)]} {index}"

    if kind == "store":
        store(chat, Path(folder), prompts(), [0, 1], positions=AFTER_INSTRUCTION, shard_rows=400)
    else:
        groups = ((f"group {index % 7}", text) for index, (_, text) in enumerate(prompts()))
        stream_means(chat, groups, [0, 1], positions=AFTER_INSTRUCTION, chunk=400)
    peaks["end"] = _peak()
    print(json.dumps(peaks))


def _peak() -> float:
    # not ru_maxrss: that begins with the peak of the process that started this one, and then hides all growth
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")))
