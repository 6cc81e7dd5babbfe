from __future__ import annotations

from collections import Counter

import pytest

from annotation.accounts import accounts_path
from annotation.batches import push_batches
from annotation.client import Client
from annotation.simulation import simulate, simulated_answer
from annotation.testing import FakeArgilla
from curation.errors import AnnotationError
from curation.records import Prompt, digest
from curation.workspace import Workspace


def given(fake: FakeArgilla) -> dict[tuple[str, str], str]:
    names = {key: user["username"] for key, user in fake.users.items()}
    records = {row["id"]: row["external_id"] for rows in fake.records.values() for row in rows.values()}
    return {(names[user], records[record]): row["values"]["judgement"]["value"]
            for (record, user), row in fake.responses.items()}  # fmt: skip


@pytest.mark.parametrize(("intent", "shares"), [
    ("benign", {"benign": 0.88, "harmful": 0.08, "depends": 0.04}),
    ("harmful", {"harmful": 0.88, "benign": 0.08, "depends": 0.04}),
    ("unknown", {"benign": 0.60, "harmful": 0.15, "depends": 0.20, "unsure": 0.05}),
])  # fmt: skip
def test_answers_have_the_documented_shares(intent: str, shares: dict[str, float]) -> None:
    drawn = Counter(simulated_answer("en-simulated-1", digest(str(number))[:16], intent) for number in range(20_000))
    assert set(drawn) == set(shares)
    for answer, share in shares.items():
        assert abs(drawn[answer] / 20_000 - share) < 4 * (share * (1 - share) / 20_000) ** 0.5


def test_annotators_err_on_different_prompts() -> None:
    prompts = [digest(str(number))[:16] for number in range(2000)]
    wrong = [{prompt for prompt in prompts if simulated_answer(name, prompt, "benign") == "harmful"}
             for name in ("en-simulated-1", "en-simulated-2")]  # fmt: skip
    assert len(wrong[0] & wrong[1]) < 40


def test_every_record_is_answered_by_every_simulated_annotator_of_its_language(
    pushed: Workspace, client: Client, fake: FakeArgilla
) -> None:
    assert simulate(pushed, client) == 36
    assert simulate(pushed, client) == 0
    assert Counter(name for name, _ in given(fake)) == {
        f"{language}-simulated-{number}": 6 for language in ("en", "ar") for number in (1, 2, 3)}  # fmt: skip


def test_a_simulation_that_was_stopped_goes_on_as_if_it_had_not_been(
    pushed: Workspace, client: Client, fake: FakeArgilla, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annotation.simulation.ANSWERS_A_REQUEST", 2)
    for requests in (3, 20, 30, 26):
        fake.fail_after(requests)
        with pytest.raises(AnnotationError):
            simulate(pushed, client)
    some = given(fake)
    assert 0 < len(some) < 36
    fake.fail_after(None)
    assert simulate(pushed, client) == 36 - len(some)
    intents = {row.id: row.intent for row in pushed.table(Prompt).rows()}
    assert given(fake) == {
        (name, prompt): simulated_answer(name, prompt, intents[prompt]) for name, prompt in given(fake)
    }
    assert some.items() <= given(fake).items()


def test_people_still_have_to_answer_what_was_simulated(pushed: Workspace, client: Client, fake: FakeArgilla) -> None:
    """Argilla hides a record from people once it has min_submitted answers: simulated ones come on top."""
    assert {row["distribution"]["min_submitted"] for row in fake.datasets.values()} == {2}
    simulate(pushed, client)
    assert {row["distribution"]["min_submitted"] for row in fake.datasets.values()} == {2 + 3}
    before = len(fake.requests)
    assert [row.sent for row in push_batches(pushed, client)] == [0, 0]
    assert {method for method, _ in fake.requests[before:]} == {"GET"}
    fake.datasets.clear()
    push_batches(pushed, client)
    assert {row["distribution"]["min_submitted"] for row in fake.datasets.values()} == {2 + 3}


def test_peoples_answers_are_left_alone(pushed: Workspace, client: Client, fake: FakeArgilla) -> None:
    records = next(rows for rows in fake.records.values())
    prompt = next(iter(records))
    language = next(row["name"] for row in fake.datasets.values())[:2]
    fake.answer(f"{language}-annotator-1", prompt, "unsure")
    simulate(pushed, client)
    assert given(fake)[f"{language}-annotator-1", prompt] == "unsure"


def test_a_changed_password_of_a_simulated_annotator_is_reset(
    pushed: Workspace, client: Client, fake: FakeArgilla
) -> None:
    simulate(pushed, client)
    fake.responses.clear()
    text = accounts_path(pushed).read_text()
    for key, user in fake.users.items():
        if "simulated" in user["username"]:
            fake._passwords[key] = "somebody-changed-it"
    assert simulate(pushed, client) == 36
    assert accounts_path(pushed).read_text() != text
