"""Rows on people's answers: judged against their bars; left out with a note where data or peer are absent."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from releases.bench import people
from releases.bench.people import (
    CROWDS,
    Crowd,
    bench_people,
    crowd_rows,
    drawn_answers,
    equality_row,
    read_crowd,
    read_prompts,
)


def test_without_data_and_peer_there_are_notes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(people, "crowd_kit", lambda: None)
    assert bench_people(None) == bench_people(tmp_path)
    rows, notes = bench_people(None)
    assert rows == [] and len(notes) == 2


def test_a_bar_is_judged_to_its_digits(tmp_path: Path) -> None:
    raw = [{"item": item, "annotator": name, "label": "1" if item in "abc" else "0", "gold": "1" if item in "ab" else "0"}
           for item in "abcd" for name in "xyz"]  # fmt: skip
    path = tmp_path / "crowd.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in raw), encoding="utf-8")
    answers, gold = read_crowd(path)
    held = {row.what.split(": ")[1]: row for row in crowd_rows(Crowd("C", "", 0.75, 1.0), answers, gold)}
    assert held["Dawid-Skene, accuracy"].value == 0.75 and held["Dawid-Skene, accuracy"].held
    assert held["Krippendorff's alpha"].held and held["majority, accuracy"].held is None
    assert not any(row.held for row in crowd_rows(Crowd("C", "", 0.7501, 0.9999), answers, gold))


def test_drawn_answers_are_distinct() -> None:
    found = drawn_answers(200)
    assert len({row[:2] for row in found}) == len(found) == 200
    assert found == drawn_answers(200)


def test_a_difference_to_the_peer_is_seen() -> None:
    from annotation.quality.models.dawid_skene import dawid_skene
    from annotation.quality.ratings import Ratings

    class Peer:
        off = 0.0

        def fit_predict_proba(self, table: Any) -> Any:
            import pandas as pd

            ratings = Ratings.of(table.itertuples(index=False, name=None))
            return pd.DataFrame(dawid_skene(ratings).posterior + self.off, ratings.items, ratings.labels)

    assert equality_row("x", drawn_answers(100), Peer).held
    Peer.off = 1e-5
    assert equality_row("x", drawn_answers(100), Peer).held is False


def test_prompts_of_a_public_set_are_read_once_each(tmp_path: Path) -> None:
    rows = [{"language": "en", "prompt": text, "label": label, "group": "g"}
            for text, label in (("A", "benign"), ("a ", "benign"), ("b", "benign (contested)"))]  # fmt: skip
    path = tmp_path / "set.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    assert [(row.text, row.seed_id) for row in read_prompts(path, ("en",))] == [("A", "g")]


@pytest.mark.parametrize("crowd", CROWDS, ids=[crowd.name for crowd in CROWDS])
def test_the_bars_of_snow_hold(crowd: Crowd) -> None:
    folder = os.environ.get("MORBENCH_DATA")
    if not folder:
        pytest.skip("set MORBENCH_DATA to the folder of public data")
    rows = crowd_rows(crowd, *read_crowd(Path(folder) / "annotators" / crowd.file))
    assert [row.held for row in rows if row.bar] == [True, True]
