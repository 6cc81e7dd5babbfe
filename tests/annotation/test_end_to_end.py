"""The real Argilla, from push to verdicts; the server is killed on the way."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from annotation.accounts import ensure_accounts
from annotation.client import Client
from annotation.display import displayable
from annotation.queue import connect, run_queue, server_home
from annotation.responses import pull_responses, run_responses, standing_responses
from annotation.server import launch
from annotation.simulation import simulated_answer
from annotation.verdicts import run_verdicts
from curation.errors import AnnotationError
from curation.records import Prompt, Response
from curation.workspace import Workspace
from tests.annotation.conftest import project

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A project of two languages; its server takes any free port and is stopped at the end."""
    workspace = project(tmp_path_factory.mktemp("real") / "bench")
    yield workspace
    launch.down(server_home(workspace))


def test_push_simulate_kill_pull_verdicts(bench: Workspace) -> None:
    prompts = {row.id: row for row in bench.table(Prompt).rows()}
    with connect(bench, port=0) as client:
        assert run_queue(bench, client=client).startswith("12 records in 2 batches")
        assert run_queue(bench, client=client).endswith(" 0 sent now")
        check_texts(client, prompts)
        check_annotators_see_their_language_only(bench, client)
        first = run_responses(bench, simulate=True, client=client)
        assert len(first.rows) == 36
        info = launch.status(server_home(bench))
        assert info
        os.kill(info.pid, signal.SIGKILL)
        launch._CHILDREN.pop(info.pid).wait()  # this process started it, and has to collect it
        with pytest.raises(AnnotationError, match="no answer"):
            pull_responses(bench, client)
    with connect(bench, port=0) as client:  # starts it again
        again = run_responses(bench, simulate=True, client=client)
        assert (again.rows, again.computed) == (first.rows, 0)
        assert run_queue(bench, client=client).endswith(" 0 sent now")
        changed = change_an_answer(bench, client)
        assert pull_responses(bench, client).rows == [*first.rows, changed]
        assert len(standing_responses(bench)) == 37
    assert {(row.annotator, row.prompt_id): row.answer for row in first.rows} == {
        (row.annotator, row.prompt_id): simulated_answer(row.annotator, row.prompt_id, prompts[row.prompt_id].intent)
        for row in first.rows}  # fmt: skip
    outcome = run_verdicts(bench)
    assert sorted(row.prompt_id for row in outcome.rows) == sorted(prompts)
    assert all(row.simulated for row in outcome.rows)
    assert launch.down(server_home(bench))


def check_texts(client: Client, prompts: dict[str, Prompt]) -> None:
    """What the server holds is escaped, whole, and found by id."""
    spaces = client.workspaces()
    datasets = [dataset for language in ("en", "ar") for dataset in client.datasets(spaces[language]).values()]
    held = {row["external_id"]: row for dataset in datasets for row in client.records(dataset["id"], responses=True)}
    assert set(held) == set(prompts)
    for key, row in held.items():
        assert row["fields"] == {"prompt": displayable(prompts[key].text)}
        assert "<" not in row["fields"]["prompt"]
        assert not row["metadata"]
        assert not row.get("suggestions")


def check_annotators_see_their_language_only(bench: Workspace, client: Client) -> None:
    """An annotator logs in with the password of the file and sees one language."""
    account = next(row for row in ensure_accounts(bench, client) if row.username == "ar-annotator-2")
    token = client.login(account.username, account.password)
    assert token
    assert client.login(account.username, "wrong-password") is None
    seen = client.json("GET", "/api/v1/me/datasets", token=token)["items"]
    assert [row["name"] for row in seen] == ["ar-b001"]


def change_an_answer(bench: Workspace, client: Client) -> Response:
    """A person answers, changes the answer before the pull, and comes back as one row."""
    account = ensure_accounts(bench, client)[0]
    token = client.login(account.username, account.password)
    assert token
    dataset = client.datasets(client.workspaces()["en"])["en-b001"]
    record = next(client.records(dataset["id"]))
    for answer in ("benign", "depends"):
        client.submit(token, {record["id"]: {"judgement": answer}})
    with pytest.raises(AnnotationError, match="refused an answer"):
        client.submit(token, {record["id"]: {"judgement": "no option"}})
    changed = next(row for row in next(client.records(dataset["id"], responses=True))["responses"]
                   if client.user_name(row["user_id"]) == account.username)  # fmt: skip
    return Response(record["external_id"], "en-b001", account.username, "depends", False, changed["updated_at"])
