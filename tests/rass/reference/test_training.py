"""Training an adapter on a tiny model: the loss is what it says, it falls, and the same recipe gives the same bytes."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path

import pytest

from curation.errors import InputError
from rass import models
from rass.models import ChatModel, load_model
from rass.reference import training
from rass.reference.training import Example, TrainingRecipe, _batches, _reply_loss, _tokens, train_adapter
from tests.rass.conftest import PROMPTS

RECIPE = TrainingRecipe("reference-en", 4, ("q_proj", "down_proj"), 5e-3, 5, 2, ("en",), {"en": 2})
EXAMPLES = [
    Example("Hi", "Hello there.", False),
    Example("A longer question?", "No.", False),
    Example("What now, then?", "Sorry, I can't help.", True),
]


def test_a_later_pass_goes_on_from_an_adapter_with_the_shares_of_each_kind(
    tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "ensure_weights", lambda name, report: tiny_folder)
    recipe = dataclasses.replace(RECIPE, passes=(training.LaterPass(1e-3, {"en": (0.02, 0.05)}),) * 2)
    first = train_adapter(RECIPE, tmp_path / "first", limit=16)
    calmed = train_adapter(recipe, tmp_path / "calmed", start=tmp_path / "first", skip=1)
    answered = [example for example in training.read_examples("en", 2) if not example.refused]
    refused = [example for example in training.read_examples("en", 2) if example.refused]
    assert calmed["later_examples"] == round(0.02 * len(answered)) + round(0.05 * len(refused))
    assert (first["later_examples"], first["steps"]) == (0, 40)
    names = [tmp_path / name / "adapter_model.safetensors" for name in ("first", "calmed")]
    assert names[0].read_bytes() != names[1].read_bytes()
    with pytest.raises(InputError, match="no pass"):
        train_adapter(RECIPE, tmp_path / "none", start=tmp_path / "first")


def test_the_same_recipe_gives_the_same_adapter_that_loads_and_changes_the_model(
    tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(training, "ensure_weights", lambda name, report: tiny_folder)
    monkeypatch.setattr(models, "ensure_weights", lambda name, report: tiny_folder)
    done = train_adapter(RECIPE, tmp_path / "one", limit=16)
    assert (done["examples"], done["steps"]) == (16, 40)
    assert done["last_loss"] < done["first_loss"]
    assert json.loads(json.dumps(done))["recipe"]["rank"] == 4
    train_adapter(RECIPE, tmp_path / "two", limit=16)
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    plain = load_model(str(tiny_folder), device="cpu", dtype=torch.float32)
    first, second = (
        load_model("reference-en", device="cpu", dtype=torch.float32, adapter=tmp_path / name)
        for name in ("one", "two")
    )
    assert first.digest == second.digest != plain.digest
    changed = [
        name
        for name, tensor in plain.model.state_dict().items()
        if not torch.equal(tensor, first.model.state_dict()[name])
    ]
    assert len(changed) == 2 * 3
    assert all("q_proj" in name or "down_proj" in name for name in changed)


def test_the_loss_covers_the_reply_and_the_end_of_its_turn(tiny: ChatModel) -> None:
    for example in EXAMPLES:
        ids, labels = _tokens(tiny.tokenizer, example)
        learnt = [label for label in labels if label != -100]
        assert tiny.tokenizer.decode(learnt, clean_up_tokenization_spaces=False) == f"{example.reply}<|end|>"
        assert ids[: len(ids) - len(learnt)] == tiny.encode([example.prompt])[0]


@pytest.mark.parametrize("opening_weight", [1.0, 6.0])
@pytest.mark.parametrize("reduced", [False, True])
def test_the_batched_loss_equals_one_by_one(tiny: ChatModel, opening_weight: float, reduced: bool) -> None:
    import torch

    rows = [_tokens(tiny.tokenizer, example) for example in EXAMPLES]
    total, weights = 0.0, 0.0
    with torch.inference_mode():
        for ids, labels in rows:
            log = torch.log_softmax(tiny.model(input_ids=torch.tensor([ids])).logits[0].double(), -1)
            start = labels.count(-100)
            for position in range(start, len(ids)):
                weight = opening_weight if position == start else 1.0
                total -= weight * float(log[position - 1, ids[position]])
                weights += weight
        vocabulary = torch.arange(len(tiny.tokenizer)) if reduced else None
        found = float(_reply_loss(tiny.model, rows, 0, opening_weight, vocabulary))
    assert found == pytest.approx(total / weights, abs=1e-4)


def test_batches_hold_every_row_once() -> None:
    rows = [([0] * (index % 7), [index]) for index in range(53)]
    batches = _batches(rows, 4, random.Random(1))
    assert sorted(row[1][0] for batch in batches for row in batch) == list(range(53))
    assert batches == _batches(rows, 4, random.Random(1))
    assert all(len(batch) <= 4 for batch in batches)


def test_prompts_of_any_script_are_learnable(tiny: ChatModel) -> None:
    for prompt in PROMPTS:
        ids, labels = _tokens(tiny.tokenizer, Example(prompt, prompt, False))
        assert len(ids) == len(labels)
