"""The command line: quick help, and one line with exit code 2 for a mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from curation.config import config_text
from curation.testing import tree
from curation.workspace import Workspace
from releases import cli
from releases.build import run_build
from releases.cli import COMMANDS
from tests.releases.conftest import Bench

HEAVY = {"torch", "transformers", "argilla", "datasets", "sentence_transformers", "matplotlib", "pyarrow", "scipy"}


def call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> tuple[int, str, str]:
    """Run the command line in this process: exit code, output, errors."""
    monkeypatch.setattr(sys, "argv", ["morbench", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    shown = capsys.readouterr()
    return int(stopped.value.code or 0), shown.out, shown.err


@pytest.fixture
def morbench(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    return lambda *arguments: call(capsys, monkeypatch, *arguments)


def one_line(result: tuple[int, str, str]) -> str:
    code, _, err = result
    assert code == 2, err
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    assert "Traceback" not in err
    return err


def test_help_lists_every_command_and_imports_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-X", "importtime", "-m", "releases.cli", "--help"], capture_output=True, text=True, check=False,
                          cwd=Path(__file__).parents[2])  # fmt: skip
    assert done.returncode == 0
    listed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("│ ") and len(line.split()) > 2}
    assert set(COMMANDS) <= listed
    imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "typer" in imported
    assert not imported & HEAVY


def test_help_of_every_command_imports_nothing_heavy_and_shows_an_example() -> None:
    program = (
        "import json, sys\nfrom releases.cli import COMMANDS, load_command\n"
        "helps = {name: load_command(name).help for name in COMMANDS}\n"
        "print(json.dumps([helps, sorted(module for module in sys.modules if '.' not in module)]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    helps, modules = json.loads(done.stdout)
    assert not set(modules) & HEAVY
    assert [name for name, text in helps.items() if "Example" not in (text or "")] == []


def test_the_installed_entry_point_is_main() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert 'morbench = "releases.cli:main"' in text


def test_init_makes_a_project_and_never_touches_one(tmp_path: Path, morbench) -> None:  # type: ignore[no-untyped-def]
    assert morbench("init", tmp_path / "demo", "--languages", "en, es")[0] == 0
    assert (tmp_path / "demo/morbench.toml").read_text(encoding="utf-8") == config_text("demo", ("en", "es"))
    before = tree(tmp_path / "demo")
    assert "exists already" in one_line(morbench("init", tmp_path / "demo"))
    assert tree(tmp_path / "demo") == before


def test_init_with_an_unknown_language_makes_nothing(tmp_path: Path, morbench) -> None:  # type: ignore[no-untyped-def]
    assert "tlh" in one_line(morbench("init", tmp_path / "demo", "--languages", "en,tlh"))
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    "command",
    [
        "run",
        "status",
        "generate",
        "respond",
        "probe",
        "identify",
        "dedup",
        "label",
        "triage",
        "verdicts",
        "score",
        "report",
    ],
)
def test_no_project_is_one_line(tmp_path: Path, morbench, command: str) -> None:  # type: ignore[no-untyped-def]
    assert "morbench init" in one_line(morbench(command, "--project", tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("old", "new", "word"), [
    ("harmful = 30", "harmfull = 30", "did you mean 'harmful'?"),
    ('languages = ["en"]', 'languages = ["en", "tlh"]', "no language pack 'tlh'"),
    ('languages = ["en"]', "languages = [", "not valid TOML"),
    ("seed = 7", 'seed = "\\u001b[2J"', "project.seed"),
    ("seed = 7", 'seed = "\x1b[2J"', "not valid TOML"),
    ("[queue]", "[queues]", "unknown key 'queues'"),
])  # fmt: skip
def test_mistakes_in_the_settings_are_one_line(tmp_path: Path, morbench, old: str, new: str, word: str) -> None:  # type: ignore[no-untyped-def]
    Workspace.create(tmp_path / "demo", ("en",))
    path = tmp_path / "demo/morbench.toml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    err = one_line(morbench("status", "-p", tmp_path / "demo"))
    assert "morbench.toml" in err
    assert word in err
    assert "\x1b" not in err


def test_a_real_process_exits_with_2_and_one_line(tmp_path: Path) -> None:
    Workspace.create(tmp_path / "demo", ("en",))
    with (tmp_path / "demo/morbench.toml").open("a", encoding="utf-8") as file:
        file.write("\n[oops]\n")
    done = subprocess.run([sys.executable, "-m", "releases.cli", "run", "-p", str(tmp_path / "demo")], capture_output=True, text=True,
                          check=False, cwd=Path(__file__).parents[2])  # fmt: skip
    assert done.stdout == ""
    one_line((done.returncode, done.stdout, done.stderr))


@pytest.mark.parametrize(
    "arguments", [["run", "--simulate"], ["generate"], ["label"], ["release", "build"], ["report"]]
)
def test_a_second_command_in_a_locked_project_is_one_line(bench: Bench, morbench, arguments: list[str]) -> None:  # type: ignore[no-untyped-def]
    program = "import sys\nfrom filelock import FileLock\nlock = FileLock(sys.argv[1])\nlock.acquire()\nprint('held', flush=True)\nsys.stdin.read()\n"
    root = bench.workspace.root
    with subprocess.Popen(
        [sys.executable, "-c", program, str(root / ".lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        before = tree(root)
        assert "another morbench command" in one_line(morbench(*arguments, "-p", root))
        assert tree(root) == before
        holder.kill()  # the lock goes with its process
    assert morbench("release", "build", "-p", root)[0] == 0


def test_an_unknown_command_is_exit_2(morbench) -> None:  # type: ignore[no-untyped-def]
    code, _, err = morbench("frobnicate")
    assert code == 2
    assert "frobnicate" in err
    assert "'status'" in morbench("statu")[2]
    assert "Traceback" not in err


def test_a_version_that_is_not_built_is_one_line_that_says_how(tmp_path: Path, morbench) -> None:  # type: ignore[no-untyped-def]
    Workspace.create(tmp_path / "demo", ("en",))
    for command in ("score", "report"):
        assert "morbench release build" in one_line(morbench(command, "-p", tmp_path / "demo"))
    assert "next: morbench run" in morbench("status", "-p", tmp_path / "demo")[1]


def test_a_file_that_may_not_be_touched_is_one_line(tmp_path: Path, morbench, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    Workspace.create(tmp_path / "demo", ("en",))

    def denied(self: Workspace) -> None:
        raise PermissionError(13, "Permission denied", str(self.root / ".lock"))

    monkeypatch.setattr(Workspace, "locked", denied)
    assert ".lock: Permission denied" in one_line(morbench("label", "-p", tmp_path / "demo"))


def test_release_score_report_and_status(bench: Bench, morbench) -> None:  # type: ignore[no-untyped-def]
    root = bench.workspace.root
    assert json.loads(morbench("release", "build", "-p", root, "--json")[1])["draft"] is True
    assert "people_only" in morbench("release", "build", "-p", root)[1]
    assert morbench("release", "verify", root / "releases/0.1.0")[0] == 0
    scores = json.loads(morbench("score", "-p", root, "--json")[1])
    assert {(row["language"], row["side"]) for row in scores} == {
        (code, side) for code in ("en", "es", "all") for side in ("over_refusal", "safety")
    }
    assert morbench("report", "-p", root)[1].strip() == str(root / "report/report.html")
    assert json.loads(morbench("report", "-p", root, "--json")[1]) == {"report": str(root / "report/report.html")}
    code, out, _ = morbench("status", "-p", root)
    assert code == 0
    assert "draft" in out
    shown = json.loads(morbench("status", "-p", root, "--json")[1])
    assert shown["funnel"][-1]["stage"] == "released"


def test_a_damaged_version_does_not_verify(bench: Bench, morbench) -> None:  # type: ignore[no-untyped-def]
    folder = run_build(bench.workspace).folder
    with (folder / "data/test.parquet").open("ab") as file:
        file.write(b"x")
    assert "digest differs" in one_line(morbench("release", "verify", folder))
    code, out, err = morbench("release", "verify", folder, "--json")
    assert json.loads(out)["problems"] == ["data/test.parquet: digest differs from the manifest"]
    one_line((code, out, err))


def test_score_of_a_folder_needs_a_target(bench: Bench, morbench) -> None:  # type: ignore[no-untyped-def]
    folder = run_build(bench.workspace).folder
    assert "--target" in one_line(morbench("score", folder))
