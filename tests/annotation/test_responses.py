from __future__ import annotations

import json
from pathlib import Path

import pytest

from annotation.client import Client
from annotation.responses import pull_responses, run_responses, standing_responses
from annotation.testing import FakeArgilla
from curation import tables
from curation.errors import AnnotationError
from curation.records import Prompt, Response
from curation.workspace import Workspace
from tests.annotation.conftest import choose


def first_id(workspace: Workspace) -> str:
    return str(workspace.table(Prompt).rows()[-1].id)


def files(workspace: Workspace) -> dict[str, bytes]:
    folders = (workspace.root / "responses", workspace.root / "rejects" / "responses")
    return {str(path.relative_to(workspace.root)): path.read_bytes()
            for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()}  # fmt: skip


def test_an_answer_comes_back_by_external_id(pushed: Workspace, client: Client, fake: FakeArgilla) -> None:
    prompt = first_id(pushed)
    fake.answer("ar-annotator-1", prompt, "benign")
    fake.answer("ar-annotator-2", prompt, "harmful", status="draft")
    outcome = pull_responses(pushed, client)
    assert [(row.prompt_id, row.batch, row.annotator, row.answer, row.simulated) for row in outcome.rows] == [
        (prompt, "ar-b001", "ar-annotator-1", "benign", False)]  # fmt: skip
    assert outcome.rows[0].answered_at == next(iter(fake.responses.values()))["updated_at"]


def test_pulling_twice_changes_no_byte(pushed: Workspace, client: Client, fake: FakeArgilla) -> None:
    fake.answer("ar-annotator-1", first_id(pushed), "benign")
    assert pull_responses(pushed, client).computed == 1
    before = files(pushed)
    assert pull_responses(pushed, client).computed == 0
    assert files(pushed) == before


def test_a_changed_answer_is_a_new_row_and_the_old_one_stays(
    pushed: Workspace, client: Client, fake: FakeArgilla
) -> None:
    prompt = first_id(pushed)
    for answer in ("benign", "harmful", "benign"):
        fake.answer("ar-annotator-1", prompt, answer)
        before = files(pushed)
        pull_responses(pushed, client)
        assert all(files(pushed)[name] == data for name, data in before.items() if name.endswith(".parquet"))
    assert [row.answer for row in pushed.table(Response).rows()] == ["benign", "harmful", "benign"]
    assert [row.answer for row in standing_responses(pushed)] == ["benign"]


def test_a_note_or_a_second_click_is_no_new_answer(pushed: Workspace, client: Client, fake: FakeArgilla) -> None:
    for _ in range(2):
        fake.answer("ar-annotator-1", first_id(pushed), "depends")
        pull_responses(pushed, client)
    assert len(pushed.table(Response).rows()) == 1


@pytest.mark.parametrize("status", ["discarded", "draft"])
def test_an_answer_that_was_taken_back_no_longer_counts(
    pushed: Workspace, client: Client, fake: FakeArgilla, status: str
) -> None:
    prompt = first_id(pushed)
    fake.answer("ar-annotator-1", prompt, "benign")
    pull_responses(pushed, client)
    fake.answer("ar-annotator-1", prompt, "benign", status=status)
    outcome = pull_responses(pushed, client)
    assert [row.reason for row in outcome.rejects] == ["withdrawn"]
    assert len(outcome.rows) == 1
    assert standing_responses(pushed) == []
    assert pull_responses(pushed, client).computed == 0
    fake.answer("ar-annotator-1", prompt, "benign")  # and given again
    assert pull_responses(pushed, client).computed == 1
    assert [row.answer for row in standing_responses(pushed)] == ["benign"]


def test_what_vanished_from_the_server_stays_at_home(pushed: Workspace, client: Client, fake: FakeArgilla) -> None:
    fake.answer("ar-annotator-1", first_id(pushed), "benign")
    rows = pull_responses(pushed, client).rows
    fake.datasets.clear()
    assert pull_responses(pushed, client).rows == rows
    assert standing_responses(pushed) == rows


