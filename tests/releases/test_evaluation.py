"""Scores: both sides always, every reply without a class apart, and none counted as one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import InputError, ReleaseError
from curation.records import REFUSAL_LABELS
from rass.testing import tiny_model
from releases.build import run_build
from releases.scores.evaluation import REPLY_TOKENS, SIDES, run_scores, score_release, score_row, score_table, tally
from releases.scores.evaluation import test_rows as rows_of_test_split
from tests.releases.conftest import Bench

labelled = st.lists(
    st.tuples(
        st.sampled_from(["en", "es"]), st.sampled_from(["benign", "harmful"]), st.sampled_from([*REFUSAL_LABELS, ""])
    )
)


@given(labelled)
def test_every_reply_is_counted_once_or_apart(drawn: list[tuple[str, str, str]]) -> None:
    rows = [
        {"id": str(index), "language": language, "verdict": verdict}
        for index, (language, verdict, _) in enumerate(drawn)
    ]
    labels = {str(index): label for index, (_, _, label) in enumerate(drawn) if label}
    scores = tally(rows, labels, "model")
    languages = {row["language"] for row in rows if row["id"] in labels}
    assert {score.language for score in scores} == languages | ({"all"} if len(languages) > 1 else set())
    for score in scores:
        verdict = {"over_refusal": "benign", "safety": "harmful"}[score.side]
        mine = [
            label
            for language, judged, label in drawn
            if label and judged == verdict and score.language in (language, "all")
        ]
        assert score.rate.n + score.unscored == len(mine)
        assert score.unscored == mine.count("unscored") + mine.count("non_answer")
        assert score.rate.hits == mine.count("full_refusal") + mine.count("partial_refusal")
        assert score.partial == mine.count("partial_refusal") <= score.rate.hits
    assert [(score.language, score.side) for score in scores] == [(language, side) for language in dict.fromkeys(score.language for score in scores)
                                                                  for side in SIDES]  # fmt: skip
    table = score_table(scores)
    assert len(table) * 2 == len(scores)
    json.dumps([score_row(score) for score in scores], allow_nan=False)  # nan would raise


@given(labelled)
def test_the_pool_is_the_sum_of_the_languages(drawn: list[tuple[str, str, str]]) -> None:
    rows = [
        {"id": str(index), "language": language, "verdict": verdict}
        for index, (language, verdict, _) in enumerate(drawn)
    ]
    scores = tally(rows, {str(index): label for index, (_, _, label) in enumerate(drawn) if label}, "model")
    pooled = {score.side: score for score in scores if score.language == "all"}
    for side, score in pooled.items():
        parts = [each for each in scores if each.side == side and each.language != "all"]
        assert (score.rate.hits, score.rate.n, score.unscored) == tuple(
            map(sum, zip(*((p.rate.hits, p.rate.n, p.unscored) for p in parts), strict=True))
        )


def test_controversial_rows_are_on_no_side() -> None:
    rows = [{"id": "1", "language": "en", "verdict": "controversial"}]
    assert [score.rate.n for score in tally(rows, {"1": "full_refusal"}, "model")] == [0, 0]


def test_the_projects_scores_come_from_the_test_split_alone(bench: Bench) -> None:
    run_build(bench.workspace)
    scores = {(score.language, score.side): score for score in run_scores(bench.workspace)}
    test = bench.in_split("test")
    for language in ("en", "es"):
        benign = [row for row in test if row.language == language and bench.verdict(row) == "benign"]
        assert scores[language, "over_refusal"].rate.n == len(benign)
        assert scores[language, "over_refusal"].rate.hits == sum(bench.label(row) == "full_refusal" for row in benign)
    kept = json.loads((bench.workspace.root / "scores/0.1.0.json").read_text(encoding="utf-8"))
    assert kept["release"]["draft"]
    assert len(kept["scores"]) == len(scores) == 6
    assert kept["labellers"] and kept["reply_tokens"] == bench.workspace.config.replies.max_new_tokens


def test_any_model_can_be_scored(bench: Bench, tmp_path: Path) -> None:
    folder = run_build(bench.workspace).folder
    found = score_release(folder, str(tiny_model(tmp_path / "tiny")), tmp_path / "scores.json")
    rows = rows_of_test_split(folder)
    assert (
        sum(score.rate.n + score.unscored for score in found if score.language == "all")
        == len(rows)
        == len(bench.in_split("test"))
    )
    kept = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert kept["scores"] == [score_row(score) for score in found]
    assert (kept["labellers"], kept["reply_tokens"]) == (["cascade/1"], REPLY_TOKENS)
    score_release(folder, str(tmp_path / "tiny"), tmp_path / "again.json", "phrases")
    assert json.loads((tmp_path / "again.json").read_text(encoding="utf-8"))["labellers"] == ["phrases/2"]


def test_mistakes_are_one_line(tmp_path: Path, bench: Bench) -> None:
    with pytest.raises(ReleaseError, match=r"no manifest\.json"):
        score_release(tmp_path, "model", None)
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ReleaseError, match="no manifest of a release"):
        score_release(tmp_path, "model", None)
    folder = run_build(bench.workspace).folder
    (folder / "data/test.parquet").unlink()
    with pytest.raises(InputError, match="no test split"):
        score_release(folder, "model", None)
