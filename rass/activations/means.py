"""Means of activations per group, added up batch by batch: memory does not grow with the number of prompts."""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from curation.errors import ModelError
from curation.progress import progress_bar
from curation.records import canonical
from curation.storage import write_atomically
from rass.activations.forward import batches, check_layers
from rass.activations.positions import LAST, Positions, check_reach, positions_of
from rass.models import ChatModel, check_same_model

if TYPE_CHECKING:
    import numpy as np

Item = TypeVar("Item")


@dataclasses.dataclass(frozen=True)
class Means:
    """Mean states of groups of prompts ("harmful/en", say) at each layer and token position."""

    model_digest: str
    groups: tuple[str, ...]
    layers: tuple[int, ...]
    positions: tuple[int, ...]
    count: np.ndarray  # (groups,) int64
    mean: np.ndarray  # (groups, layers, positions, width) float64
    variance: np.ndarray | None = None  # the same shape: each coordinate's own variance; None when not asked for

    def of(self, group: str, layer: int, position: int = LAST) -> np.ndarray:
        """The mean state (width,) of one group; a group without prompts is a ModelError."""
        for what, value, known in (("group", group, self.groups), ("layer", layer, self.layers),
                                   ("token position", position, self.positions)):  # fmt: skip
            if value not in known:
                listed = ", ".join(map(str, known)) or "nothing"
                raise ModelError(f"there are no means of {what} {value!r}", fix=f"they were taken of {listed}")
        at = self.groups.index(group), self.layers.index(layer), self.positions.index(position)
        return self.mean[at]


class RunningMean:
    """Count, mean and sum of squared deviations of arrays (any shape), merged as Chan et al. (1979) do, in float64."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: np.ndarray | float = 0.0
        self.deviation: np.ndarray | float = 0.0

    def add(self, values: np.ndarray) -> None:
        """Take in arrays along the first axis."""
        import numpy as np

        values = np.asarray(values, dtype=np.float64)
        if not len(values):
            return
        mean = values.mean(0)
        deviation = np.square(values - mean).sum(0)
        total = self.count + len(values)
        step = mean - self.mean
        self.mean = self.mean + step * (len(values) / total)
        self.deviation = self.deviation + deviation + np.square(step) * (self.count * len(values) / total)
        self.count = total


def stream_means(chat: ChatModel, prompts: Iterable[tuple[str, str]], layers: Sequence[int], *,
                 positions: Positions = LAST, variance: bool = False, chunk: int = 512, batch_size: int = 32,
                 side: str = "left", title: str = "means") -> Means:  # fmt: skip
    """Means over any iterable of (group, prompt), read in chunks of which one at a time is held and sorted by length.

    The order of the prompts matters only in the last bits: which of them share a batch decides the model's own rounding.
    """
    import numpy as np

    check_layers(chat, layers)
    at = positions_of(chat, positions)
    running: dict[str, RunningMean] = defaultdict(RunningMean)
    with progress_bar(title, total=len(prompts) if isinstance(prompts, Sized) else 0) as advance:
        for part in chunks(prompts, chunk):
            groups = np.array([group for group, _ in part])
            encoded = chat.encode([text for _, text in part])
            check_reach(encoded, at)
            for batch in batches(chat, encoded, layers, at, openings=(), batch_size=batch_size, side=side):
                states = batch.states.swapaxes(0, 1)  # rows first
                here = groups[batch.rows]
                for group in sorted(set(here.tolist())):
                    running[group].add(states[here == group])
                advance(len(batch.rows))
    names = sorted(running)
    shape = (len(names), len(layers), len(at), chat.hidden_size)
    count = np.array([running[name].count for name in names], dtype=np.int64)
    mean = np.array([running[name].mean for name in names]).reshape(shape)
    spread = None
    if variance:
        spread = np.array([running[name].deviation / running[name].count for name in names]).reshape(shape)
    return Means(chat.digest, tuple(names), tuple(layers), at, count, mean, spread)


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items, the last one shorter."""
    waiting = iter(items)
    while part := list(islice(waiting, size)):
        yield part


def write_means(path: Path, means: Means) -> None:
    """Keep means as safetensors; what they are of stands in the header."""
    from safetensors.numpy import save

    tensors = {"count": means.count, "mean": means.mean}
    if means.variance is not None:
        tensors["variance"] = means.variance
    header = {
        "model_digest": means.model_digest,
        "groups": means.groups,
        "layers": means.layers,
        "positions": means.positions,
    }
    data = save(tensors, metadata={"means": canonical(header)})
    write_atomically(path, lambda file: file.write(data))


def read_means(path: Path, chat: ChatModel) -> Means:
    """Read means that were taken of this very model."""
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        header = json.loads((file.metadata() or {})["means"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    check_same_model(f"the means in {path}", header["model_digest"], chat.digest)
    groups, layers, positions = (tuple(header[key]) for key in ("groups", "layers", "positions"))
    return Means(
        header["model_digest"], groups, layers, positions, tensors["count"], tensors["mean"], tensors.get("variance")
    )
