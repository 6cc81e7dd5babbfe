"""How pictures in reports are drawn: one style, and SVG that stands inside a page and is the same in every run."""

from __future__ import annotations

import io
from typing import Any

STYLE: Any = {"svg.hashsalt": "morbench", "svg.fonttype": "none", "font.size": 9, "font.family": "sans-serif", "axes.spines.top": False,
              "axes.spines.right": False, "axes.edgecolor": "#999999", "figure.facecolor": "none", "axes.facecolor": "none"}  # fmt: skip


def svg(figure: Any) -> str:
    """A matplotlib figure as an SVG element, without a date or a name of the program in it."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
