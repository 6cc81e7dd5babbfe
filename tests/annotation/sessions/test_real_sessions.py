"""Two sessions at once on the real Argilla, from open to close; the server is killed in the middle of a push."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from annotation import datasets
from annotation.accounts import Passwords, accounts_path
from annotation.client import Client
from annotation.display import displayable
from annotation.quality.audit import run_audit
from annotation.quality.requeue import doubtful
from annotation.queue import connect, server_home
from annotation.responses import pull_responses, run_responses, standing_responses
from annotation.server import launch
from annotation.sessions.adjudication import adjudicate
from annotation.sessions.changing import reassign
from annotation.sessions.opening import open_session
from annotation.sessions.plan import ADJUDICATION, CALIBRATION, WORK, Place, Plan, dataset_of, load_plan
from annotation.sessions.progress import session_progress
from annotation.sessions.pushing import push_session
from annotation.sessions.running import advance, close, pause, resume
from annotation.simulation import simulated_form
from annotation.verdicts import run_verdicts
from curation.errors import AnnotationError
from curation.records import Response
from curation.workspace import Workspace
from tests.annotation.sessions.conftest import review_project

pytestmark = pytest.mark.server


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workspace]:
    """A project of two languages for each test, because an audit leaves simulated answers out where people gave any."""
    workspace = review_project(tmp_path / "bench", ("en", "ar"))
    yield workspace
    launch.down(server_home(workspace))


def test_two_sessions_from_open_to_close(bench: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    small: dict[str, Any] = {"items_per_person": 8, "overlap": 2, "simulated": True, "gold": 0.2}
    open_session(bench, "demo", calibration=3, **small)
    open_session(bench, "triage", languages=["en"], calibration=0, pre_annotated=True, **small)
    kill_in_the_middle_of_a_push(bench, monkeypatch)
    with connect(bench, port=0) as client:
        plans = {name: load_plan(bench, name) for name in ("demo", "triage")}
        for plan in plans.values():
            push_session(bench, client, plan)
            check_server(bench, client, plan, (CALIBRATION,) if plan.calibration else (WORK,))
        run_responses(bench, simulate=True, client=client)
        assert [row.agreed <= row.answered == 3 for row in advance(bench, client, plans["demo"]).feedback] == [True] * 6
        assert sum(row.sent for row in advance(bench, client, plans["demo"]).pushed) == 0
        rows = run_responses(bench, simulate=True, client=client).rows
        check_answers(bench, plans, rows)
        check_that_a_pull_fetches_what_changed(bench, client, plans["triage"])
        check_a_pause(bench, client, plans["triage"])
        plan, added, stuck = adjudicate(bench, plans["demo"], ["lead-simulated-1"])
        assert added > 0
        assert stuck == 0
        push_session(bench, client, plan)
        check_server(bench, client, plan, (CALIBRATION, WORK, ADJUDICATION))
        run_responses(bench, simulate=True, client=client)
        for name in plans:
            closed = close(bench, client, load_plan(bench, name))
            assert (closed.plan.state, closed.left) == ("closed", [])
        assert pull_responses(bench, client, everything=True).computed == 0
    decided = {row.prompt_id for row in standing_responses(bench) if row.batch.endswith(ADJUDICATION)}
    assert len(decided) == added
    verdicts = {row.prompt_id: row for row in run_verdicts(bench).rows}
    assert decided <= set(verdicts)
    assert all(row.simulated for row in verdicts.values())
    check_an_audit(bench, decided)


def test_what_a_person_began_stays_theirs(bench: Workspace) -> None:
    with connect(bench, port=0) as client:
        people = ["anna", "bob", "carl"]
        plan = open_session(bench, "people", languages=["en"], annotators=people, overlap=2, items_per_person=6,
                            calibration=0)  # fmt: skip
        push_session(bench, client, plan)
        place = Place("anna", "en", WORK)
        token = client.login("anna", Passwords(accounts_path(bench), client.server).of("anna") or "")
        assert token
        dataset = dataset_of(plan, place, client.workspaces(), datasets.all_datasets(client))
        assert dataset
        records = {row["external_id"]: row["id"] for row in client.records(dataset["id"])}
        done, *_ = plan.now()[place]
        client.submit(token, {records[done]: {"judgement": "harmful", "reason": "crime", "note": "<b>\u202e\x00"}})
        after, went, stayed = reassign(bench, client, plan, "anna")
        assert (went, stayed) == (5, 0)
        pushed = {row.place: row for row in push_session(bench, client, after)}
        assert pushed[place].removed == 5
        assert {row["external_id"] for row in client.records(dataset["id"])} == {done}
        rows = [row for row in pull_responses(bench, client).rows if row.session == "people"]
        assert [(row.prompt_id, row.reason, row.note) for row in rows] == [(done, "crime", "<b>\u202e\x00")]
        seen = client.json("GET", "/api/v1/me/datasets", token=token)["items"]
        assert [row["name"] for row in seen] == ["people-en-work"]


def kill_in_the_middle_of_a_push(bench: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGKILL while records are sent: the next push finds a dataset that is half full."""
    with connect(bench, port=0) as client, monkeypatch.context() as patch:
        patch.setattr(datasets, "RECORDS_A_CALL", 3)
        info = launch.status(server_home(bench))
        assert info
        request, calls = client.request, Counter[str]()

        def counted(method: str, path: str, **more: Any) -> Any:
            calls[path.rpartition("/")[2]] += method == "PUT"
            if calls["bulk"] == 3:
                os.kill(info.pid, signal.SIGKILL)
                launch._CHILDREN.pop(info.pid).wait()  # this process started it, and has to collect it
            return request(method, path, **more)

        patch.setattr(client, "request", counted)
        with pytest.raises(AnnotationError, match="no answer"):
            push_session(bench, client, load_plan(bench, "triage"))


