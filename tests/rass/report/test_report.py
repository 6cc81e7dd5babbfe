"""The probe report: every picture comes from its table, nothing hostile gets through, the same study gives the same bytes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from curation.errors import InputError
from curation.records import Prompt, make_prompt
from rass.activations import Activations
from rass.boundary import candidate_layers, fit_to_states
from rass.report.pictures import PICTURES, redraw
from rass.report.running import write_report
from rass.report.study import Study, make_study
from rass.report.tables import read_table

DEPTH, WIDTH = 6, 10
KINDS = ("harmful", "harmless", "benign")
STRENGTH = {"harmful": 2.0, "harmless": -2.0, "benign": 0.0}


def seeds(each: int = 12) -> list[Prompt]:
    found = []
    for language in ("en", "zz"):
        for kind in KINDS:
            for number in range(each):
                found.append(make_prompt(f"{kind} {number} {language} <script>", language, method="seed",
                                         category="harmless" if kind == "harmless" else "fraud" if kind == "harmful" else "homonyms",
                                         intent="harmful" if kind == "harmful" else "benign"))  # fmt: skip
    return found


@pytest.fixture(scope="module")
def study() -> Study:
    prompts = seeds()
    random = np.random.default_rng(3)
    strength = np.array([STRENGTH[row.text.split()[0]] for row in prompts])
    hidden = {layer: (random.normal(size=(len(prompts), WIDTH)) + strength[:, None]).astype("float32")
              for layer in candidate_layers(DEPTH)}  # fmt: skip
    refused = strength + random.normal(size=len(prompts)) > 0
    seen = Activations(hidden, strength + random.normal(size=len(prompts)))
    return make_study("tiny", "0" * 16, prompts, refused.tolist(), seen, [1], seed=7)


@pytest.fixture
def folder(tmp_path: Path, study: Study) -> Path:
    seen = Activations(study.hidden, np.zeros(len(study.prompts)))
    boundary = fit_to_states("tiny", "0" * 16, study.prompts, study.refused.tolist(), seen, [1], seed=7)
    write_report(tmp_path / "report", study, boundary)
    return tmp_path / "report"


def test_pictures_are_drawn_from_the_tables_alone(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.glob("*.svg")}
    assert set(before) == {f"{name}.svg" for name in PICTURES}
    for path in folder.glob("*.svg"):
        path.unlink()
    redraw(folder)
    assert {path.name: path.read_bytes() for path in folder.glob("*.svg")} == before
    rows = read_table(folder / "map.csv")
    rows[0]["pca_1"] = "1000"
    with (folder / "map.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    redraw(folder)
    assert (folder / "pca.svg").read_bytes() != before["pca.svg"]
    assert (folder / "tsne.svg").read_bytes() == before["tsne.svg"]


def test_tables_hold_every_language_and_prompt(folder: Path, study: Study) -> None:
    tables = {path.stem: read_table(path) for path in folder.glob("*.csv")}
    assert {row["id"] for row in tables["map"]} == {row.id for row in study.prompts}
    assert {row["language"] for row in tables["metrics"]} == {"all", "en", "zz"}
    assert {(row["train"], row["test"]) for row in tables["transfer"]} == {
        (a, b) for a in ("en", "zz") for b in ("en", "zz")
    }
    same = [float(row["cosine"]) for row in tables["cosines"] if row["one"] == row["other"]]
    assert same == pytest.approx([1.0, 1.0])
    whole = next(row for row in tables["metrics"] if (row["metric"], row["language"]) == ("AUROC", "all"))
    assert float(whole["low"]) <= float(whole["value"]) <= float(whole["high"])
    assert float(whole["value"]) > 0.9


def test_the_page_runs_nothing_and_names_no_prompt(folder: Path) -> None:
    page = (folder / "probe.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert "http://" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )


def test_held_out_margins_are_worse_than_seen_ones_would_be_and_order_free(study: Study) -> None:
    assert np.isfinite(study.margin).all()
    assert np.isfinite(study.harm).all()


def test_a_folder_without_tables_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no projections\.csv"):
        redraw(tmp_path)
