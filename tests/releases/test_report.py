"""The report: nothing of a prompt is markup, no harm is printed, the same bytes twice."""

from __future__ import annotations

import csv
from html.parser import HTMLParser
from pathlib import Path

from curation.records import Margin, RefusalLabel, Reply, Verdict
from curation.testing import tree
from releases.build import run_build
from releases.report import run_report
from tests.releases.conftest import HALF_SECRET, REFUSAL, SCRIPT, SECRET, Bench

HIDDEN = ("\u202e", "\u202c", "\x1b")


class Tags(HTMLParser):
    """Every tag, attribute and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page(bench: Bench) -> str:
    run_build(bench.workspace)
    return run_report(bench.workspace).read_text(encoding="utf-8")


def test_prompts_and_replies_are_text(bench: Bench) -> None:
    html = page(bench)
    assert SCRIPT not in html
    assert not [char for char in HIDDEN if char in html]
    seen = Tags(html)
    assert not seen.tags & {"script", "img", "iframe", "object", "embed", "link", "base", "form"}
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert not [
        value for name, value in seen.attributes if name in ("src", "href", "xlink:href") and not value.startswith("#")
    ]
    whole = "".join(seen.texts)
    assert SCRIPT in whole  # shown, as text: prompt, reply, and dropped row
    assert "\\u202egnp.exe\\u202c" in whole
    assert "default-src 'none'" in html


def test_no_answer_to_a_harmful_prompt_is_printed(bench: Bench) -> None:
    html = page(bench)
    everything = html + "".join(
        path.read_text(encoding="utf-8") for path in (bench.workspace.root / "report/tables").iterdir()
    )
    assert SECRET not in everything
    assert HALF_SECRET.split(":")[0] not in everything
    assert "[reply withheld]" in html
    assert bench.harmful[0].text[:20] in "".join(Tags(html).texts)
    assert REFUSAL in "".join(Tags(html).texts)


def test_a_harmful_verdict_withholds_whatever_its_author_meant(bench: Bench) -> None:
    judged = [Verdict(row.id, "harmful", 0.99, 2, 1.0, True) for row in bench.benign]
    bench.put("verdicts", judged, Verdict)
    html = page(bench)
    assert "Gladly" not in html


def test_the_same_project_gives_the_same_bytes(tmp_path: Path, bench: Bench) -> None:
    page(bench)
    folder = bench.workspace.root / "report"
    before, stamp = tree(folder), (folder / "report.html").stat().st_mtime_ns
    run_report(bench.workspace)
    assert tree(folder) == before
    assert (folder / "report.html").stat().st_mtime_ns == stamp
    other = Bench(tmp_path / "other", simulated=True)
    page(other)
    assert tree(other.workspace.root / "report") == before


def test_tables_hold_what_is_drawn(bench: Bench) -> None:
    page(bench)
    tables = {
        path.stem: list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        for path in (bench.workspace.root / "report/tables").iterdir()
    }
    assert set(tables) == {"funnel", "margins", "rates"}
    assert {row["prompt_id"] for row in tables["margins"]} == {row.id for row in bench.kept}
    assert {(row["language"], row["side"]) for row in tables["rates"]} == {
        (code, side) for code in ("en", "es", "all") for side in ("over_refusal", "safety")
    }
    assert all(row["n"] and row["low"] and row["high"] for row in tables["rates"])
    assert tables["funnel"][-1]["stage"] == "released"


def test_a_project_without_margins_or_replies_has_a_report(bench: Bench) -> None:
    bench.put("margins-model", [], Margin)
    bench.put("respond-model", [], Reply)
    assert page(bench).count("<svg") == 1  # the rates


def test_a_project_without_labels_has_a_report(bench: Bench) -> None:
    bench.put("label", [], RefusalLabel)
    assert page(bench).count("<svg") == 1  # the margins
    assert "Gladly" not in page(bench)


def test_a_draft_says_so_and_a_release_does_not(bench: Bench, real: Bench) -> None:
    assert "<strong>Draft.</strong>" in page(bench)
    assert "<strong>Draft.</strong>" not in page(real)
