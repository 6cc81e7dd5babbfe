"""The audit as a whole: evidence in, JSON, CSV and one harmless page out."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import os
from html.parser import HTMLParser
from pathlib import Path

import pytest

from annotation.quality.audit import Audit, run_audit
from annotation.quality.bootstrap import Estimate
from annotation.quality.evidence import Answer, Evidence, latest
from annotation.quality.requeue import doubtful, write_requeue
from annotation.quality.tables import Prompted, Table, cell_text
from annotation.responses import standing_responses
from annotation.sessions.choosing import requeued
from curation.errors import AnnotationError
from curation.rates import wilson
from curation.records import Prompt, Response
from curation.workspace import Workspace
from tests.annotation.conftest import put
from tests.annotation.quality.conftest import BagOfWords, answer, prompt, reviewed

NAMES = ('<img src=x onerror="window.broken=1">', "=cmd|'/c calc'!A1", "$\\frac{1}{0}$ \u202eevil\u202c عربي")
NOTE = "</td><script>window.broken=1</script>\x1b[31m\u202e{{ 7*7 }} مرحبا"
FEW = 50


@pytest.fixture
def project(tmp_path: Path) -> Workspace:
    return reviewed(tmp_path / "bench")


def audited(workspace: Workspace) -> Audit:
    return run_audit(workspace, encoder=BagOfWords(), resamples=FEW)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_answers_give_the_same_audit_and_new_ones_the_next(project: Workspace, tmp_path: Path) -> None:
    first = audited(project)
    before = tree(first.folder)
    assert first.folder == project.root / "reports" / "audit-001"
    again = audited(project)
    assert again.raw() == first.raw() and tree(first.folder) == before
    twin = reviewed(tmp_path / "twin" / "bench")
    put(twin, Response, "responses", list(reversed(twin.table(Response).rows())))
    assert tree(audited(twin).folder) == before
    rows = project.table(Response).rows()
    put(project, Response, "responses", [dataclasses.replace(rows[0], answer="unsure"), *rows[1:]])
    assert audited(project).folder.name == "audit-002"
    assert tree(first.folder) == before


def test_a_killed_audit_is_written_again(project: Workspace) -> None:
    first = audited(project)
    whole = tree(first.folder)
    os.unlink(first.folder / "audit.json")
    (first.folder / "report.html").write_text("half", encoding="utf-8")
    assert tree(audited(project).folder) == whole


def test_what_it_finds(project: Workspace) -> None:
    found = audited(project)
    assert (found.head["items"], found.head["annotators"], found.head["simulated"]) == (72, 3, False)
    assert found.head["gold items"] == 12
    people = {(row["annotator"], row["language"]): row for row in found.tables["annotators"].rows}
    assert set(people) == {(name, language) for name in ("anna", "bob", "carl") for language in ("en", "ar")}
    assert people["carl", "en"]["as the author meant"]["value"] < people["anna", "en"]["as the author meant"]["value"]
    assert all(row["gold"]["n"] == 6 for row in people.values())
    groups = {(row["by"], row["group"]) for row in found.tables["agreement"].rows}
    assert {("all", ""), ("language", "en"), ("language", "ar"), ("session", "first")} <= groups
    assert any(by == "category" for by, _ in groups)
    assert {row["one"] for row in found.tables["pairs"].rows} == {"anna", "bob"}
    anchoring = found.tables["anchoring"].rows[0]
    assert anchoring["shown"]["n"] + anchoring["blind"]["n"] == found.head["answers"]
    methods = found.tables["methods"].rows
    assert methods[0]["method"].endswith("(this project's)") and methods[0]["differ"] == 0
    assert all(row["benign"] + row["harmful"] + row["controversial"] == 72 for row in methods)


def test_practice_and_adjudication_are_no_part_of_agreement(project: Workspace) -> None:
    rows = project.table(Response).rows()
    asked = next(row for row in rows if row.session)
    language = asked.batch.split("-")[1]
    extra = [
        Response(asked.prompt_id, f"first-{language}-calibration", "newcomer", "unsure", False, "2026-11-20", "first"),
        Response(asked.prompt_id, f"first-{language}-adjudication", "lead", "unsure", False, "2026-11-21", "first"),
        Response(asked.prompt_id, "queue-b001", "en-simulated-1", "unsure", True, "2026-11-21"),
    ]
    before = Evidence.read(project)
    put(project, Response, "responses", [*rows, *extra])
    after = Evidence.read(project)
    assert after.answers == before.answers
    assert [row.annotator for row in after.practice] == ["newcomer"]
    assert after.adjudicated == {asked.prompt_id: "unsure"}
    settled = {row["prompt"]["prompt"]: row["settled"] for row in audited(project).tables["items"].rows}
    assert settled[asked.prompt_id] == "adjudicated"


def test_simulated_answers_alone_are_audited_and_called_so(tmp_path: Path) -> None:
    workspace = reviewed(tmp_path / "bench", languages=("en",), simulated=True)
    found = audited(workspace)
    assert found.head["simulated"] is True
    assert "<strong>Simulated.</strong>" in found.page.read_text(encoding="utf-8")


def test_a_later_answer_replaces_an_earlier_one() -> None:
    early, late = answer(prompt(1), "a", "benign", 1), answer(prompt(1), "a", "harmful", 2)
    assert latest([early, late]) == (late,)


def test_an_injected_key_replaces_those_of_sessions(project: Workspace) -> None:
    asked = standing_responses(project)[0].prompt_id
    assert Evidence.read(project, {asked: "harmful"}).gold == {asked: "harmful"}


def test_without_answers_there_is_nothing_to_audit(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="no answers to audit"):
        run_audit(Workspace.create(tmp_path / "empty", ("en",)))


def test_one_annotator_and_equal_answers(tmp_path: Path) -> None:
    workspace = reviewed(tmp_path / "bench", languages=("en",))
    rows = [dataclasses.replace(row, answer="benign") for row in workspace.table(Response).rows()]
    put(workspace, Response, "responses", rows)
    everybody = audited(workspace).tables["agreement"].rows[0]
    assert everybody["alpha"]["value"] is None and everybody["raw"]["value"] == 1
    put(workspace, Response, "responses", [row for row in rows if row.annotator == "anna"])
    found = audited(workspace)
    assert found.tables["agreement"].rows[0]["raw"]["value"] is None
    assert found.tables["pairs"].rows == ()
    assert "n/a" in found.page.read_text(encoding="utf-8")


class Page(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture
def hostile(tmp_path: Path) -> Audit:
    workspace = reviewed(tmp_path / "bench", names=NAMES, note=NOTE)
    prompts = workspace.table(Prompt).rows()
    put(workspace, Prompt, "seeds", [dataclasses.replace(row, text=f"{row.text}{NOTE}") for row in prompts])
    return audited(workspace)


def test_no_name_note_or_prompt_becomes_markup(hostile: Audit) -> None:
    text = hostile.page.read_text(encoding="utf-8")
    page = Page(text)
    assert not {"script", "img", "iframe", "object", "embed", "link", "base", "form", "foreignobject"} & set(page.tags)
    assert not any(name.startswith("on") for name, _ in page.attributes)
    links = [value for name, value in page.attributes if name in ("href", "src", "xlink:href", "action")]
    assert all(str(value).startswith("#") for value in links)
    policy = next(value for name, value in page.attributes if name == "content" and "default-src" in str(value))
    assert "default-src 'none'" in str(policy) and "script" not in str(policy)
    words = "".join(page.words)
    assert "<script>window.broken=1</script>" in words and "{{ 7*7 }}" in words  # shown as they are
    assert NAMES[0] in words
    assert not set("\u202e\x1b\x00") & set(text)
    assert 'dir="auto"' in text and "@media print" in text


def test_tables_hold_no_formula_and_no_prompt(hostile: Audit) -> None:
    for path in (hostile.folder / "tables").glob("*.csv"):
        text = path.read_text(encoding="utf-8")
        assert "window.broken=1</script>" not in text
        for row in csv.reader(io.StringIO(text)):
            assert not any(cell[:1] in ("=", "@", "+") for cell in row)
    names = {row["annotator"] for row in hostile.tables["annotators"].rows}
    assert names == set(NAMES)  # JSON keeps them as they are


def test_files_agree(project: Workspace) -> None:
    found = audited(project)
    raw = json.loads((found.folder / "audit.json").read_text(encoding="utf-8"))
    assert Audit.read(found.folder).raw() == raw == found.raw()
    for table in raw["tables"]:
        rows = list(
            csv.DictReader(io.StringIO((found.folder / "tables" / f"{table['name']}.csv").read_text(encoding="utf-8")))
        )
        assert len(rows) == len(table["rows"])
    agreement = raw["tables"][0]
    first = next(csv.DictReader(io.StringIO((found.folder / "tables" / "agreement.csv").read_text(encoding="utf-8"))))
    assert float(first["alpha low"]) == agreement["rows"][0]["alpha"]["low"]


def test_cells() -> None:
    table = Table.of(
        "t",
        "T",
        ("a", "b"),
        [[Estimate(0.5, 0.25, 0.75), Prompted("p")], [Estimate(math.nan, math.nan, math.nan), "=x"]],
    )
    assert table.texts() == [["0.500 [0.25, 0.75]", "p"], ["n/a", "=x"]]
    assert table.csv() == "a,a low,a high,b\n0.5,0.25,0.75,p\n,,,'=x\n"
    assert cell_text(Table.of("t", "T", ("a",), [[wilson(1, 2)]]).rows[0]["a"]) == "50 % [9, 91] n=2"
    with pytest.raises(TypeError):
        Table.of("t", "T", ("a",), [[object()]])


def test_requeue_takes_turns_and_leaves_out_what_is_settled(project: Workspace) -> None:
    found = audited(project)
    chosen = doubtful(found, 1000)
    ids = [row["prompt_id"] for row in chosen]
    settled = {row["prompt"]["prompt"] for row in found.tables["items"].rows if row["settled"]}
    controversial = {row["prompt"]["prompt"] for row in found.tables["items"].rows if row["outcome"] == "controversial"}
    assert len(set(ids)) == len(ids) and not settled & set(ids)
    assert controversial - settled <= set(ids)
    assert {row["language"] for row in doubtful(found, 1000, {"ar"})} == {"ar"}
    assert doubtful(found, 3) == chosen[:3]
    gains = [row["gain"] for row in chosen if row["reason"] == "controversial"]
    assert gains == sorted(gains, reverse=True)


def test_a_session_reads_the_requeue(project: Workspace) -> None:
    found = audited(project)
    chosen = doubtful(found, 5)
    path = write_requeue(project, chosen, found)
    assert path.stat().st_mode & 0o777 == 0o600
    assert requeued(project, project.prompts()) == [row["prompt_id"] for row in chosen]


def test_agreed_that_it_depends_is_settled(tmp_path: Path) -> None:
    workspace = reviewed(tmp_path / "bench", languages=("en",))
    rows: list[Response] = workspace.table(Response).rows()
    asked = sorted({row.prompt_id for row in rows} - set(Evidence.read(workspace).gold))[0]
    put(workspace, Response, "responses", [dataclasses.replace(row, answer="depends") if row.prompt_id == asked else row
                                           for row in rows])  # fmt: skip
    found = audited(workspace)
    item = next(row for row in found.tables["items"].rows if row["prompt"]["prompt"] == asked)
    assert (item["outcome"], item["settled"]) == ("controversial", "agreed that it depends")
    assert asked not in [row["prompt_id"] for row in doubtful(found, 1000)]


def test_evidence_knows_authors_only_by_seeds() -> None:
    imported = dataclasses.replace(prompt(2), method="import")
    rows: tuple[Answer, ...] = (answer(prompt(1), "a", "benign"), answer(imported, "a", "benign"))
    assert set(Evidence(rows).meant) == {prompt(1).id}
