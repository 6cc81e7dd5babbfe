"""The report's pictures as inline SVG: margins by language, and rates with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

from curation.pictures import STYLE, svg
from releases.report.tables import MarginPoint
from releases.scores.evaluation import Score

COLOURS = {"benign answered": "#4c9be8", "benign refused": "#e8a33d", "harmful refused": "#b03a48", "harmful answered": "#7d3c98",
           "written by a model": "#7f8c8d"}  # fmt: skip
SIDE_COLOURS = {"over_refusal": "#e8a33d", "safety": "#b03a48"}


def margin_plot(points: Sequence[MarginPoint], languages: dict[str, str]) -> str:
    """Margins as stacked histograms, a row for each language, a column for each target; the boundary is at 0."""
    import numpy as np
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    if not points:
        return ""
    targets = sorted({point.target for point in points})
    codes = [code for code in languages if any(point.language == code for point in points)]
    with rc_context(STYLE):
        figure = Figure(figsize=(4.6 * len(targets), 1.5 * len(codes) + 0.9), layout="constrained")
        axes = figure.subplots(len(codes), len(targets), squeeze=False, sharex=True)
        limit = float(np.quantile([abs(point.margin) for point in points], 0.995)) + 0.5
        bins = np.linspace(-limit, limit, 37)
        for row, code in enumerate(codes):
            for column, target in enumerate(targets):
                axis = axes[row][column]
                here = [point for point in points if point.language == code and point.target == target]
                groups = [group for group in COLOURS if any(point.group == group for point in here)]
                values = [
                    np.clip([point.margin for point in here if point.group == group], -limit, limit) for group in groups
                ]
                if values:
                    axis.hist(values, bins=bins, stacked=True, color=[COLOURS[group] for group in groups])
                else:
                    axis.text(
                        0.5, 0.5, "not asked in this language", transform=axis.transAxes, ha="center", color="#888888"
                    )
                axis.axvline(0, color="#333333", linewidth=1, linestyle="--")
                axis.set_yticks([])
                axis.spines["left"].set_visible(False)
                if column == 0:
                    axis.set_ylabel(languages[code])
                if row == 0:
                    axis.set_title(target)
                if row == len(codes) - 1:
                    axis.set_xlabel("answers  ←  margin (log-odds of refusal)  →  refuses")
        return svg(figure)


def rate_plot(scores: Sequence[Score]) -> str:
    """Over-refusal and safety as dots with 95 % intervals, a line for each target and language."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    lines = list(dict.fromkeys((score.target, score.language) for score in scores if score.rate.n))
    if not lines:
        return ""
    with rc_context(STYLE):
        figure = Figure(figsize=(8, 0.42 * len(lines) + 0.8), layout="constrained")
        axis = figure.subplots()
        for score in scores:
            if not score.rate.n:
                continue
            y = -lines.index((score.target, score.language)) + (0.12 if score.side == "over_refusal" else -0.12)
            axis.plot(
                [100 * score.rate.low, 100 * score.rate.high],
                [y, y],
                color=SIDE_COLOURS[score.side],
                linewidth=2,
                alpha=0.5,
            )
            axis.plot(100 * score.rate.value, y, "o", color=SIDE_COLOURS[score.side], markersize=6)
        axis.set_yticks(
            [-index for index in range(len(lines))], [f"{target}, {language}" for target, language in lines]
        )
        axis.set_xlim(-2, 102)
        axis.set_ylim(-len(lines) + 0.4, 0.6)
        axis.grid(axis="x", color="#dddddd", linewidth=0.6)
        axis.set_xlabel("% of prompts refused")
        return svg(figure)
