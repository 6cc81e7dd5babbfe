from pathlib import Path

import pytest

from curation.errors import ConfigError, InputError, StorageError, WorkspaceError
from curation.records import Identification, Prompt, Reject
from curation.steps import Output, Step
from curation.testing import mutation, seed
from curation.workspace import Workspace


def test_a_new_project_opens_and_an_existing_one_is_never_changed(tmp_path: Path) -> None:
    root = tmp_path / "my bench"
    Workspace.create(root, ("en",))
    before = (root / "morbench.toml").read_bytes()
    with pytest.raises(InputError, match="exists already"):
        Workspace.create(root, ("de",))
    assert (root / "morbench.toml").read_bytes() == before
    assert Workspace.open(root).config.project.languages == ("en",)


def test_an_unknown_language_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no language pack 'xx'"):
        Workspace.create(tmp_path / "a", ("xx",))
    workspace = Workspace.create(tmp_path / "b", ("en",))
    path = workspace.root / "morbench.toml"
    path.write_text(path.read_text().replace('["en"]', '["xx"]', 1))
    with pytest.raises(ConfigError, match="no language pack 'xx'"):
        Workspace.open(workspace.root)


@pytest.mark.parametrize(("old", "new", "place"), [
    ("quotas = {}", "quotas = { xx = 3 }", "queue.quotas"),
    ("languages = []  # empty: every language of the project\n", 'languages = ["xx"]\n', "writer 'mutation'"),
    ('languages = ["en"]  # empty', 'languages = ["xx"]  # empty', "target 'reference-en'"),
])  # fmt: skip
def test_an_unknown_language_is_refused_wherever_it_stands(tmp_path: Path, old: str, new: str, place: str) -> None:
    path = Workspace.create(tmp_path / "a", ("en",)).root / "morbench.toml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=f"no language pack 'xx' in {place}"):
        Workspace.open(path.parent)


def test_what_cannot_be_a_project_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no language for"):
        Workspace.create(tmp_path / "a", ())
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="in the way"):
        Workspace.create(tmp_path / "file" / "a", ("en",))
    config = Workspace.create(tmp_path / ("w" * 80), ("en", "en")).config
    assert (config.project.name, config.project.languages) == ("w" * 64, ("en",))


def test_a_second_writer_fails_at_once_and_the_lock_is_given_back(workspace: Workspace) -> None:
    second = Workspace.open(workspace.root)
    with workspace.locked(), pytest.raises(WorkspaceError, match="another morbench command"), second.locked():
        pass
    with workspace.locked():
        pass


def test_the_lock_is_given_back_after_an_error(workspace: Workspace) -> None:
    with pytest.raises(ZeroDivisionError), workspace.locked():
        raise ZeroDivisionError
    with workspace.locked():
        pass


def test_alive_are_the_prompts_that_none_of_the_steps_dropped_each_once(workspace: Workspace, write) -> None:
    first, second, third = (
        seed("How do I kill a process?"),
        mutation("How do I kill weeds?"),
        mutation("How do I kill time?"),
    )
    write("seeds", [first])
    write("write-mutation-en", [second, third, first])

    def drop(rows):
        return Output([], [Reject(second.id, "identify", "wrong_language", "")])

    workspace.run(Step("identify", 1, {}, lambda: drop), [second], Identification)
    assert workspace.alive(()) == [first, second, third]
    assert workspace.alive(("identify",)) == [first, third]
    assert workspace.all_rejects() == [Reject(second.id, "identify", "wrong_language", "")]
    assert len(workspace.table(Prompt).rows()) == 4
