"""Steered sampling: the search finds the best setting under its budget, and every text has its place."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import ConfigError, PackError
from curation.testing import tree
from curation.workspace import Workspace
from rass.generators import Local
from rass.models import ChatModel
from rass.pool import loaded
from rass.writers import sampling
from rass.writers.running import run_generate
from rass.writers.sampling import SHOTS, Sampler, Setting, Trial, search
from rass.writers.screening import Draft
from tests.rass.conftest import hooks
from tests.rass.writers.conftest import everything_has_its_place, task_of

Project = Callable[..., Workspace]
SECTION = {"name": "sampling", "count": 14}


def trials_of(yields: list[float]) -> list[Trial]:
    return [Trial(Setting(layer, 1.0 if layer else 0.0)) for layer in range(len(yields))]


def drawing(yields: list[float], drawn: Counter[int]) -> Callable[[Trial, int], None]:
    """Each setting brings near texts at its own even rate."""

    def draw(trial: Trial, count: int) -> None:
        layer = trial.setting.layer
        for _ in range(count):
            drawn[layer] += 1
            if int(drawn[layer] * yields[layer]) > int((drawn[layer] - 1) * yields[layer]):
                trial.near.add(f"{layer}-{drawn[layer]}")
            trial.drafts.append(Draft(None))  # type: ignore[arg-type]

    return draw


@given(st.permutations([0.0, 0.13, 0.25, 0.38, 0.5, 0.63, 1.0]))
def test_the_best_setting_is_found_with_few_texts(yields: list[float]) -> None:
    drawn: Counter[int] = Counter()
    best = search(trials_of(yields), drawing(yields, drawn), 8)
    assert yields[best.setting.layer] == 1.0
    assert drawn.total() == 8 * (7 + 4 + 2)
    assert drawn[best.setting.layer] == 24


def test_of_equal_settings_the_gentlest_wins() -> None:
    yields = [0.5] * 6
    assert search(trials_of(yields), drawing(yields, Counter()), 4).setting == Setting(0, 0.0)
    assert search(trials_of([0.5]), pytest.fail, 4).setting == Setting(0, 0.0)


def test_every_text_has_its_place_and_its_setting(project: Project) -> None:
    (outcome,) = run_generate(project(SECTION))
    everything_has_its_place(outcome, len(outcome.rows) + len(outcome.rejects))
    assert len(outcome.rows) <= 14 < len(outcome.rows) + len(outcome.rejects)
    for row in outcome.rows:
        detail = json.loads(row.detail)
        assert (row.intent, row.method, row.category) == ("unknown", "sampling", "unsorted")
        assert detail["margin"] > 0
        assert [detail["layer"], detail["coefficient"]] in [entry[:2] for entry in detail["pilot"]]
        assert len(detail["shots"]) == SHOTS
    known = {"refusal", "too_short", "too_long", "copy_of_seed", "repeats", "unfinished", "wrong_language", "not_fluent",
             "same_text", "leans_to_harm", "answered_side", "farther_from_boundary"}  # fmt: skip
    assert {row.reason for row in outcome.rejects} <= known


def test_a_project_writes_the_same_bytes_again_and_leaves_the_model_alone(project: Project, wide_folder: Path) -> None:
    first = project(SECTION, name="first")
    model = loaded(str(wide_folder)).model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    run_generate(first)
    assert all(tensor.equal(before[name]) for name, tensor in model.state_dict().items())
    assert hooks(model) == 0
    bytes_of = tree(first.root)
    assert run_generate(first)[0].computed == 0
    assert tree(first.root) == bytes_of
    second = project(SECTION, name="second")
    run_generate(second)
    assert tree(second.root) == bytes_of


@pytest.fixture
def sampler(project: Project, monkeypatch: pytest.MonkeyPatch) -> Sampler:
    """A sampler whose every text passes the screen."""
    monkeypatch.setattr("rass.writers.screening.Screen.check", lambda _, drafts: list(drafts))
    return Sampler(task_of(project(SECTION), "sampling"))


def test_the_grid_has_one_unsteered_setting(sampler: Sampler) -> None:
    grid = sampler.grid()
    assert [setting for setting in grid if not setting.coefficient] == [grid[0]]
    assert len(grid) == len(set(grid)) == 1 + len(sampler.layers) * 2
    assert set(sampler.layers) <= set(range(len(sampler.task.generator.layers)))


def test_settings_share_shots_and_differ_in_what_they_write(sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    complete = Local.complete
    monkeypatch.setattr(Local, "complete", lambda self, requests, *rest, **named: asked.append(requests) or complete(self, requests, *rest, **named))  # fmt: skip
    plain, strong = Trial(Setting(1, 0.0)), Trial(Setting(1, 9.0))
    for trial in (plain, strong):
        sampler.draw(trial, 4)
        sampler.draw(trial, 2)
        sampler.draw(trial, 0)
    assert asked[0] == asked[2] and asked[1] == asked[3]
    assert len({request.shots for request in asked[0]}) > 1
    assert [draft.prompt.text for draft in plain.drafts] != [draft.prompt.text for draft in strong.drafts]
    assert len(plain.drafts) == len(strong.drafts) == 6
    near = {row.text for row in sampler.shots}
    assert all(set(request.shots) <= near for request in asked[0])


def test_the_nearest_of_the_refused_side_are_chosen(sampler: Sampler) -> None:
    trial = Trial(Setting(1, 0.0))
    sampler.draw(trial, 40)
    ids = [draft.prompt.id for draft in trial.drafts if not draft.reason]
    assert len(set(ids)) >= 2, [draft.reason for draft in trial.drafts]
    sampler.margin = {key: float(index) for index, key in enumerate(dict.fromkeys(ids))}
    output = sampler.choose([trial])
    everything_has_its_place(output, 40)
    assert all(sampler.margin[row.id] > 0 for row in output.rows)
    assert len(output.rows) == min(14, sum(margin > 0 for margin in sampler.margin.values()))
    farthest = max(abs(sampler.margin[row.id] - sampling.AIM) for row in output.rows)
    for row in output.rejects:
        margin = sampler.margin.get(row.prompt_id.rpartition("-")[0])
        if row.reason == "answered_side":
            assert margin is not None and margin <= 0
        if row.reason == "farther_from_boundary":
            assert margin is not None and margin > 0 and abs(margin - sampling.AIM) >= farthest


def test_an_endpoint_cannot_be_steered(project: Project, tiny: ChatModel) -> None:
    workspace = project(SECTION | {"generator": "http://127.0.0.1:1/v1#m"})
    with pytest.raises(ConfigError, match="is an endpoint") as found:
        run_generate(workspace)
    assert "\n" not in str(found.value)


def test_too_few_seeds_are_one_line(project: Project) -> None:
    task = task_of(project(SECTION), "sampling")
    few = type(task)(task.workspace, task.section, "en", [*task.harmful, *task.benign[:SHOTS]])
    with pytest.raises(PackError, match=r"has 6 .*needs 7"):
        sampling.settings(few)
