"""The steps of rass in a project whose target is a tiny random model."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path

import pytest

from curation.errors import ConfigError, PackError, WorkspaceError
from curation.records import Margin, Prompt, Reply
from curation.steps import Outcome, Output, Step
from curation.testing import mutation, reply, tree
from curation.workspace import Workspace
from rass.cli import triggers
from rass.openings import opening_tokens
from rass.pool import loaded, model_digest
from rass.probing import boundary_for, margins_step
from rass.replies import respond_step
from rass.selection import fluency_of
from rass.testing import tiny_model
from rass.writers.running import run_generate
from rass.writers.seeds import run_seeds
from tests.small import small_pack

SETTINGS = """
[project]
name = "tiny"
languages = ["en"]
[candidates]
harmful = 5
max_perplexity_ratio = 1.2
[[writers]]
name = "mutation"
count = 10
[[writers]]
name = "sampling"
count = 9
[[targets]]
name = "tiny"
model = "{model}"
[replies]
max_new_tokens = 4
"""


def make(root: Path, model: Path, *, languages: str = '["en"]', targets: str = "", seeds: int = 12) -> Workspace:
    """A project with its seeds written and answered: the target refuses what is harmful."""
    (root / "languages").mkdir(parents=True)
    for code in json.loads(languages):
        small_pack(root / "languages", code, seeds=seeds, blocks=2)
    text = SETTINGS.format(model=model).replace('["en"]', languages).replace("[replies]", f"{targets}[replies]")
    (root / "morbench.toml").write_text(text, encoding="utf-8")
    workspace = Workspace.open(root)
    rows = run_seeds(workspace).rows
    answers = [
        reply(row, "I'm sorry, but I can't help with that." if row.intent == "harmful" else "Here is how.", "tiny")
        for row in rows
    ]
    workspace.run(Step("respond-seeds-tiny", 1, {}, lambda: Output), answers, Reply)
    return workspace


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with room for lists of seeds: it has a token for each byte."""
    return tiny_model(tmp_path_factory.mktemp("roomy") / "llama", context=4096)


@pytest.fixture
def workspace(tmp_path: Path, tiny_folder: Path) -> Workspace:
    return make(tmp_path / "bench", tiny_folder)


def run_all(workspace: Workspace) -> list[Outcome]:
    target = workspace.config.targets[0]
    return [run_seeds(workspace), *run_generate(workspace), respond_step(workspace, target, seeds=False),
            margins_step(workspace, target)]  # fmt: skip


def test_seeds_are_the_packs_rows_with_harmful_ones_limited(workspace: Workspace) -> None:
    rows = workspace.table(Prompt).rows(("seeds",))
    assert Counter((row.intent, row.category == "harmless") for row in rows) == {
        ("benign", False): 12,
        ("benign", True): 12,
        ("harmful", False): 5,
    }


def test_before_seeds_are_answered_a_command_says_what_to_run(tmp_path: Path, tiny_folder: Path) -> None:
    (tmp_path / "morbench.toml").write_text(SETTINGS.format(model=tiny_folder), encoding="utf-8")
    workspace = Workspace.open(tmp_path)
    with pytest.raises(WorkspaceError, match="tiny has answered no seeds yet; run `morbench generate`"):
        boundary_for(workspace, workspace.config.targets[0])
    with pytest.raises(WorkspaceError, match="no seeds of en to compare with; run `morbench generate`"):
        fluency_of(workspace, [dataclasses.replace(mutation("How do I sharpen a knife?"), method="import")])
    with pytest.raises(WorkspaceError, match="no seeds to search yet; run `morbench generate`"):
        triggers(tmp_path)


def test_writers_leave_each_row_with_its_reason_or_its_provenance(workspace: Workspace) -> None:
    mutated, sampled = run_generate(workspace)
    assert len(mutated.rows) == 10
    assert {row.reason for row in mutated.rejects} == {"farther_from_boundary"}
    assert len(sampled.rows) <= 9
    assert sampled.rejects  # a model that knows nothing writes what is cut off or odd, in its pilot already
    assert len({row.prompt_id for row in sampled.rejects}) == len(sampled.rejects)
    assert {row.reason for row in sampled.rejects} <= {
        "refusal",
        "too_short",
        "copy_of_seed",
        "repeats",
        "not_fluent",
        "same_text",
        "too_long",
        "unfinished",
        "wrong_language",
        "leans_to_harm",
        "answered_side",
        "farther_from_boundary",
    }
    assert all("text" in json.loads(row.evidence) for row in (*mutated.rejects, *sampled.rejects))
    for row in sampled.rows:
        assert (row.intent, row.method) == ("unknown", "sampling")
        assert json.loads(row.detail)["coefficient"] in (0.0, 0.6, 1.2)


