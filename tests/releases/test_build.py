"""Versions: the same tables give the same bytes, drafts are drafts, a published version never changes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import ReleaseError
from curation.languages.packs import load_pack
from curation.records import Verdict, make_prompt
from curation.testing import tree
from curation.workspace import Workspace
from rass.writers.mutation import expand
from releases.build import run_build, split_of
from releases.manifest import MANIFEST, read_manifest, verify
from tests.releases.conftest import Bench


def test_built_twice_the_bytes_are_the_same(tmp_path: Path, bench: Bench) -> None:
    folder = run_build(bench.workspace).folder
    before = tree(folder)
    stamps = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    again = run_build(bench.workspace)
    assert tree(folder) == before
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == stamps
    assert [path.name for path in folder.parent.iterdir()] == ["0.1.0"]
    other = Bench(tmp_path / "elsewhere" / "deep", simulated=True)
    assert tree(run_build(other.workspace).folder) == before
    assert str(tmp_path) not in json.dumps(again.manifest)


def test_a_damaged_copy_is_built_again(bench: Bench) -> None:
    folder = run_build(bench.workspace).folder
    before = tree(folder)
    (folder / "data" / "test.parquet").write_bytes(b"damaged")
    assert tree(run_build(bench.workspace).folder) == before


def test_every_prompt_with_a_verdict_is_in_one_split_with_all_that_is_known(bench: Bench) -> None:
    import pyarrow.parquet as pq

    folder = run_build(bench.workspace).folder
    seen: Counter[str] = Counter()
    for path in (folder / "data").glob("*.parquet"):
        rows = pq.read_table(path).to_pylist()
        assert [(row["language"], row["id"]) for row in rows] == sorted((row["language"], row["id"]) for row in rows)
        for row in rows:
            seen[row["id"]] += 1
            prompt = next(each for each in bench.kept if each.id == row["id"])
            assert row["split"] == path.stem
            assert (row["text"], row["verdict"], row["simulated"]) == (prompt.text, bench.verdict(prompt), True)
            label = bench.label(prompt)
            assert row["refused_by"] == (["model"] if label.endswith("refusal") else [])
            assert row["answered_by"] == (["model"] if label == "full_compliance" else [])
            assert json.loads(row["margins"]) == {"model": bench.margin(prompt)[0]}
    assert seen == Counter(row.id for row in bench.kept)
    counts = read_manifest(folder)["rows"]
    assert counts["total"] == len(bench.kept) == sum(counts["by_split"].values()) == sum(counts["by_language"].values())


def test_simulated_answers_make_a_draft_and_say_so(bench: Bench, real: Bench) -> None:
    draft, release = run_build(bench.workspace), run_build(real.workspace)
    assert draft.line().startswith("draft 0.1.0")
    assert "**Draft.**" in (draft.folder / "README.md").read_text(encoding="utf-8")
    assert {gate["name"] for gate in draft.manifest["gates"] if not gate["held"]} == {"people_only"}
    assert release.line().startswith("release 0.1.0")
    assert "**Draft.**" not in (release.folder / "README.md").read_text(encoding="utf-8")


def change_a_verdict(bench: Bench) -> None:
    verdicts = [Verdict(row.id, "controversial", 0.5, 2, 0.5, bench.simulated) for row in bench.kept[:3]]
    bench.put(
        "verdicts",
        verdicts + [Verdict(row.id, bench.verdict(row), 0.9, 2, 1.0, bench.simulated) for row in bench.kept[3:]],
        Verdict,
    )


def test_a_draft_follows_its_tables(bench: Bench) -> None:
    first = run_build(bench.workspace)
    change_a_verdict(bench)
    second = run_build(bench.workspace)
    assert first.manifest["content_sha256"] != second.manifest["content_sha256"]
    assert verify(second.folder) == []
    assert [path.name for path in second.folder.parent.iterdir()] == ["0.1.0"]


def test_a_draft_that_was_half_deleted_is_built_again(bench: Bench) -> None:
    folder = run_build(bench.workspace).folder
    before = tree(folder)
    (folder / MANIFEST).unlink()
    (folder / "data/test.parquet").unlink()
    run_build(bench.workspace)
    assert tree(folder) == before


def test_a_published_version_never_changes(real: Bench) -> None:
    folder = run_build(real.workspace).folder
    before = tree(folder)
    assert run_build(real.workspace).line().startswith("release")
    change_a_verdict(real)
    with pytest.raises(ReleaseError, match="never changes") as found:
        run_build(real.workspace)
    assert "raise release.version" in str(found.value)
    assert tree(folder) == before
    config = real.workspace.root / "morbench.toml"
    config.write_text(config.read_text(encoding="utf-8") + '[release]\nversion = "0.2.0"\n', encoding="utf-8")
    run_build(Workspace.open(real.workspace.root))
    assert tree(folder) == before
    assert sorted(path.name for path in folder.parent.iterdir()) == ["0.1.0", "0.2.0"]


def test_without_verdicts_there_is_no_version(bench: Bench) -> None:
    bench.put("verdicts", [], Verdict)
    with pytest.raises(ReleaseError, match="no prompt has a verdict"):
        run_build(bench.workspace)
    assert not (bench.workspace.root / "releases").exists()


@pytest.mark.parametrize("code", ["en", "es"])
def test_one_frame_stays_in_one_split(code: str) -> None:
    rows = expand(load_pack(code), 7, 10_000)
    splits = defaultdict(set)
    for row in rows:
        splits[json.loads(row.detail)["slots"]["frame"]].add(split_of(row))
    assert all(len(found) == 1 for found in splits.values())
    assert {split for found in splits.values() for split in found} == {"train", "test"}


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_the_split_follows_from_the_frame_alone(frame: str, one: str, other: str) -> None:
    rows = [make_prompt(text, "en", category="fiction", intent="benign", method="mutation", detail={"slots": {"frame": frame, "slot": text}})
            for text in (one, other)]  # fmt: skip
    assert split_of(rows[0]) == split_of(rows[1])


def test_about_a_quarter_is_for_training() -> None:
    rows = [
        make_prompt(f"text {index}", "en", category="fiction", intent="benign", method="seed") for index in range(2000)
    ]
    assert 0.2 < sum(split_of(row) == "train" for row in rows) / len(rows) < 0.3


def test_verify_finds_every_change(bench: Bench) -> None:
    folder = run_build(bench.workspace).folder
    assert verify(folder) == []
    data = (folder / "data/test.parquet").read_bytes()
    (folder / "data/test.parquet").write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    assert verify(folder) == ["data/test.parquet: digest differs from the manifest"]
    (folder / "data/test.parquet").unlink()
    assert verify(folder) == ["data/test.parquet: missing"]
    (folder / "data/test.parquet").write_bytes(data)
    for extra in ("data/extra.parquet", "notes.txt", "data/manifest.json"):
        (folder / extra).write_bytes(b"x")
        assert verify(folder) == [f"{extra}: not listed in the manifest"]
        (folder / extra).unlink()
    card = (folder / "README.md").read_bytes()
    (folder / "README.md").write_bytes(card + b" ")
    assert verify(folder) == ["README.md: digest differs from the manifest"]
    (folder / "README.md").write_bytes(card)
    assert verify(folder) == []


@pytest.mark.parametrize(("key", "value", "problem"), [
    ("content_sha256", "0" * 64, "content_sha256 does not fit"),
    ("rows", {"by_split": {"test": 1, "absent": 2}}, "rows, the manifest says"),
])  # fmt: skip
def test_verify_finds_a_changed_manifest(bench: Bench, key: str, value: object, problem: str) -> None:
    folder = run_build(bench.workspace).folder
    manifest = read_manifest(folder)
    (folder / MANIFEST).write_text(json.dumps({**manifest, key: value}), encoding="utf-8")
    assert problem in "; ".join(verify(folder))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": "0.1.0"}'])
def test_a_broken_manifest_is_one_line(bench: Bench, text: str) -> None:
    folder = run_build(bench.workspace).folder
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    with pytest.raises(ReleaseError, match=r"manifest\.json") as found:
        verify(folder)
    assert "\n" not in str(found.value)


def test_the_folder_loads_with_datasets(tmp_path: Path, bench: Bench) -> None:
    folder = run_build(bench.workspace).folder
    program = (
        "import json, sys, datasets\n"
        "found = datasets.load_dataset(sys.argv[1], cache_dir=sys.argv[2])\n"
        "print(json.dumps({split: sorted(part['id']) for split, part in found.items()}))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(folder), str(tmp_path / "cache")], capture_output=True, text=True, check=False,
                          env={"PATH": "", "HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1", "HOME": str(tmp_path)})  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        split: sorted(row.id for row in bench.in_split(split)) for split in ("test", "train", "controversial")
    }
    assert verify(folder) == []
