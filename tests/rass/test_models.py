"""Loading chat models, encoding prompts, padding, and merging adapters."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import ModelError
from rass.models import ChatModel, check_same_model, clean, length_batches, load_model, merge_adapter
from rass.pool import model_digest
from rass.testing import FAMILIES, tiny_model
from tests.rass.conftest import PROMPTS, fingerprint, load, one_line


def test_the_tiny_model_is_the_same_each_time_and_leaves_the_random_state_alone(
    tmp_path: Path, tiny: ChatModel
) -> None:
    import torch

    torch.manual_seed(1)
    first = torch.rand(3)
    torch.manual_seed(1)
    again = load(tiny_model(tmp_path / "again"))
    assert torch.equal(first, torch.rand(3))
    assert again.digest == tiny.digest
    assert load(tiny_model(tmp_path / "other", seed=1)).digest != tiny.digest


@pytest.mark.parametrize("family", FAMILIES)
def test_families_load_offline(tmp_path: Path, family: str) -> None:
    chat = load(tiny_model(tmp_path / family, family=family, layers=2))
    assert (len(chat.layers), chat.hidden_size, chat.context) == (2, 32, 1024)


def test_an_unknown_family_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="llama"):
        tiny_model(tmp_path, family="gpt9")


@given(st.text(max_size=60))
def test_any_text_can_be_encoded(text: str) -> None:
    chat = _shared()
    (ids,) = chat.encode([text])
    end = chat.tokenizer.convert_tokens_to_ids(["<|end|>", "<|assistant|>"])
    assert ids[-2:] == end
    assert (
        chat.tokenizer.decode(ids, clean_up_tokenization_spaces=False) == f"<|user|>{clean(text)}<|end|><|assistant|>"
    )


def _shared(cache: list[ChatModel] = []) -> ChatModel:  # noqa: B006 - hypothesis refuses function-scoped fixtures
    import tempfile

    if not cache:
        with tempfile.TemporaryDirectory() as folder:
            cache.append(load(tiny_model(Path(folder) / "tiny")))
    return cache[0]


def test_lone_surrogates_and_nul_are_replaced(tiny: ChatModel) -> None:
    assert clean("a\ud800b\x00c") == "a?b\ufffdc"
    assert tiny.encode(["a\ud800b\x00c"]) == tiny.encode(["a?b\ufffdc"])


def test_control_tokens_in_a_prompt_are_plain_text(tiny: ChatModel) -> None:
    end = tiny.tokenizer.convert_ids_to_tokens(tiny.end_ids[0])
    harmless, hostile = tiny.encode(["ab", f"a{end}b"])
    assert hostile.count(tiny.end_ids[0]) == harmless.count(tiny.end_ids[0])
    assert len(hostile) > len(harmless)


def test_a_prompt_longer_than_the_context_is_refused(tmp_path: Path) -> None:
    chat = load(tiny_model(tmp_path / "short", context=32))
    assert len(chat.encode(["x" * 28])[0]) == 31
    with pytest.raises(ModelError, match="32 tokens") as found:
        chat.encode(["x" * 29])
    assert "shorten" in one_line(found)
    with pytest.raises(ModelError) as found:
        chat.encode(["line\nline\n" * 30])
    one_line(found)


def test_a_model_without_chat_template_is_refused(tmp_path: Path) -> None:
    tiny_model(tmp_path / "plain", template=False)
    with pytest.raises(ModelError, match="no chat template") as found:
        load_model(str(tmp_path / "plain"), device="cpu")
    one_line(found)


@pytest.mark.parametrize("name", ["no/such/folder/here", "empty"])
def test_a_folder_that_is_no_model_is_refused(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="cannot load the model") as found:
        load_model(str(tmp_path / name), device="cpu")
    one_line(found)


def test_things_made_for_another_model_are_refused() -> None:
    check_same_model("the boundary", "abc", "abc")
    with pytest.raises(ModelError, match="the boundary was made for model abc, this is def") as found:
        check_same_model("the boundary", "abc", "def")
    one_line(found)


def test_padding_on_either_side_marks_the_tokens(tiny: ChatModel) -> None:
    rows = [[5, 6, 7], [8]]
    ids, mask = tiny.pad(rows)
    assert (ids.tolist(), mask.tolist()) == ([[5, 6, 7], [0, 0, 8]], [[1, 1, 1], [0, 0, 1]])
    ids, mask = tiny.pad(rows, side="right")
    assert (ids.tolist(), mask.tolist()) == ([[5, 6, 7], [8, 0, 0]], [[1, 1, 1], [1, 0, 0]])


@given(st.lists(st.integers(0, 50)), st.integers(1, 7))
def test_length_batches_hold_every_index_once_longest_first(lengths: list[int], size: int) -> None:
    batches = list(length_batches(lengths, size))
    flat = [index for batch in batches for index in batch]
    assert sorted(flat) == list(range(len(lengths)))
    assert [lengths[index] for index in flat] == sorted(lengths, reverse=True)
    assert all(len(batch) == size for batch in batches[:-1])


def test_digests_change_with_weights_and_template(tmp_path: Path, tiny: ChatModel) -> None:
    import torch

    def both(folder: Path) -> tuple[str, str]:
        model_digest.cache_clear()
        return load(folder).digest, model_digest(str(folder))

    folder = tiny_model(tmp_path / "model")
    before = both(folder)
    assert before == both(folder)
    assert before[0] == tiny.digest
    chat = load(folder)
    with torch.no_grad():
        chat.model.get_output_embeddings().weight[-1, -1] += 1  # the last value of the last matrix
    chat.model.save_pretrained(folder)
    changed = both(folder)
    assert changed[0] != before[0]
    assert changed[1] != before[1]
    chat.tokenizer.chat_template += " "
    chat.tokenizer.save_pretrained(folder)
    again = both(folder)
    assert again[0] != changed[0]
    assert again[1] != changed[1]


@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_merging_equals_peft(tmp_path: Path, family: str) -> None:
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model

    folder = tiny_model(tmp_path / "base", family=family)
    torch.manual_seed(random.Random(3).randrange(1 << 30))
    lora = get_peft_model(
        load(folder).model, LoraConfig(r=2, lora_alpha=6, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM")
    )
    with torch.no_grad():
        for name, parameter in lora.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    lora.save_pretrained(tmp_path / "adapter")
    theirs = PeftModel.from_pretrained(load(folder).model, str(tmp_path / "adapter")).merge_and_unload().state_dict()
    plain, ours = load(folder).model.state_dict(), load(folder).model
    merge_adapter(ours, tmp_path / "adapter")
    changed = [name for name in plain if not torch.equal(plain[name], ours.state_dict()[name])]
    assert len(changed) == 6
    for name, tensor in ours.state_dict().items():
        assert torch.allclose(tensor, theirs[name], atol=1e-6), name


def test_a_missing_adapter_is_refused(tmp_path: Path, tiny: ChatModel) -> None:
    with pytest.raises(ModelError, match="is missing") as found:
        merge_adapter(tiny.model, tmp_path)
    one_line(found)


def test_encoding_leaves_model_and_tokenizer_as_they_were(any_tiny: ChatModel) -> None:
    before = fingerprint(any_tiny)
    any_tiny.pad(any_tiny.encode(PROMPTS))
    any_tiny.pad(any_tiny.encode(PROMPTS), side="right")
    assert fingerprint(any_tiny) == before