def check_server(bench: Workspace, client: Client, plan: Plan, rounds: tuple[str, ...]) -> None:
    """Everybody's datasets hold what the plan says, escaped, in the right order of rounds; sending again sends nothing."""
    prompts, spaces, held = bench.prompts(), client.workspaces(), datasets.all_datasets(client)
    for place, keys in plan.now().items():
        dataset = dataset_of(plan, place, spaces, held)
        records = list(client.records(dataset["id"])) if dataset else []
        assert sorted(row["external_id"] for row in records) == (sorted(keys) if place.round in rounds else [])
        for row in records:
            assert row["fields"]["prompt"] == displayable(prompts[row["external_id"]].text)
            assert not row["metadata"]
    assert sum(row.sent + row.removed for row in push_session(bench, client, plan)) == 0


def check_answers(bench: Workspace, plans: dict[str, Plan], rows: list[Response]) -> None:
    """Each planned item has its answer, in its own session, and nothing else has one."""
    prompts = bench.prompts()
    wanted = {(name, plan.dataset(place), place.annotator, key)
              for name, plan in plans.items() for place, keys in plan.now().items() for key in keys}  # fmt: skip
    rows = [row for row in rows if row.session in plans]
    assert sorted(wanted) == sorted((row.session, row.batch, row.annotator, row.prompt_id) for row in rows)
    for row in rows:
        said = simulated_form(row.annotator, prompts[row.prompt_id])
        assert (row.answer, row.naturalness, row.reason) == (
            said["judgement"],
            said["naturalness"],
            said.get("reason", ""),
        )


def check_an_audit(bench: Workspace, decided: set[str]) -> None:
    """Every answer that came from the server is audited; what was adjudicated is not asked again."""
    audit = run_audit(bench, text_model=False)
    rounds = Counter(row.batch.rpartition("-")[2] for row in standing_responses(bench))
    assert rounds == {
        CALIBRATION: audit.head["practice answers"],
        WORK: audit.head["answers"],
        ADJUDICATION: len(decided),
    }
    assert audit.head["annotators"] == 6
    assert (audit.head["adjudicated"], audit.head["simulated"]) == (len(decided), True)
    assert audit.page.read_text(encoding="utf-8").startswith("<!doctype html>")
    again = doubtful(audit, 1000)
    assert again and not decided & {row["prompt_id"] for row in again}
    assert run_audit(bench, text_model=False).folder == audit.folder  # the same answers: the same audit


def check_that_a_pull_fetches_what_changed(bench: Workspace, client: Client, plan: Plan) -> None:
    """A change is seen by the mark of its dataset; datasets without one are not read."""
    read: list[str] = []
    records = client.records

    def watched(dataset_id: str, **more: Any) -> Any:
        read.append(dataset_id)
        return records(dataset_id, **more)

    client.records = watched  # type: ignore[method-assign]
    pull_responses(bench, client)
    read.clear()
    assert pull_responses(bench, client).computed == 0
    assert read == []
    place = Place("en-simulated-1", "en", WORK)
    dataset = dataset_of(plan, place, client.workspaces(), datasets.all_datasets(client))
    assert dataset
    token = client.login(place.annotator, Passwords(accounts_path(bench), client.server).of(place.annotator) or "")
    assert token
    record = next(records(dataset["id"]))
    client.submit(token, {record["id"]: {"judgement": "unsure", "note": "changed my mind"}})
    (changed,) = pull_responses(bench, client).rows[-1:]
    assert (changed.prompt_id, changed.answer, changed.note) == (record["external_id"], "unsure", "changed my mind")
    assert read == [dataset["id"]]
    del client.records


def check_a_pause(bench: Workspace, client: Client, plan: Plan) -> None:
    """A paused session is out of sight and takes no new answers; the other one goes on."""
    name = "en-simulated-2"
    token = client.login(name, Passwords(accounts_path(bench), client.server).of(name) or "")
    assert token

    def seen() -> set[str]:
        return {row["name"] for row in client.json("GET", "/api/v1/me/datasets", token=token)["items"]}

    demo = {"demo-en-calibration", "demo-en-work"}
    assert seen() == {*demo, "triage-en-work"}
    plan = pause(bench, client, plan)
    assert seen() == demo
    assert sum(row.submitted for row in session_progress(client, plan)) == 24
    resume(bench, client, plan)
    assert seen() == {*demo, "triage-en-work"}
