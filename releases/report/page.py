"""The page itself: Jinja2 with autoescape, so that no text of a prompt or reply can become markup."""

from __future__ import annotations

from pathlib import Path

from curation.console import visible
from releases.report.plots import COLOURS, SIDE_COLOURS, margin_plot, rate_plot
from releases.report.tables import ReportData
from releases.scores.evaluation import score_table


def render(data: ReportData) -> str:
    """The whole report as one HTML document without scripts or anything from elsewhere."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = lambda text: visible(text)[:600]
    languages = list(data.languages)
    largest = max((row.total for row in data.funnel), default=1)
    return environment.get_template("page.html").render(
        data=data, languages=languages, largest=largest, score_rows=score_table(data.scores),
        margin_svg=Markup(margin_plot(data.margins, data.languages)),  # noqa: S704 - our own SVG; its only texts are names checked by the config
        rate_svg=Markup(rate_plot(data.scores)),  # noqa: S704
        margin_colours=COLOURS, side_colours=SIDE_COLOURS,
    )  # fmt: skip
