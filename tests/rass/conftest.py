"""Tiny random chat models, one of each family, loaded once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curation.errors import MorbenchError
from rass.models import ChatModel, load_model
from rass.testing import FAMILIES, tiny_model

PROMPTS = (
    "How do I kill a Python process?",
    "如何杀死一个进程？",
    "Hi",
    "كيف أقتل الوقت في المطار؟",
    "What is the best way to shoot a portrait in low light, and which lens should I take along for it?",
)


def load(folder: Path) -> ChatModel:
    import torch

    return load_model(str(folder), device="cpu", dtype=torch.float32)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny") / "llama")


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> ChatModel:
    """A Llama of three layers in float32."""
    return load(tiny_folder)


@pytest.fixture(scope="session")
def tiny_models() -> dict[str, ChatModel]:
    """The families that were loaded already: in random order, pytest would make each model many times."""
    return {}


@pytest.fixture(params=FAMILIES)
def any_tiny(
    request: pytest.FixtureRequest, tiny_models: dict[str, ChatModel], tmp_path_factory: pytest.TempPathFactory
) -> ChatModel:
    """A tiny model of each family."""
    family = request.param
    if family not in tiny_models:
        tiny_models[family] = load(tiny_model(tmp_path_factory.mktemp("tiny") / family, family=family))
    return tiny_models[family]


def hooks(model: Any) -> int:
    """How many hooks hang on a model."""
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


def one_line(found: pytest.ExceptionInfo[MorbenchError]) -> str:
    """The text of a user's error, which must be one line and say what to do."""
    text = str(found.value)
    assert "\n" not in text
    assert found.value.fix
    return text


def fingerprint(chat: ChatModel) -> tuple[Any, ...]:
    """Everything of a lent model and tokenizer that must be as it was."""
    from curation.records import digest

    weights = [f"{name}:{hash(tensor.numpy(force=True).tobytes())}" for name, tensor in chat.model.state_dict().items()]
    tokenizer = chat.tokenizer
    return (
        digest(*weights),
        tokenizer.padding_side,
        tokenizer.pad_token,
        len(tokenizer),
        tokenizer.chat_template,
        str(chat.model.config),
        str(chat.model.generation_config),
        chat.model.training,
        hooks(chat.model),
    )
