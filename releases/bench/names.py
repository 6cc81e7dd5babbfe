"""The benches by name: parts that each give rows and notes, so that one part can be measured again alone."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from releases.bench.rows import BenchRow

Measured = tuple[list[BenchRow], list[str]]


class Order(NamedTuple):
    """What a bench is told."""

    data: Path | None  # folder of public sets
    languages: tuple[str, ...]
    results: Path  # folder for files beside the rows


def _recipe(order: Order) -> Measured:
    from releases.bench.main_job import recipe_rows

    return recipe_rows(",".join(order.languages)), []


def _boundary(order: Order) -> Measured:
    from releases.bench.boundary import boundary_rows

    if order.data is None:
        return [], ["The boundary was not measured: it needs the public sets."]
    return boundary_rows(order.data), []


def _yields(order: Order) -> Measured:
    from releases.bench.yields import bench_yields

    return bench_yields(order.results, order.languages, order.data), []


def _of(module: str, function: str) -> Callable[[Order], Measured]:
    """A part whose function takes nothing and returns rows."""
    return lambda _order: (getattr(importlib.import_module(module), function)(), [])


def _on_data(module: str, function: str) -> Callable[[Order], Measured]:
    """A part whose function takes the folder of public sets."""
    return lambda order: getattr(importlib.import_module(module), function)(order.data)


# bench -> part -> what measures it
BENCHES: dict[str, dict[str, Callable[[Order], Measured]]] = {
    "main": {"recipe": _recipe, "models": _on_data("releases.bench.main_job", "bench_models")},
    "rass": {
        "boundary": _boundary,
        "yields": _yields,
        "inside": _of("releases.bench.inside", "inside_rows"),
        "memory": _of("releases.bench.memory", "memory_rows"),
    },
    "sorting": {
        "languages": _on_data("releases.bench.languages", "bench_languages"),
        "labels": _on_data("releases.bench.labels", "bench_labels"),
    },
    "annotate": {
        "people": _on_data("releases.bench.people", "bench_people"),
        "server": lambda _order: importlib.import_module("releases.bench.server").bench_server(),
    },
}
