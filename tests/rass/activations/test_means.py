"""Means: equal to those of all activations at once, whatever the order and the chunks; refused under another model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from curation.errors import ModelError
from rass.activations import collect, read_means, stream_means, write_means
from rass.activations.means import RunningMean, chunks
from rass.models import ChatModel
from rass.testing import tiny_model
from tests.rass.conftest import PROMPTS, load, one_line

GROUPS = ("harmful/en", "harmless/zh", "harmful/en", "harmless/ar", "harmful/en")
GROUPED = list(zip(GROUPS, PROMPTS, strict=True))
LAYERS, POSITIONS = (0, 2), (-1, -4)


@given(arrays(np.float32, st.tuples(st.integers(1, 20), st.just(3)), elements=st.floats(-1e4, 1e4, width=32)),
       st.integers(1, 7), st.randoms())  # fmt: skip
def test_a_running_mean_is_the_mean_whatever_the_order(values: np.ndarray, size: int, random: object) -> None:
    running = RunningMean()
    order = list(range(len(values)))
    random.shuffle(order)  # type: ignore[attr-defined]
    for part in chunks(order, size):
        running.add(values[part])
    running.add(values[:0])
    wide = values.astype(np.float64)
    assert running.count == len(values)
    np.testing.assert_allclose(running.mean, wide.mean(0), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(running.deviation / running.count, wide.var(0), rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_equal_to_the_means_of_all_activations(tiny: ChatModel, chunk: int) -> None:
    whole = collect(tiny, PROMPTS, LAYERS, positions=POSITIONS).hidden
    for rows in (GROUPED, GROUPED[::-1]):
        found = stream_means(tiny, rows, LAYERS, positions=POSITIONS, variance=True, chunk=chunk)
        assert found.groups == ("harmful/en", "harmless/ar", "harmless/zh")
        assert found.count.tolist() == [3, 1, 1]
        assert (found.layers, found.positions, found.model_digest) == (LAYERS, POSITIONS, tiny.digest)
        for index, group in enumerate(found.groups):
            here = [row for row, name in enumerate(GROUPS) if name == group]
            for layer in LAYERS:
                for place, position in enumerate(POSITIONS):
                    states = whole[layer][here, place].astype(np.float64)
                    np.testing.assert_allclose(found.of(group, layer, position), states.mean(0), rtol=1e-4, atol=1e-5)
                    spread = found.variance[index, LAYERS.index(layer), place]
                    np.testing.assert_allclose(spread, states.var(0), rtol=1e-3, atol=1e-5)


def test_prompts_may_come_from_anywhere_and_no_more_than_a_chunk_is_read_ahead(tiny: ChatModel) -> None:
    import torch

    read = []

    def many() -> Iterator[tuple[str, str]]:
        for index in range(9):
            read.append(index)
            assert not torch.is_inference_mode_enabled()  # theirs is not the model's business
            yield ("all", f"prompt {index}")

    seen = []
    handle = tiny.layers[0].register_forward_hook(lambda *_: seen.append(len(read)))
    try:
        assert stream_means(tiny, many(), [0], chunk=3).count.tolist() == [9]
    finally:
        handle.remove()
    assert seen == [3, 6, 9]


def test_an_empty_class_is_refused(tiny: ChatModel) -> None:
    found = stream_means(tiny, GROUPED[:1], [1])
    for arguments, what in ((("harmless/en", 1), "group 'harmless/en'"), (("harmful/en", 2), "layer 2"),
                            (("harmful/en", 1, -2), "token position -2")):  # fmt: skip
        with pytest.raises(ModelError, match=f"no means of {what}") as error:
            found.of(*arguments)
        one_line(error)
    nothing = stream_means(tiny, [], [1, 2])
    assert (nothing.groups, nothing.mean.shape) == ((), (0, 2, 1, 32))


def test_a_layer_out_of_range_is_refused(tiny: ChatModel) -> None:
    with pytest.raises(ModelError, match="layer 3 is out of range"):
        stream_means(tiny, GROUPED, [3])


@pytest.mark.parametrize("variance", [False, True])
def test_written_and_read_they_are_the_same(tiny: ChatModel, tmp_path: Path, variance: bool) -> None:
    means = stream_means(tiny, GROUPED, LAYERS, positions=POSITIONS, variance=variance)
    for name in ("one", "two"):
        write_means(tmp_path / name, means)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    again = read_means(tmp_path / "one", tiny)
    for field in ("model_digest", "groups", "layers", "positions"):
        assert getattr(again, field) == getattr(means, field)
    np.testing.assert_array_equal(again.mean, means.mean)
    np.testing.assert_array_equal(again.count, means.count)
    assert (again.variance is None) == (not variance)


def test_means_of_another_model_are_refused(tiny: ChatModel, tmp_path: Path) -> None:
    write_means(tmp_path / "means.safetensors", stream_means(tiny, GROUPED, [1]))
    other = load(tiny_model(tmp_path / "other", seed=1))
    with pytest.raises(ModelError, match=f"made for model {tiny.digest}, this is {other.digest}") as found:
        read_means(tmp_path / "means.safetensors", other)
    one_line(found)
