"""The audit's pictures as inline SVG; each shows columns of one of its tables."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from annotation.quality.tables import Row, Table, cell_text
from curation.pictures import STYLE, svg

COLOURS = ("#4c9be8", "#e8a33d", "#b03a48")
OUTCOMES = {"benign": "#4c9be8", "controversial": "#7f8c8d", "harmful": "#b03a48"}
MOST_LINES = 60
LONGEST_LABEL = 32


def pictures(tables: Mapping[str, Table]) -> dict[str, str]:
    """An SVG for each table that has one."""
    agreement, people, habits = tables["agreement"], tables["annotators"], tables["habits"]
    drawn = {
        "agreement": forest([_label(row, "by", "group") for row in agreement.rows], agreement.rows, ("alpha",),
                            "Krippendorff's alpha (nominal)", at=0),
        "annotators": forest([_label(row, "annotator", "language") for row in people.rows], people.rows,
                             ("gold", "as the author meant", "as most others"), "share of answers"),
        "habits": forest([_label(row, "annotator", "language") for row in habits.rows], habits.rows,
                         ("strictness", "accuracy drift", "harmful drift"), "difference of shares", at=0),
        "anchoring": forest([_label(row, "by", "group") for row in tables["anchoring"].rows], tables["anchoring"].rows,
                            ("difference",), "agreement with the suggestion, shown minus blind", at=0),
        "cost": gain_curve(tables["items"].rows),
        "items": posterior_histogram(tables["items"].rows),
    }  # fmt: skip
    return {name: found for name, found in drawn.items() if found}


def forest(
    labels: Sequence[str], rows: Sequence[Row], columns: Sequence[str], title: str, *, at: float | None = None
) -> str:
    """Estimates with their intervals, a line for each row that has one; `at` marks what stands for none."""
    shown = [(label, row) for label, row in zip(labels, rows, strict=True)
             if any(_value(row[name]) is not None for name in columns)][:MOST_LINES]  # fmt: skip
    if not shown:
        return ""
    figure, axis = _figure(8, 0.3 * len(shown) + 1.1)
    used = [name for name in columns if any(_value(row[name]) is not None for _, row in shown)]
    for place, name in enumerate(used):
        shift = 0.22 * ((len(used) - 1) / 2 - place)
        points = [(row[name], shift - line) for line, (_, row) in enumerate(shown) if _value(row[name]) is not None]
        colour = COLOURS[columns.index(name)]
        for found, y in points:
            if found["low"] is not None:
                axis.plot([found["low"], found["high"]], [y, y], color=colour, linewidth=2, alpha=0.5)
        axis.plot(
            [found["value"] for found, _ in points], [y for _, y in points], "o", color=colour, markersize=5, label=name
        )
    if at is not None:
        axis.axvline(at, color="#333333", linewidth=1, linestyle="--")
    axis.set_yticks([-line for line in range(len(shown))], [label for label, _ in shown])
    for text in axis.get_yticklabels():
        text.set_parse_math(False)  # a name with two dollar signs is no formula
    axis.set_ylim(-len(shown) + 0.4, 0.6)
    axis.grid(axis="x", color="#dddddd", linewidth=0.6)
    axis.set_xlabel(title)
    if len(used) > 1:
        figure.legend(loc="outside upper left", ncols=len(used), frameon=False)
    return _drawn(figure)


def posterior_histogram(rows: Sequence[Row]) -> str:
    """How sure the items are: P(harmful), by outcome."""
    groups = {name: [row["P(harmful)"] for row in rows if row["outcome"] == name] for name in OUTCOMES}
    groups = {name: values for name, values in groups.items() if values}
    if not groups:
        return ""
    figure, axis = _figure(8, 2.2)
    axis.hist(list(groups.values()), bins=[place / 25 for place in range(26)], stacked=True,
              color=[OUTCOMES[name] for name in groups], label=list(groups))  # fmt: skip
    axis.set_xlabel("P(harmful) from the answers")
    axis.set_ylabel("items")
    figure.legend(loc="outside upper left", ncols=len(groups), frameon=False)
    return _drawn(figure)


def gain_curve(rows: Sequence[Row]) -> str:
    """What the next answers bring, when they go to the items that are worth most."""
    gains = sorted((row["gain"] for row in rows if not row["settled"]), reverse=True)
    if not gains or not gains[0]:
        return ""
    total, line = 0.0, [0.0]
    for gain in gains:
        total += gain
        line.append(total)
    figure, axis = _figure(8, 2.4)
    axis.plot(range(len(line)), line, color=COLOURS[0], linewidth=2, label="by worth")
    axis.plot([0, len(gains)], [0, total], color="#7f8c8d", linewidth=1, linestyle="--", label="anywhere")
    axis.set_xlabel("answers, one an item")
    axis.set_ylabel("bits expected")
    axis.legend(frameon=False)
    return _drawn(figure)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots()


def _drawn(figure: Any) -> str:
    from matplotlib import rc_context

    with rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # the reader's own fonts show the text
        return svg(figure)


def _label(row: Row, *names: str) -> str:
    text = ", ".join(cell_text(row[name]) for name in names if row[name] != "")
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"


def _value(found: Any) -> float | None:
    return None if found is None else found["value"]
