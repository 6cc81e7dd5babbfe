"""As people do it, in a real Chromium: sign in, read, label by click and by key, submit; a lead reads the audit."""

from __future__ import annotations

import dataclasses
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from annotation.accounts import accounts_path
from annotation.batches import guidelines_of
from annotation.client import Client
from annotation.display import displayable
from annotation.quality.audit import run_audit
from annotation.queue import connect, server_home
from annotation.responses import pull_responses
from annotation.server import launch
from annotation.sessions.opening import open_session
from annotation.sessions.pushing import push_session
from curation.records import Prompt, Response, Triage, make_prompt
from curation.storage import file_digest
from curation.workspace import Workspace
from tests.annotation.browsing import Watched, chromium
from tests.annotation.conftest import HOSTILE, put
from tests.annotation.quality.conftest import BagOfWords, reviewed

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

FLOOD = (
    "😀👩‍👩‍👧‍👦🏳️‍🌈" * 2_000,
    "</div></textarea></iframe><iframe srcdoc='<script>parent.broken=1;alert(1)</script>'></iframe>",
    "[x](javascript:window.broken=1) ![y](http://evil.example/y.png) <svg/onload=window.broken=1> {{7*7}} \u2066left",
)
DIRECTIONS = {"en": ("ltr", "left"), "ar": ("rtl", "right"), "ja": ("ltr", "left")}
TEXT = ".text_field_component .content-area > div"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def review(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A session of three languages, hostile prompts among the English, in two people's queues on a real server."""
    workspace = Workspace.create(tmp_path_factory.mktemp("browser") / "review", tuple(DIRECTIONS))
    prompts: list[Prompt] = []
    for language in DIRECTIONS:
        odd = (*HOSTILE, *FLOOD) if language == "en" else ()
        prompts += [make_prompt(text, language, category="fiction", intent="unknown", method="mutation")
                    for text in (*odd, *(row.text for row in workspace.packs[language].benign[:3]))]  # fmt: skip
    put(workspace, Prompt, "seeds", prompts)
    rows = [Triage(row.id, "decide", 1.0, "", "test") for row in prompts]
    put(workspace, Triage, "triage", sorted(rows, key=lambda row: row.prompt_id))
    plan = open_session(workspace, "tour", annotators=("anna", "bob"), overlap=2, items_per_person=20, calibration=0,
                        gold=0)  # fmt: skip
    try:
        with connect(workspace, port=0) as client:
            push_session(workspace, client, plan)
        yield workspace
    finally:
        launch.down(server_home(workspace))


@pytest.fixture
def client(review: Workspace) -> Iterator[Client]:
    """The owner, on the real server."""
    with connect(review, port=0) as found:
        yield found


class Annotator(Watched):
    """A person before the queue of one language."""

    def __init__(self, browser: Browser, client: Client, review: Workspace, name: str, language: str) -> None:
        super().__init__(browser, client.url)
        password = json.loads(accounts_path(review).read_text(encoding="utf-8"))[client.server][name]
        token = client.login(name, password) or ""
        seen = client.json("GET", "/api/v1/me/datasets", token=token)["items"]
        dataset = next(row["id"] for row in seen if row["name"] == f"tour-{language}-work")
        self.page.goto(f"{client.url}/sign-in")
        self.page.fill("input[type=text]", name)
        self.page.fill("input[type=password]", password)
        self.page.press("input[type=password]", "Enter")
        self.page.wait_for_url(lambda address: "sign-in" not in address)
        self.page.goto(f"{client.url}/dataset/{dataset}/annotation-mode")
        self.page.wait_for_selector(TEXT)

    def record(self) -> str:
        """The id of the record on the page."""
        marked = self.page.locator(".text_field_component .content-area").get_attribute("id") or ""
        return marked[-36:]

    def shown(self) -> str:
        """The text of the record on the page."""
        return self.page.locator(TEXT).text_content() or ""

    def choose(self, answer: str) -> None:
        """Click an answer to the first question."""
        self.page.click(f"label[for=judgement_{answer}]")

    def submit(self, key: str = "") -> None:
        """Press the button, or a key, and wait until the server has accepted the answer."""
        record = self.record()
        with self.page.expect_response(lambda answer: answer.url.endswith("/responses")) as sent:
            if key:
                self.page.keyboard.press(key)
            else:
                self.page.click("button.button--submit")
        assert sent.value.status == 201
        self.page.wait_for_selector(f".content-area[id$='{record}']", state="detached")

    def sees_submitted(self, count: int) -> None:
        """Wait until the page says that this person has given so many answers."""
        counter = self.page.locator(".my-progress__status").filter(
            has_text=re.compile(rf"submitted\s*{count}\b", re.IGNORECASE)
        )
        counter.first.wait_for(state="visible")


@pytest.mark.server
@pytest.mark.parametrize("language", DIRECTIONS)
def test_an_annotator_reads_labels_and_sees_progress(
    language: str, browser: Browser, review: Workspace, client: Client
) -> None:
    pack = review.packs[language]
    person = Annotator(browser, client, review, "anna", language)
    page = person.page
    look = page.locator(TEXT).evaluate("e => [getComputedStyle(e).direction, getComputedStyle(e).textAlign]")
    direction, side = DIRECTIONS[language]
    assert look[0] == direction and look[1] in (side, "start")
    for name in (pack.question, *pack.options.values()):
        assert page.get_by_text(name, exact=False).first.is_visible()
    page.get_by_role("button", name="Expand Panel").filter(has_text="Guidelines").first.click()
    assert page.get_by_text(pack.title, exact=True).first.is_visible()
    assert f"## {pack.title}" in guidelines_of(pack)

    first = person.record()
    person.choose("benign")
    person.submit()
    person.sees_submitted(1)
    second = person.record()
    page.keyboard.press("2")
    page.wait_for_selector("#judgement_harmful:checked", state="attached")
    person.submit("Enter")
    person.sees_submitted(2)
    pull_responses(review, client)
    ids = {row["id"]: row["external_id"] for row in records(client, "anna", language)}
    given = {row.prompt_id: row.answer for row in answers(review, "anna", language)}
    assert given == {ids[first]: "benign", ids[second]: "harmful"}
    assert person.misdeeds() == []
    person.close()


@pytest.mark.server
def test_hostile_prompts_are_shown_answered_and_do_nothing(browser: Browser, review: Workspace, client: Client) -> None:
    table = review.table(Prompt)
    before = {path.name: file_digest(path) for path in table.folder.iterdir() if path.is_file()}
    prompts = {row.id: row for row in table.rows() if row.language == "en"}
    ids = {row["id"]: row["external_id"] for row in records(client, "bob", "en")}
    person = Annotator(browser, client, review, "bob", "en")
    given = {}
    for number in range(len(prompts)):
        prompt = prompts[ids[person.record()]]
        assert person.shown() == html.unescape(displayable(prompt.text)), prompt.id
        answer = ("benign", "harmful", "depends", "unsure")[number % 4]
        assert person.misdeeds() == []
        person.choose(answer)
        person.submit()
        given[prompt.id] = answer
    person.sees_submitted(len(prompts))
    assert len(given) == len(prompts)
    assert person.misdeeds() == []
    person.close()
    pull_responses(review, client)
    assert {row.prompt_id: row.answer for row in answers(review, "bob", "en")} == given
    assert {path.name: file_digest(path) for path in table.folder.iterdir() if path.is_file()} == before
    assert {row.text for row in table.rows()} >= {*HOSTILE, *FLOOD}


def test_a_lead_reads_and_prints_the_audit(browser: Browser, tmp_path: Path) -> None:
    note = "</td><script>window.broken=1</script><img src=http://evil.example/x onerror='window.broken=1'>\u202e مرحبا"
    workspace = reviewed(tmp_path / "bench", note=note)
    rows = workspace.table(Response).rows()
    named = [
        dataclasses.replace(row, annotator="<script>window.broken=1</script>") for row in rows if row.annotator == "bob"
    ]
    put(workspace, Response, "responses", [*(row for row in rows if row.annotator != "bob"), *named])
    audit = run_audit(workspace, encoder=BagOfWords(), resamples=20)
    address = (audit.folder / "report.html").as_uri()
    lead = Watched(browser, address)
    lead.page.goto(address)
    assert lead.page.locator("h1").first.is_visible() and lead.page.locator("svg").count() > 0
    assert lead.page.locator("table").count() >= 3
    assert lead.page.locator("script").count() == 0
    assert lead.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
    assert lead.page.pdf().startswith(b"%PDF")
    assert lead.misdeeds() == []
    lead.close()


def records(client: Client, person: str, language: str) -> list[dict[str, object]]:
    """What lies in a person's queue of a language."""
    dataset = client.datasets(client.workspaces()[f"tour_{person}"])[f"tour-{language}-work"]
    return list(client.records(dataset["id"]))


def answers(workspace: Workspace, person: str, language: str) -> list[Response]:
    """What came back from it."""
    rows = workspace.table(Response).rows()
    return [row for row in rows if (row.annotator, row.batch) == (person, f"tour-{language}-work")]
