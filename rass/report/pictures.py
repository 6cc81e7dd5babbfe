"""Pictures of a probe report, each drawn from a table's file and from nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from curation.errors import InputError
from curation.pictures import STYLE, svg
from curation.storage import write_text
from rass.report.tables import read_table

COLOURS = {"harmless": "#4c9be8", "benign": "#e8a33d", "harmful": "#b03a48"}
KINDS = ("harmless", "benign", "harmful")

Cells = list[dict[str, str]]


def redraw(folder: Path) -> list[Path]:
    """Draw every picture again from the tables in `folder`; returns the files written."""
    from matplotlib import rc_context

    written = []
    for name, (needed, draw) in PICTURES.items():
        paths = [folder / f"{table}.csv" for table in needed]
        missing = [path.name for path in paths if not path.exists()]
        if missing:
            raise InputError(f"{folder} has no {missing[0]}", fix="give the folder of a probe report")
        tables = [read_table(path) for path in paths]
        with rc_context(STYLE):
            text = svg(draw(*tables))
        path = folder / f"{name}.svg"
        write_text(path, text)
        written.append(path)
    return written


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _projections(rows: Cells) -> Any:
    """Median and quartiles of the projection by layer, a panel for each language."""
    codes = sorted({row["language"] for row in rows})
    columns = min(4, len(codes))
    lines = -(-len(codes) // columns)
    figure = _figure(2.6 * columns, 1.9 * lines + 0.4)
    axes = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    for index, axis in enumerate(axes.flat):
        if index >= len(codes):
            axis.set_visible(False)
            continue
        for kind in KINDS:
            here = [row for row in rows if row["language"] == codes[index] and row["kind"] == kind]
            layers = [int(row["layer"]) for row in here]
            axis.plot(layers, [float(row["median"]) for row in here], color=COLOURS[kind], label=kind)
            axis.fill_between(layers, [float(row["low"]) for row in here], [float(row["high"]) for row in here],
                              color=COLOURS[kind], alpha=0.2, linewidth=0)  # fmt: skip
        axis.axhline(0, color="#999999", linewidth=0.8)
        axis.set_title(codes[index])
    axes[0][0].legend(frameon=False)
    figure.supxlabel("layer")
    figure.supylabel("projection")
    return figure


def _scatter(rows: Cells, first: str, second: str, line: Cells) -> Any:
    figure = _figure(6.4, 4.8)
    axis = figure.subplots()
    for kind in KINDS:
        for refused, marker in (("0", "o"), ("1", "x")):
            here = [row for row in rows if row["kind"] == kind and row["refused"] == refused]
            axis.scatter([float(row[first]) for row in here], [float(row[second]) for row in here], s=12, marker=marker,
                         color=COLOURS[kind], alpha=0.7, linewidths=1, label=f"{kind}, {'refused' if refused == '1' else 'answered'}")  # fmt: skip
    if line:
        limits = axis.get_xlim(), axis.get_ylim()
        axis.plot([float(row[first]) for row in line], [float(row[second]) for row in line], color="#333333", linestyle="--",
                  label="P(refuses) = 1/2 in this plane")  # fmt: skip
        axis.set_xlim(limits[0])
        axis.set_ylim(limits[1])
    axis.set_xticks([])
    axis.set_yticks([])
    axis.legend(frameon=False, fontsize=7)
    return figure


def _pca(rows: Cells, line: Cells) -> Any:
    return _scatter(rows, "pca_1", "pca_2", line)


def _tsne(rows: Cells) -> Any:
    return _scatter(rows, "tsne_1", "tsne_2", [])


def _reliability(rows: Cells) -> Any:
    """Observed refusal rate against predicted probability; the diagonal is perfect calibration."""
    figure = _figure(4.2, 4.0)
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color="#999999", linewidth=0.8)
    for name, colour in zip(sorted({row["prompts"] for row in rows}), ("#e8a33d", "#4c9be8"), strict=False):
        here = [row for row in rows if row["prompts"] == name]
        axis.plot(
            [float(row["mean_probability"]) for row in here],
            [float(row["rate"]) for row in here],
            color=colour,
            label=name,
        )
        axis.scatter([float(row["mean_probability"]) for row in here], [float(row["rate"]) for row in here],
                     s=[4 + float(row["n"]) for row in here], color=colour, alpha=0.6)  # fmt: skip
    axis.set_xlabel("predicted P(refuses)")
    axis.set_ylabel("refused (area: prompts)")
    axis.legend(frameon=False)
    return figure


def _matrix(rows: Cells, first: str, second: str, value: str, low: float) -> Any:
    import numpy as np

    names = sorted({row[first] for row in rows})
    others = sorted({row[second] for row in rows})
    grid = np.full((len(names), len(others)), np.nan)
    for row in rows:
        grid[names.index(row[first]), others.index(row[second])] = float(row[value])
    figure = _figure(0.42 * len(others) + 1.8, 0.36 * len(names) + 1.2)
    axis = figure.subplots()
    axis.imshow(grid, cmap="viridis", vmin=low, vmax=1, aspect="auto")
    axis.set_xticks(range(len(others)), others)
    axis.set_yticks(range(len(names)), names)
    for (y, x), cell in np.ndenumerate(grid):
        if not np.isnan(cell):
            axis.text(x, y, f"{cell:.2f}".removeprefix("0"), ha="center", va="center", fontsize=7,
                      color="white" if cell < (1 + low) / 2 else "black")  # fmt: skip
    axis.set_xlabel(second)
    axis.set_ylabel(first)
    return figure


def _cosines(rows: Cells) -> Any:
    return _matrix(rows, "one", "other", "cosine", 0.0)


def _transfer(rows: Cells) -> Any:
    return _matrix(rows, "train", "test", "value", 0.5)


# picture -> the tables it is drawn from, and how
PICTURES: dict[str, tuple[tuple[str, ...], Callable[..., Any]]] = {
    "projections": (("projections",), _projections),
    "pca": (("map", "line"), _pca),
    "tsne": (("map",), _tsne),
    "reliability": (("reliability",), _reliability),
    "cosines": (("cosines",), _cosines),
    "transfer": (("transfer",), _transfer),
}