def test_running_again_computes_nothing_and_another_project_gets_the_same_bytes(
    tmp_path: Path, tiny_folder: Path, workspace: Workspace
) -> None:
    first = run_all(workspace)
    before = tree(workspace.root)
    again = run_all(workspace)
    assert [outcome.computed for outcome in again] == [0] * 5
    assert [outcome.rows for outcome in again] == [outcome.rows for outcome in first]
    assert tree(workspace.root) == before
    other = make(tmp_path / "other", tiny_folder)
    run_all(other)
    assert tree(other.root) == before


def test_every_living_prompt_is_answered_and_measured(workspace: Workspace) -> None:
    run_all(workspace)
    alive = workspace.alive(("identify", "dedup"))
    answered = {row.prompt_id for row in workspace.table(Reply).rows()}
    measured = {row.prompt_id for row in workspace.table(Margin).rows()}
    assert measured == {row.id for row in alive}
    assert answered == measured
    margins = {row.prompt_id: row for row in workspace.table(Margin).rows()}
    kinds = {
        intent: [margins[row.id].margin for row in alive if row.intent == intent and row.method == "seed"]
        for intent in ("harmful", "benign")
    }
    assert sum(kinds["harmful"]) / len(kinds["harmful"]) > sum(kinds["benign"]) / len(kinds["benign"])


def test_the_boundary_is_fitted_once_and_kept(workspace: Workspace) -> None:
    target = workspace.config.targets[0]
    first = boundary_for(workspace, target)
    (path,) = (workspace.root / "boundaries").iterdir()
    stamp = path.stat().st_mtime_ns
    assert boundary_for(workspace, target).weights.tolist() == first.weights.tolist()
    assert path.stat().st_mtime_ns == stamp


def test_other_answers_to_the_seeds_make_another_boundary(
    tmp_path: Path, tiny_folder: Path, workspace: Workspace
) -> None:
    target = workspace.config.targets[0]
    boundary_for(workspace, target)
    rows = workspace.table(Prompt).rows(("seeds",))
    answers = [
        reply(row, "I'm sorry, but I can't help with that." if index % 2 else "Here is how.", "tiny")
        for index, row in enumerate(rows)
    ]
    workspace.run(Step("respond-seeds-tiny", 1, {}, lambda: Output), answers, Reply)
    boundary_for(workspace, target)
    assert len(list((workspace.root / "boundaries").iterdir())) == 2


def test_a_language_without_a_target_is_one_line(tmp_path: Path, tiny_folder: Path) -> None:
    workspace = make(tmp_path / "two", tiny_folder, languages='["en", "es"]', targets='languages = ["en"]\n')
    with pytest.raises(ConfigError, match="no target is asked prompts in 'es'") as found:
        run_generate(workspace)
    assert "\n" not in str(found.value)


def test_too_few_seeds_to_sample_from_is_one_line(tmp_path: Path, tiny_folder: Path) -> None:
    workspace = make(tmp_path / "few", tiny_folder, seeds=6)
    with pytest.raises(PackError, match=r"6 .*seeds, the writer 'sampling' needs 7"):
        run_generate(workspace)


def test_each_target_is_asked_only_its_languages(tmp_path: Path, tiny_folder: Path) -> None:
    workspace = make(tmp_path / "two", tiny_folder, languages='["en", "es"]', targets='languages = ["es"]\n')
    target = workspace.config.targets[0]
    assert {row.language for row in workspace.table(Prompt).rows()} == {"en", "es"}
    found = respond_step(workspace, target, seeds=True)
    asked = {row.id: row.language for row in workspace.table(Prompt).rows()}
    assert {asked[row.prompt_id] for row in found.rows} == {"es"}
    assert {row.target for row in found.rows} == {"tiny"}


def test_openings_are_first_tokens_of_refusals(workspace: Workspace) -> None:
    chat = loaded(workspace.config.targets[0].model)
    tokens = opening_tokens(chat, workspace.packs.values())
    assert tokens == sorted(set(tokens))
    starts = {phrase[0] for phrase in workspace.packs["en"].full_refusals}
    assert {chat.tokenizer.decode([token]) for token in tokens} == {
        char for start in starts for char in (start, start.upper())
    }
    assert model_digest(workspace.config.targets[0].model) != chat.digest  # found without loading, from the files
