"""The report's pictures as SVG text: readable in black and white (pattern and label, never colour alone). Pure."""

from __future__ import annotations

import datetime as dt
from html import escape

from capacity.report.language import Language
from capacity.report.values import Bars, Day, Number, Rupiah, Share, TileMap, Timeline, Value

# Light to dark, so that a grey print keeps the order; each also has its own hatching.
FILLS = ("#dbe7f3", "#7fa8d1", "#1f4e79", "#f3d9b1")
_INKS = ("#000", "#000", "#fff", "#000")
_LINE = "#33475b"
FONT = "DejaVu Sans, Verdana, sans-serif"


def draw(figure: TileMap | Timeline | Bars, language: Language, alternative: str, name: str) -> str:
    """The figure as an `<svg>` element with its text alternative inside; `name` keeps its ids apart from others."""
    match figure:
        case TileMap():
            width, height, body = _tile_map(figure, language)
        case Timeline():
            width, height, body = _timeline(figure, language)
        case Bars():
            width, height, body = _bars(figure, language)
    patterns = (
        f'<defs><pattern id="{name}-dots" width="6" height="6" patternUnits="userSpaceOnUse">'
        '<circle cx="1.5" cy="1.5" r="0.9" fill="#33475b"/></pattern></defs>'
    )
    body = body.replace("url(#dots)", f"url(#{name}-dots)")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(alternative, quote=True)}" font-family="{FONT}">{patterns}{body}</svg>'
    )


def _text(
    x: float, y: float, text: str, size: float = 10, anchor: str = "start", ink: str = "#000", bold: bool = False
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{ink}"'
    return f"<text {place}{weight}>{escape(text)}</text>"


def _box(x: float, y: float, width: float, height: float, fill: str, title: str = "") -> str:
    hover = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}" '
        f'stroke="{_LINE}" stroke-width="0.8">{hover}</rect>'
    )


def _upright(x: float, top: float, bottom: float, look: str) -> str:
    return f'<line x1="{x:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="{bottom:.1f}" {look}/>'


def _tile_map(figure: TileMap, language: Language) -> tuple[float, float, str]:
    size, gap, top = 46, 4, 30
    step = size + gap
    columns = max(t.column for t in figure.tiles) + 1
    rows = max(t.row for t in figure.tiles) + 1
    parts = []
    for n, label in enumerate(figure.phases):
        x = n * 130
        parts += [_box(x, 4, 16, 16, FILLS[n]), _text(x + 22, 16, language.text(label), 11)]
    for t in figure.tiles:
        x, y, fill = t.column * step, top + t.row * step, t.phase - 1
        parts.append(_box(x, y, size, size, FILLS[fill], f"{t.name}: {language.text(figure.phases[fill])}"))
        parts.append(_text(x + size / 2, y + 21, t.code, 13, "middle", _INKS[fill], bold=True))
        parts.append(_text(x + size / 2, y + 37, str(t.phase), 11, "middle", _INKS[fill]))
    return columns * step, top + rows * step, "".join(parts)


def _timeline(figure: Timeline, language: Language) -> tuple[float, float, str]:
    left, right, row, top = 250, 720, 15, 74
    days = (figure.end - figure.start).days

    def at(day: dt.date) -> float:
        return left + (right - left) * (day - figure.start).days / days

    parts: list[str] = []
    for kind, name_of_kind in enumerate(figure.kinds):
        parts += [_bar(kind * 130, 4, 16, 12, kind), _text(kind * 130 + 22, 14, language.text(name_of_kind), 10)]
    bars: list[str] = []
    y = float(top)
    group = ""
    for span in figure.spans:
        name = language.text(span.group)
        if name != group:
            bars.append(_text(0, y + 12, name, 10, bold=True))
            group, y = name, y + row
        label = f"{span.quantity} x {language.text(span.label)}"
        bars.append(_text(8, y + 11, label if len(label) < 46 else label[:45] + "…", 9))
        title = f"{label}: {language.text(Day(span.start))} – {language.text(Day(span.end))}"
        bars.append(_bar(at(span.start), y + 2, at(span.end) - at(span.start), row - 5, span.kind, title))
        y += row
    for year in range(figure.start.year, figure.end.year + 1):
        for month in (1, 7):
            day = dt.date(year, month, 1)
            if figure.start <= day <= figure.end:
                parts.append(_upright(at(day), top - 4, y, 'stroke="#c3ccd5" stroke-width="0.6"'))
                parts.append(_text(at(day), top - 8, f"{month}/{year}", 8, "middle"))
    for n, (mark, day) in enumerate(figure.marks):
        x, text = at(day), language.text(mark)
        foot = 30 + 11 * n
        bars.append(_upright(x, foot - 8, y, 'stroke="#000" stroke-dasharray="3 2"'))
        bars.append(f'<rect x="{x + 1:.1f}" y="{foot - 8:.1f}" width="{6.6 * len(text):.1f}" height="10" fill="#fff"/>')
        bars.append(_text(x + 3, foot, text, 9, bold=True))
    return right + 24, y + 6, "".join(parts + bars)


def _bar(x: float, y: float, width: float, height: float, kind: int, title: str = "") -> str:
    """A bar of the timeline; the second kind is light and dotted, so that grey print tells them apart."""
    box = _box(x, y, width, height, FILLS[2 if kind == 0 else 0], title)
    return box if kind == 0 else box + _box(x, y, width, height, "url(#dots)", title)


def _bars(figure: Bars, language: Language) -> tuple[float, float, str]:
    left, right, row = 130, 560, 20
    most = max(number(v) for _, values in figure.groups for v in values) or 1.0
    parts: list[str] = [_text(0, 12, language.text(figure.unit), 10)]
    y = 22.0
    for label, values in figure.groups:
        parts.append(_text(0, y + 14, language.text(label), 11, bold=True))
        for n, value in enumerate(values):
            width = (right - left) * number(value) / most
            fill = FILLS[n] if len(figure.series) > 1 else FILLS[1]
            series = language.text(figure.series[n])
            parts.append(_box(left, y + 2, width, row - 5, fill, f"{series}: {language.text(value)}"))
            if len(figure.series) > 1:
                parts.append(_text(left - 6, y + 14, series, 10, "end"))
            parts.append(_text(left + width + 6, y + 14, language.text(value), 10))
            y += row
        y += 8 if len(values) > 1 else 2
    return right + 120, y, "".join(parts)


def number(value: Value) -> float:
    match value:
        case Number(number) | Share(number):
            return float(number)
        case Rupiah(amount):
            return float(amount)
    raise TypeError(f"a bar needs a number, not {value!r}")
