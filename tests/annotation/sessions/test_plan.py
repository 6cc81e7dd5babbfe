from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from annotation.client import Client
from annotation.sessions.opening import open_session
from annotation.sessions.plan import (
    ADJUDICATION,
    CALIBRATION,
    WORK,
    Change,
    Place,
    Plan,
    Revision,
    all_plans,
    folder,
    load_plan,
    round_of,
    save_plan,
)
from curation.errors import AnnotationError
from curation.workspace import Workspace
from tests.annotation.sessions.conftest import PEOPLE

HERE = Place("anna", "en", WORK)
THERE = Place("bob", "en", WORK)
PLAN = Plan(
    "first", 1, 2, 10, 0.1, 4, False, (Revision("open", (Change(HERE, ("a", "b"), shown=("b",)),), {"a": "benign"}),)
)


def test_a_plan_comes_back_as_it_was_written(workspace: Workspace) -> None:
    assert load_plan(workspace, save_plan(workspace, PLAN).name) == PLAN
    assert all_plans(workspace) == [PLAN]


def test_revisions_add_up() -> None:
    plan = PLAN.revised(Revision("reassign", (Change(HERE, removed=("a",)), Change(THERE, added=("a",)))))
    assert plan.now() == {HERE: ("b",), THERE: ("a",)}
    assert plan.ever() == {HERE: {"a", "b"}, THERE: {"a"}}
    assert plan.holders("en", WORK) == {"a": ("bob",), "b": ("anna",)}
    assert plan.shown() == {HERE: {"b"}, THERE: frozenset()}
    assert plan.suggestions() == {"a": "benign"}
    assert (plan.people(), plan.languages(), plan.people("ar")) == (["anna", "bob"], ["en"], [])


def test_a_plan_on_disk_can_only_be_added_to(workspace: Workspace) -> None:
    longer = save_plan(workspace, save_plan(workspace, PLAN).revised(Revision("pause")))
    for other in (PLAN, longer.__class__(**{**vars(longer), "overlap": 3}), PLAN.revised(Revision("close"))):
        with pytest.raises(AnnotationError, match="changed meanwhile"):
            save_plan(workspace, other)
    assert load_plan(workspace, "first").state == "paused"


@pytest.mark.parametrize(("kinds", "state"), [
    ((), "open"), (("pause",), "paused"), (("pause", "extend"), "paused"), (("pause", "resume"), "open"),
    (("pause", "close"), "closed"),
])  # fmt: skip
def test_the_last_word_decides_the_state(kinds: tuple[str, ...], state: str) -> None:
    plan = PLAN
    for kind in kinds:
        plan = plan.revised(Revision(kind))
    assert plan.state == state


def test_the_round_is_in_the_batch() -> None:
    assert round_of("first", PLAN.dataset(HERE)) == WORK
    assert round_of("first", PLAN.dataset(Place("lead", "zh-Hant", ADJUDICATION))) == ADJUDICATION
    assert round_of("", "demo-en-b001") == round_of("", "a-calibration") == round_of("first", "demo-en-b001") == ""


@pytest.mark.parametrize("name", ["", "First", "a/b", "..", "a b", "-a", "a" * 41, "a.b", "a\n"])
def test_a_name_that_could_be_misread_is_refused(workspace: Workspace, name: str) -> None:
    with pytest.raises(AnnotationError, match="cannot name a session"):
        open_session(workspace, name, annotators=PEOPLE)
    with pytest.raises(AnnotationError, match="cannot name"):
        open_session(workspace, "good", annotators=["../anna", *PEOPLE])
    assert not folder(workspace).exists()


def test_a_missing_and_a_broken_plan_are_named(workspace: Workspace) -> None:
    with pytest.raises(AnnotationError, match="no session 'first'") as caught:
        load_plan(workspace, "first")
    assert "morbench session open first" in caught.value.fix
    save_plan(workspace, PLAN)
    with pytest.raises(AnnotationError, match="no session 'second'") as caught:
        load_plan(workspace, "second")
    assert "known: first" in caught.value.fix
    for text in ("{", "[]", '{"name": "first"}'):
        (folder(workspace, "first") / "plan.json").write_text(text)
        with pytest.raises(AnnotationError, match=r"plan\.json"):
            load_plan(workspace, "first")


def test_nobody_else_can_read_a_session(workspace: Workspace, client: Client) -> None:
    open_session(workspace, "first", annotators=PEOPLE, items_per_person=5, overlap=2)
    for path in (folder(workspace), folder(workspace, "first")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    files = [path for path in folder(workspace, "first").iterdir() if path.is_file()]
    assert {path.name for path in files} == {"plan.json", "gold.json"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_two_names_that_would_give_one_dataset_are_kept_apart(tmp_path: Path) -> None:
    root = tmp_path / "odd"
    workspace = Workspace.create(root, ("en",))
    save_plan(workspace, Plan("a-en", 1, 1, 1, 0, 0, False, (Revision("open", (Change(HERE, ("x",)),)),)))
    clash = Plan("a", 1, 1, 1, 0, 0, False, (Revision("open", (Change(Place("anna", "en-en", WORK), ("x",)),)),))
    from annotation.sessions.opening import _check_apart

    with pytest.raises(AnnotationError, match="would be named as those of 'a-en'"):
        _check_apart(workspace, clash)


def test_everybody_has_a_workspace_of_a_name_that_the_sdk_takes() -> None:
    people = ["anna", "a.b", "a-b", "a@b", "A_1"]
    names = {PLAN.space(person) for person in people}
    assert len(names) == len(people)
    assert all(re.fullmatch(r"first_[a-zA-Z0-9_-]+", name) for name in names)


def test_rounds_are_told_apart() -> None:
    assert len({PLAN.dataset(Place("anna", "en", name)) for name in (CALIBRATION, WORK, ADJUDICATION)}) == 3
