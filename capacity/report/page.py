"""The report as one self-contained HTML page, which also prints on A4. Loads nothing from outside."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from capacity.report.charts import draw
from capacity.report.language import Language
from capacity.report.values import (
    Block,
    Bullets,
    Chart,
    Day,
    Heading,
    Number,
    Paragraph,
    Product,
    Report,
    Say,
    Subheading,
    Table,
    Value,
)


def render(report: Report, language: Language) -> str:
    """The whole page. BadInput when a translation is missing."""
    folder = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def text(value: Value | Product) -> str:
        return language.text(value.value if isinstance(value, Product) else value)

    def svg(chart: Chart) -> Markup:
        return Markup(draw(chart.figure, language, text(chart.alternative), chart.anchor))  # noqa: S704 - escaped there

    environment.filters["t"] = text
    environment.filters["svg"] = svg
    environment.filters["number"] = Number
    environment.tests |= {
        "heading": lambda b: isinstance(b, Heading),
        "subheading": lambda b: isinstance(b, Subheading),
        "paragraph": lambda b: isinstance(b, Paragraph),
        "bullets": lambda b: isinstance(b, Bullets),
        "table": lambda b: isinstance(b, Table),
        "short": lambda v: isinstance(v, Day) or (isinstance(v, Say) and v.key == "word.phase_n"),
        "chart": lambda b: isinstance(b, Chart),
    }
    return environment.get_template("page.html.j2").render(
        report=report,
        lang=language.code,
        say=language.say,
        style=Markup((folder / "page.css").read_text(encoding="utf-8")),  # noqa: S704 - our own style sheet
        headings=[b for b in report.blocks if isinstance(b, Heading)],
        numbers=_numbers(report.blocks),
    )


def _numbers(blocks: tuple[Block, ...]) -> dict[str, int]:
    """Anchor → running number of a table or figure."""
    counts = {Table: 0, Chart: 0}
    numbers = {}
    for block in blocks:
        if isinstance(block, Table | Chart):
            counts[type(block)] += 1
            numbers[block.anchor] = counts[type(block)]
    return numbers
