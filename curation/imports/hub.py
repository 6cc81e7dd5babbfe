"""Data sets on the hub. Nothing here runs, and nothing is fetched, unless the user names one."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from curation.errors import InputError

PREFIX = "hf://datasets/"
_ADDRESS = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>[\w.-]+))?(/(?P<file>[^/][^\0]*))?"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Dataset:
    """One file of a data set on the hub, or its rows as the `datasets` library gives them."""

    name: str  # owner/name
    file: str = ""
    revision: str = ""
    config: str = ""
    split: str = "train"

    @classmethod
    def parse(cls, given: str, config: str = "", split: str = "train") -> Dataset:
        """hf://datasets/OWNER/NAME[@REVISION][/FILE], or OWNER/NAME."""
        match = _ADDRESS.fullmatch(given.removeprefix(PREFIX))
        if match is None or ".." in given:
            raise InputError(
                f"{given[:100]!r} is no data set on the hub", fix=f"write {PREFIX}OWNER/NAME or {PREFIX}OWNER/NAME/FILE"
            )
        return cls(match["name"], match["file"] or "", match["revision"] or "", config, split)

    @property
    def address(self) -> str:
        """As it is shown and kept with the rows."""
        return self.name + (f"@{self.revision}" if self.revision else "") + (f"/{self.file}" if self.file else "")

    @property
    def match(self) -> str:
        """What patterns of file names look at: a set's parts are configs on the hub."""
        return f"{self.name}/{self.file or self.config}"


def fetch(dataset: Dataset) -> Path:
    """Fetch one file into the hub's own cache."""
    with _told(dataset):
        from huggingface_hub import hf_hub_download

        revision = dataset.revision or None
        return Path(hf_hub_download(dataset.name, dataset.file, repo_type="dataset", revision=revision))


def rows(dataset: Dataset) -> Iterator[dict[str, Any]]:
    """Every row, as it comes over the network."""
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    with _told(dataset, DatasetsError):
        found = load_dataset(dataset.name, dataset.config or None, split=dataset.split, streaming=True,
                             revision=dataset.revision or None)  # fmt: skip
        yield from found


def columns(dataset: Dataset) -> list[str] | None:
    """The columns of the first row."""
    first = next(rows(dataset), None)
    return None if first is None else list(first)


@contextlib.contextmanager
def _told(dataset: Dataset, *also: type[Exception]) -> Iterator[None]:
    """One line for whatever the hub or the network says."""
    import httpx

    known: tuple[type[Exception], ...] = (OSError, ValueError, httpx.HTTPError, *also)
    try:
        yield
    except known as exc:  # not found, gated, no such split, no network
        said = " ".join(str(exc).split())[:200] or type(exc).__name__
        raise InputError(f"cannot read {dataset.address} from the hub: {said}",
                         fix="check name, --config and --split and the network; a gated set needs `hf auth login`") from exc  # fmt: skip
