"""The report as one self-contained HTML page, which also prints on A4. Loads nothing from outside."""

from __future__ import annotations

import json
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from capacity.report.charts import draw
from capacity.report.interactive import library, specification
from capacity.report.language import Language
from capacity.report.values import (
    Block,
    Bullets,
    Chart,
    Day,
    Heading,
    Linked,
    Number,
    Paragraph,
    Product,
    Report,
    Say,
    Signatures,
    Subheading,
    Subtotal,
    Table,
    Value,
)
from capacity.report.values import Live as LiveCell

FOLDER = Path(__file__).parent


def render(report: Report, language: Language, interactive: bool = False) -> str:
    """The whole page. `interactive` adds Vega (0.9 MB); without scripts the figures stay SVG. BadInput when a
    translation is missing."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def text(value: Value | LiveCell) -> str:
        words = language.text(value.value if isinstance(value, Product | Subtotal | Linked) else value)
        return words.replace("bit/s", "bit/\u2060s")  # no line ends inside a unit

    def svg(chart: Chart) -> Markup:
        return Markup(draw(chart.figure, language, text(chart.alternative), chart.anchor))  # noqa: S704 - escaped there

    def chart_json(chart: Chart) -> Markup:
        data = json.dumps(specification(chart.figure, language), ensure_ascii=False, separators=(",", ":"))
        return Markup(data.replace("<", "\\u003c"))  # noqa: S704 - no tag can end the script element

    headings = [b for b in report.blocks if isinstance(b, Heading)]
    environment.filters |= {
        "t": text,
        "svg": svg,
        "chart_json": chart_json,
        "number": Number,
        "starts": lambda table: dict(table.groups),
        "shares": _shares,
    }
    environment.tests |= {
        "heading": lambda b: isinstance(b, Heading),
        "second": lambda b: b is headings[1],
        "subheading": lambda b: isinstance(b, Subheading),
        "paragraph": lambda b: isinstance(b, Paragraph),
        "bullets": lambda b: isinstance(b, Bullets),
        "signatures": lambda b: isinstance(b, Signatures),
        "table": lambda b: isinstance(b, Table),
        "short": lambda v: isinstance(v, Day) or (isinstance(v, Say) and v.key == "word.phase_n"),
        "chart": lambda b: isinstance(b, Chart),
    }
    return environment.get_template("page.html.j2").render(
        report=report,
        lang=language.code,
        say=language.say,
        style=_own("page.css"),
        headings=headings,
        numbers=_numbers(report.blocks),
        scripts=interactive,
        library=Markup(library() if interactive else ""),  # noqa: S704 - from the wheel, and it closes no element
        own_script=_own("page.js"),
    )


def _own(name: str) -> Markup:
    return Markup((FOLDER / name).read_text(encoding="utf-8"))  # noqa: S704 - our own file


def _shares(table: Table) -> list[float]:
    """Per cent of the line that each column gets."""
    whole = sum(column.width for column in table.columns)
    return [round(100 * column.width / whole, 1) for column in table.columns]


def _numbers(blocks: tuple[Block, ...]) -> dict[str, int]:
    """Anchor → running number of a table or figure."""
    counts = {Table: 0, Chart: 0}
    numbers = {}
    for block in blocks:
        if isinstance(block, Table | Chart):
            counts[type(block)] += 1
            numbers[block.anchor] = counts[type(block)]
    return numbers
