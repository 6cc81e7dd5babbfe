"""Collections on disk: killed and resumed they are the same bytes; what does not belong together is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curation.errors import ModelError
from rass.activations import collect, open_stored, store, stored
from rass.activations.stored import MANIFEST
from rass.models import ChatModel
from rass.openings import Openings
from rass.testing import tiny_model
from tests.rass.conftest import PROMPTS, load, one_line

ROWS = [(f"id{index}", f"{PROMPTS[index % len(PROMPTS)]} {index}") for index in range(11)]
LAYERS, POSITIONS, OPENINGS = (0, 2), (-1, -3), (7, 30)


def run(
    chat: ChatModel, folder: Path, rows: list[tuple[str, str]] = ROWS, **changed: object
) -> stored.StoredActivations:
    settings = {"layers": LAYERS, "positions": POSITIONS, "openings": OPENINGS, "shard_rows": 4, **changed}
    return store(chat, folder, iter(rows), **settings)  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_was_stored_is_what_was_collected(tiny: ChatModel, tmp_path: Path) -> None:
    found = run(tiny, tmp_path)
    assert (found.count, found.shards, found.ids()) == (11, 3, [row for row, _ in ROWS])
    assert (found.layers, found.positions, found.openings, found.model_digest) == (
        LAYERS,
        POSITIONS,
        Openings.of(OPENINGS),
        tiny.digest,
    )
    whole = collect(tiny, [text for _, text in ROWS], LAYERS, positions=POSITIONS, openings=OPENINGS)
    for layer in LAYERS:
        for place, position in enumerate(POSITIONS):
            np.testing.assert_allclose(
                found.hidden(layer, position), whole.hidden[layer][:, place], rtol=1e-4, atol=1e-4
            )
    np.testing.assert_allclose(found.refusal_score(), whole.refusal_score, atol=1e-3)
    assert [len(part) for part in found.parts(0)] == [4, 4, 3]


@pytest.mark.parametrize("finished", [0, 1, 2])
def test_killed_and_resumed_equals_uninterrupted(
    tiny: ChatModel, tmp_path: Path, finished: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tiny, tmp_path / "whole")
    calls = []

    def dying(*arguments: object, **settings: object) -> object:
        calls.append(1)
        if len(calls) > finished:
            raise KeyboardInterrupt
        return collect(*arguments, **settings)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(stored, "collect", dying)
        run(tiny, tmp_path / "killed")
    with pytest.raises(ModelError, match="no whole collection") as found:
        open_stored(tmp_path / "killed", tiny)
    one_line(found)
    (tmp_path / "killed").mkdir(exist_ok=True)
    (tmp_path / "killed" / ".part-00002.safetensors.x1.part").write_bytes(b"half")  # as a SIGKILL leaves it

    resumed: list[int] = []

    def counted(*arguments: object, **settings: object) -> object:
        resumed.append(1)
        return collect(*arguments, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(stored, "collect", counted)
    run(tiny, tmp_path / "killed")
    assert len(resumed) == 3 - finished
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    run(tiny, tmp_path / "killed")
    assert len(resumed) == 3 - finished  # whole already: nothing is run


def test_an_empty_collection_has_no_rows(tiny: ChatModel, tmp_path: Path) -> None:
    found = run(tiny, tmp_path, [])
    assert (found.ids(), len(found.hidden(0)), len(found.refusal_score())) == ([], 0, 0)


@pytest.mark.parametrize(
    ("changed", "what"),
    [({"layers": (0, 1)}, "layers"), ({"positions": -1}, "positions"), ({"openings": ()}, "openings"), ({"dtype": "float16"}, "dtype"),
     ({"rows": ROWS[::-1]}, "ids")],
)  # fmt: skip
def test_a_folder_of_another_collection_is_refused(
    tiny: ChatModel, tmp_path: Path, changed: dict[str, object], what: str
) -> None:
    run(tiny, tmp_path)
    with pytest.raises(ModelError, match=f"was collected with other {what}") as found:
        run(tiny, tmp_path, **changed)  # type: ignore[arg-type]
    one_line(found)


def test_a_collection_of_another_model_is_refused(tiny: ChatModel, tmp_path: Path) -> None:
    run(tiny, tmp_path / "stored")
    other = load(tiny_model(tmp_path / "other", seed=1))
    for again in (lambda: open_stored(tmp_path / "stored", other), lambda: run(other, tmp_path / "stored")):
        with pytest.raises(ModelError, match=f"made for model {tiny.digest}, this is {other.digest}") as found:
            again()
        one_line(found)


@pytest.mark.parametrize(("layer", "position", "what"), [(1, -1, "layer 1"), (0, -2, "token position -2")])
def test_what_was_not_stored_is_refused(tiny: ChatModel, tmp_path: Path, layer: int, position: int, what: str) -> None:
    found = run(tiny, tmp_path)
    with pytest.raises(ModelError, match=f"has no {what}") as error:
        found.hidden(layer, position)
    one_line(error)


def test_a_damaged_shard_is_refused(tiny: ChatModel, tmp_path: Path) -> None:
    found = run(tiny, tmp_path)
    path = tmp_path / "part-00001.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    for again in (found.ids, lambda: found.hidden(0), lambda: run(tiny, tmp_path)):
        with pytest.raises(ModelError, match="cannot read the shard") as error:
            again()
        one_line(error)


def test_half_the_size_where_values_fit(tiny: ChatModel, tmp_path: Path) -> None:
    whole, half = run(tiny, tmp_path / "whole"), run(tiny, tmp_path / "half", dtype="float16")
    np.testing.assert_allclose(half.hidden(2), whole.hidden(2), rtol=1e-3, atol=1e-4)
    assert half.hidden(2).dtype == np.float32
    assert MANIFEST in contents(tmp_path / "half")


def test_values_that_do_not_fit_are_refused(tiny: ChatModel, tmp_path: Path) -> None:
    import torch

    def huge(_module: object, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        return output * 1e6

    handle = tiny.layers[0].register_forward_hook(huge)
    try:
        with pytest.raises(ModelError, match="too large for float16") as found:
            run(tiny, tmp_path, dtype="float16")
    finally:
        handle.remove()
    one_line(found)


def test_other_types_are_refused(tiny: ChatModel, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot store activations as 'int8'") as found:
        run(tiny, tmp_path, dtype="int8")
    one_line(found)