def test_what_nothing_explains_is_a_reject_once(pushed: Workspace, client: Client, fake: FakeArgilla) -> None:
    prompt = first_id(pushed)
    records = next(rows for rows in fake.records.values() if prompt in rows)
    records["not\ud800ours"] = records[prompt] | {"id": "other", "external_id": "not\ud800ours"}
    fake.answer("ar-annotator-1", "not\ud800ours", "benign")
    fake.answer("ar-annotator-2", prompt, "a new option")
    outcome = pull_responses(pushed, client)
    assert outcome.rows == []
    assert sorted(row.reason for row in outcome.rejects) == ["unknown_answer", "unknown_record"]
    assert all(json.loads(row.evidence)["batch"] == "ar-b001" for row in outcome.rejects)
    assert pull_responses(pushed, client).rejects == outcome.rejects


def test_answers_of_an_earlier_triage_still_come_back(pushed: Workspace, client: Client, fake: FakeArgilla) -> None:
    fake.answer("ar-annotator-1", first_id(pushed), "benign")
    choose(pushed, pushed.table(Prompt).rows(), batch="b002")
    assert [row.batch for row in pull_responses(pushed, client).rows] == ["ar-b001"]


def test_other_peoples_datasets_are_not_looked_at(pushed: Workspace, client: Client, fake: FakeArgilla) -> None:
    key = next(key for key, row in fake.datasets.items() if row["name"] == "ar-b001")
    fake.answer("ar-annotator-1", first_id(pushed), "benign")
    fake.datasets[key]["name"] = "theirs"
    for number, row in enumerate(list(fake.records[key].values())):
        row["external_id"] = f"{number:016x}"
    assert pull_responses(pushed, client) == ([], [], 0)


def test_a_pull_that_is_killed_between_shard_and_manifest_loses_and_doubles_nothing(
    pushed: Workspace, client: Client, fake: FakeArgilla, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake.answer("ar-annotator-1", first_id(pushed), "benign")
    pull_responses(pushed, client)
    fake.answer("ar-annotator-2", first_id(pushed), "harmful")
    fake.answer("ar-annotator-1", first_id(pushed), "benign", status="discarded")

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    for allowed in (0, 1):
        with monkeypatch.context() as patch:
            calls = iter([*[tables.Manifest.write] * allowed, die])
            patch.setattr(tables.Manifest, "write", lambda *given, calls=calls: next(calls)(*given))
            with pytest.raises(Killed):
                pull_responses(pushed, client)
        assert len(pushed.table(Response).rows()) == 1
    outcome = pull_responses(pushed, client)
    assert [(row.annotator, row.answer) for row in outcome.rows] == [
        ("ar-annotator-1", "benign"),
        ("ar-annotator-2", "harmful"),
    ]
    assert [row.reason for row in outcome.rejects] == ["withdrawn"]
    listed = {shard[0] for manifest in pushed.table(Response).manifests() for shard in manifest.shards}
    assert {path.name for path in (pushed.root / "responses" / "shards").iterdir()} == listed  # the same shard again


def test_a_server_that_dies_meanwhile_leaves_the_tables_as_they_were(
    pushed: Workspace, client: Client, fake: FakeArgilla
) -> None:
    fake.answer("ar-annotator-1", first_id(pushed), "benign")
    pull_responses(pushed, client)
    before = files(pushed)
    fake.answer("ar-annotator-2", first_id(pushed), "benign")
    for requests in range(5):
        fake.fail_after(requests)
        with pytest.raises(AnnotationError):
            pull_responses(pushed, client)
        assert files(pushed) == before
    fake.fail_after(None)
    assert len(pull_responses(pushed, client).rows) == 2


def test_simulate_and_pull_in_one(pushed: Workspace, client: Client) -> None:
    outcome = run_responses(pushed, simulate=True, client=client)
    assert len(outcome.rows) == 12 * 3
    assert all(row.simulated for row in outcome.rows)
    assert [(row.prompt_id, row.batch, row.annotator) for row in outcome.rows] == sorted(
        (row.prompt_id, row.batch, row.annotator) for row in outcome.rows)  # fmt: skip
