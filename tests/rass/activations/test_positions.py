"""Token positions: counted from the end, and those that the chat template writes after the user's text."""

from __future__ import annotations

import dataclasses

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from curation.errors import ModelError
from rass.activations import AFTER_INSTRUCTION, collect, positions_of
from rass.models import ChatModel
from tests.rass.conftest import PROMPTS, one_line


def with_template(chat: ChatModel, template: str) -> ChatModel:
    """The same model under another chat template, with a tokenizer of its own."""
    backend = Tokenizer.from_str(chat.tokenizer.backend_tokenizer.to_str())
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<|pad|>", eos_token="<|end|>")
    tokenizer.chat_template = template
    return dataclasses.replace(chat, tokenizer=tokenizer)


def test_after_the_instruction_stands_the_end_of_the_template(tiny: ChatModel) -> None:
    assert positions_of(tiny, AFTER_INSTRUCTION) == (-2, -1)  # <|end|> <|assistant|>
    long = with_template(tiny, "<|user|>{{ messages[0]['content'] }}<|end|>\nassistant:")
    assert positions_of(long, AFTER_INSTRUCTION) == tuple(range(-12, 0))  # one token a byte, and <|end|>


def test_a_template_that_ends_with_the_instruction_has_no_such_tokens(tiny: ChatModel) -> None:
    with pytest.raises(ModelError, match="writes nothing after the instruction") as found:
        positions_of(with_template(tiny, "{{ messages[0]['content'] }}"), AFTER_INSTRUCTION)
    one_line(found)


def test_numbers_keep_their_order(tiny: ChatModel) -> None:
    assert positions_of(tiny, -3) == (-3,)
    assert positions_of(tiny, [-1, -7, -2]) == (-1, -7, -2)


@pytest.mark.parametrize(
    ("positions", "message"),
    [(0, "position 0 is not"), ((-1, 4), "position 4 is not"), ((), "no token positions"), ("last", "unknown token")],
)
def test_other_positions_are_refused(tiny: ChatModel, positions: object, message: str) -> None:
    with pytest.raises(ModelError, match=message) as found:
        positions_of(tiny, positions)  # type: ignore[arg-type]
    one_line(found)


def test_a_position_before_the_start_of_a_prompt_is_refused(tiny: ChatModel) -> None:
    shortest = min(len(ids) for ids in tiny.encode(PROMPTS))
    collect(tiny, PROMPTS, [0], positions=-shortest)
    with pytest.raises(ModelError, match=f"before the start of a prompt of {shortest} tokens") as found:
        collect(tiny, PROMPTS, [0], positions=(-1, -shortest - 1))
    one_line(found)


def test_tokens_that_join_the_instruction_to_the_template_are_not_the_templates(tiny: ChatModel) -> None:
    """A tokenizer that merges the last letter with what follows: what is common to all endings starts behind it."""
    letters = {letter: index for index, letter in enumerate(sorted({*"abcdefghijklmnopqrstuvwxyz?.:) 7好م", "a:"}))}
    core = Tokenizer(models.BPE(vocab=letters, merges=[("a", ":")]))
    core.pre_tokenizer = pre_tokenizers.Split("\n", "isolated")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core)
    tokenizer.chat_template = "{{ messages[0]['content'] }}:yes"
    assert positions_of(dataclasses.replace(tiny, tokenizer=tokenizer), AFTER_INSTRUCTION) == (-3, -2, -1)
