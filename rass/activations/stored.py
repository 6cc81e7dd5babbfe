"""Activations on disk: a folder of safetensors shards; a killed collection goes on where it was and ends in the same bytes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation.errors import ModelError
from curation.records import canonical
from curation.storage import write_atomically, write_text
from rass.activations.collecting import Activations, collect
from rass.activations.forward import check_layers
from rass.activations.means import chunks
from rass.activations.positions import LAST, Positions, positions_of
from rass.models import ChatModel, check_same_model
from rass.openings import Openings

if TYPE_CHECKING:
    import numpy as np

MANIFEST = "activations.json"  # written last: where it stands, the collection is whole
SHARD_ROWS = 512


@dataclasses.dataclass(frozen=True)
class StoredActivations:
    """A whole collection on disk; shards are read when asked for, one at a time."""

    folder: Path
    model_digest: str
    layers: tuple[int, ...]
    positions: tuple[int, ...]
    openings: Openings
    count: int  # prompts
    shards: int

    def ids(self) -> list[str]:
        """The prompts' ids, in the order in which they were given."""
        return [row for shard in range(self.shards) for row in _header(_path(self.folder, shard))["ids"]]

    def parts(self, layer: int, position: int = LAST) -> Iterator[np.ndarray]:
        """States (rows, width) of one layer and position, shard by shard, in the type they are stored in."""
        for what, value, known in (("layer", layer, self.layers), ("token position", position, self.positions)):
            if value not in known:
                raise ModelError(f"{self.folder} has no {what} {value}", fix=f"it has {', '.join(map(str, known))}")
        for shard in range(self.shards):
            yield _tensor(_path(self.folder, shard), f"layer {layer}")[:, self.positions.index(position)]

    def hidden(self, layer: int, position: int = LAST) -> np.ndarray:
        """All states (prompts, width) of one layer and position, in float32."""
        return self._joined(self.parts(layer, position), (self.count, -1)).astype("float32")

    def refusal_score(self) -> np.ndarray:
        """Log-odds (prompts,) that the reply begins as refusals do; nan where no openings were given."""
        parts = (_tensor(_path(self.folder, shard), "refusal_score") for shard in range(self.shards))
        return self._joined(parts, (self.count,))

    def _joined(self, parts: Iterable[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
        import numpy as np

        found = list(parts)
        return np.concatenate(found) if found else np.zeros(tuple(max(size, 0) for size in shape))


def store(chat: ChatModel, folder: Path, prompts: Iterable[tuple[str, str]], layers: Sequence[int], *,
          positions: Positions = LAST, openings: Openings | Sequence[int] = (), dtype: str = "float32", shard_rows: int = SHARD_ROWS,
          batch_size: int = 32, title: str = "activations") -> StoredActivations:  # fmt: skip
    """Collect the activations of (id, prompt) pairs into `folder`, one shard in memory at a time.

    Run again after a kill with the same arguments, it keeps the shards that are whole. Shards and batches are cut from
    the whole input, so that the bytes are those of a run that was never stopped. `dtype` is float32 or float16.
    """
    if dtype not in {"float32", "float16"}:
        raise ModelError(f"cannot store activations as {dtype!r}", fix="use float32 or float16")
    check_layers(chat, layers)
    at = positions_of(chat, positions)
    for stale in folder.glob(".part-*.part"):  # what a killed run was just writing
        stale.unlink()
    about = {
        "model_digest": chat.digest,
        "layers": list(layers),
        "positions": list(at),
        "openings": Openings.of(openings).to_json(),
        "dtype": dtype,
    }
    count = shards = 0
    for part in chunks(prompts, shard_rows):
        path = _path(folder, shards)
        header = {**about, "ids": [row for row, _ in part]}
        if path.exists():
            _check_same(path, header)
        else:
            seen = collect(chat, [text for _, text in part], layers, positions=at, openings=openings,
                           batch_size=batch_size, title=f"{title}, shard {shards + 1}")  # fmt: skip
            _write_shard(path, seen, header)
        count, shards = count + len(part), shards + 1
    write_text(folder / MANIFEST, canonical({**about, "count": count, "shards": shards}) + "\n")
    return open_stored(folder, chat)


def open_stored(folder: Path, chat: ChatModel) -> StoredActivations:
    """A whole collection that was made of this very model."""
    path = folder / MANIFEST
    if not path.exists():
        raise ModelError(f"{folder} holds no whole collection of activations", fix="collect them, or let that run end")
    about = json.loads(path.read_text(encoding="utf-8"))
    check_same_model(f"the collection in {folder}", about["model_digest"], chat.digest)
    return StoredActivations(folder, about["model_digest"], tuple(about["layers"]), tuple(about["positions"]),
                             Openings.from_json(about["openings"]), about["count"], about["shards"])  # fmt: skip


def _path(folder: Path, shard: int) -> Path:
    return folder / f"part-{shard:05d}.safetensors"


def _write_shard(path: Path, seen: Activations, header: dict[str, Any]) -> None:
    import numpy as np
    from safetensors.numpy import save

    tensors = {"refusal_score": seen.refusal_score}
    for layer, states in seen.hidden.items():
        with np.errstate(over="ignore"):
            tensors[f"layer {layer}"] = states.astype(header["dtype"])
        if not np.isfinite(tensors[f"layer {layer}"]).all():
            raise ModelError(
                f"states of layer {layer} reach {np.abs(states).max():.3g}, too large for {header['dtype']}",
                fix="store them as float32, and load the model in bfloat16 or float32",
            )
    # one entry: several would come out in an order that changes from run to run
    data = save(tensors, metadata={"activations": canonical(header)})
    write_atomically(path, lambda file: file.write(data))


def _check_same(path: Path, header: dict[str, Any]) -> None:
    """Raise ModelError unless a shard on disk is the one that would be written now."""
    found = _header(path)
    check_same_model(f"the shard {path}", found["model_digest"], header["model_digest"])
    for key, value in header.items():
        if found[key] != value:
            raise ModelError(f"the shard {path} was collected with other {key}", fix="use another folder, or remove it")


def _header(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            return dict(json.loads(file.metadata()["activations"]))
    except (SafetensorError, OSError) as exc:
        raise ModelError(f"cannot read the shard {path}: {exc}", fix="remove it and collect again") from exc


def _tensor(path: Path, name: str) -> np.ndarray:
    from safetensors import safe_open

    _header(path)  # for its clear error
    with safe_open(path, framework="np") as file:
        return file.get_tensor(name)  # type: ignore[no-any-return]
