"""A small project with a triage, and a fake Argilla."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from annotation.accounts import ensure_accounts
from annotation.client import Client
from annotation.testing import FakeArgilla
from curation.records import Prompt, Triage, make_prompt
from curation.storage import file_digest
from curation.tables import Manifest, write_shard
from curation.workspace import Workspace

HOSTILE = (
    '<img src=x onerror="window.broken=1"><b onclick=alert(1)>bold</b><script>window.broken=1</script>',
    "a\x00b\x1b[31mred\x07 \u202eevil\u202c \u200bhidden\ufeff \U000e0041tag",
    "x" * 100_000,
)


def put(workspace: Workspace, kind: type, step: str, rows: Sequence[Any]) -> None:
    """Write rows as the named step would have."""
    table = workspace.table(kind)
    path = table.shard_path(step)
    write_shard(path, kind, rows)
    Manifest(step, 1, {}, ((path.name, file_digest(path), len(rows)),)).write(table.folder)


def choose(workspace: Workspace, prompts: Sequence[Prompt], batch: str = "b001") -> None:
    """A triage that sends these prompts to people."""
    put(
        workspace,
        Triage,
        "triage",
        [Triage(row.id, "decide", 1.0, f"{row.language}-{batch}", "test") for row in prompts],
    )


def project(root: Path, languages: tuple[str, ...] = ("en", "ar"), count: int = 6) -> Workspace:
    """A project with `count` prompts a language, hostile ones among the English, all sent to people."""
    workspace = Workspace.create(root, languages)
    prompts: list[Prompt] = []
    for language in languages:
        pack = workspace.packs[language]
        odd = [make_prompt(text, language, category="fiction", intent="unknown", method="mutation")
               for text in (HOSTILE if language == "en" else ())]  # fmt: skip
        harmful = list(pack.harmful[: count // 3])
        prompts += [*odd, *harmful, *pack.benign[: count - len(odd) - len(harmful)]]
    put(workspace, Prompt, "seeds", prompts)
    choose(workspace, prompts)
    return workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Two languages, six prompts each."""
    return project(tmp_path / "bench")


@pytest.fixture
def fake() -> FakeArgilla:
    """An Argilla in memory."""
    return FakeArgilla()


@pytest.fixture
def client(fake: FakeArgilla) -> Iterator[Client]:
    """A client of the fake, as if it were the project's own server."""
    with fake.client(server="embedded") as found:
        yield found


@pytest.fixture
def pushed(workspace: Workspace, client: Client) -> Workspace:
    """The project after its first push."""
    from annotation.batches import push_batches

    ensure_accounts(workspace, client)
    push_batches(workspace, client)
    return workspace
