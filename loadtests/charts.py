"""Two small charts of a run as SVG: response times second by second, and load offered beside load achieved. Pure."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 920, 260, 64, 12, 12, 34
FLOOR_MS = 1.0


@dataclass(frozen=True, slots=True)
class Point:
    """One second of a run, as its timeline file has it."""

    second: int
    calls: int
    errors: int
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class Span:
    """A stage on the time axis, with its offered and achieved calls a second."""

    label: str
    start_s: float
    end_s: float
    offered_per_s: float
    achieved_per_s: float


def read_timeline(text: str) -> list[Point]:
    """The points of a timeline file; none for an empty one."""
    return [
        Point(
            int(row["second"]),
            int(row["calls"]),
            int(row["errors"]),
            float(row["p50_ms"]),
            float(row["p99_ms"]),
            float(row["max_ms"]),
        )
        for row in csv.DictReader(io.StringIO(text))
    ]


def latency_chart(points: Sequence[Point], spans: Sequence[Span], bounds_ms: Sequence[tuple[str, float]] = ()) -> str:
    """Median, 99th percentile and longest time of each second on a logarithmic axis; seconds with errors are marked.

    `bounds_ms` are rules' bounds, drawn as lines with their text.
    """
    length = _length(points, spans)
    highest = max([p.max_ms for p in points] + [b for _, b in bounds_ms] + [10.0])
    top = 10 ** math.ceil(math.log10(highest))

    def y(value_ms: float) -> float:
        share = math.log10(max(value_ms, FLOOR_MS) / FLOOR_MS) / math.log10(top / FLOOR_MS)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    parts = _frame("Response time of each second, from the intended start", spans, length)
    decade = FLOOR_MS
    while decade <= top:
        parts += _level(y(decade), f"{decade / 1e3:g} s" if decade >= 1000 else f"{decade:g} ms")
        decade *= 10
    for text, bound in bounds_ms:
        parts.append(_tag("line", "bound", x1=LEFT, x2=WIDTH - RIGHT, y1=y(bound), y2=y(bound)))
        parts.append(_note(WIDTH - RIGHT - 4, y(bound) - 4, text, "end"))
    answered = [p for p in points if p.calls]
    for name, value in (("max", "max_ms"), ("p99", "p99_ms"), ("p50", "p50_ms")):
        line = " ".join(f"{_x(p.second + 0.5, length):.1f},{y(getattr(p, value)):.1f}" for p in answered)
        parts.append(_tag("polyline", name, points=line))
    for p in points:
        if p.errors:
            told = f"second {p.second}: {p.errors} of {p.calls} calls failed"
            parts.append(_tag("circle", "error", told, cx=_x(p.second + 0.5, length), cy=y(p.max_ms), r=4))
    if answered:
        worst = max(answered, key=lambda p: p.max_ms)
        x = _x(worst.second + 0.5, length)
        end = "end" if x > WIDTH / 2 else "start"
        parts.append(_note(x + (-8 if end == "end" else 8), max(y(worst.max_ms) - 4, TOP + 9), _worst(worst), end))
    return "".join([*parts, "</svg>"])


def load_chart(points: Sequence[Point], spans: Sequence[Span]) -> str:
    """Calls of each second as bars, and each stage's offered and achieved rate as lines."""
    length = _length(points, spans)
    highest = max([p.calls for p in points] + [s.offered_per_s for s in spans] + [1.0]) * 1.1

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / highest * (HEIGHT - TOP - BOTTOM)

    parts = _frame("Calls a second", spans, length)
    for quarter in range(5):
        parts += _level(y(highest * quarter / 4), f"{highest * quarter / 4:.3g}/s")
    width = max(0.5, (WIDTH - LEFT - RIGHT) / max(length, 1) - 0.5)
    for p in points:
        if p.calls:
            height = HEIGHT - BOTTOM - y(p.calls)
            parts.append(_tag("rect", "calls", x=_x(p.second, length), y=y(p.calls), width=width, height=height))
    for span in spans:
        ends = {"x1": _x(span.start_s, length), "x2": _x(span.end_s, length)}
        for name, value in (("offered", span.offered_per_s), ("achieved", span.achieved_per_s)):
            told = f"{span.label}: {value:.2f} calls a second {name}"
            parts.append(_tag("line", name, told, **ends, y1=y(value), y2=y(value)))
    return "".join([*parts, "</svg>"])


def _worst(point: Point) -> str:
    longest = f"{point.max_ms / 1e3:.2g} s" if point.max_ms >= 1000 else f"{point.max_ms:.0f} ms"
    return f"longest: {longest}, second {point.second}"


def _length(points: Sequence[Point], spans: Sequence[Span]) -> float:
    return max([p.second + 1.0 for p in points] + [s.end_s for s in spans] + [1.0])


def _x(second: float, length: float) -> float:
    return LEFT + second / length * (WIDTH - LEFT - RIGHT)


def _frame(title: str, spans: Sequence[Span], length: float) -> list[str]:
    name = escape(title)
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}"><title>{name}</title>']
    for number, span in enumerate(spans):
        left, right = _x(span.start_s, length), _x(span.end_s, length)
        shade, height = "stage odd" if number % 2 else "stage", HEIGHT - TOP - BOTTOM
        parts.append(_tag("rect", shade, x=left, y=TOP, width=right - left, height=height))
        parts.append(_note((left + right) / 2, HEIGHT - 6, span.label))
    step = next((s for s in (1, 2, 5, 10, 30, 60, 300, 600, 1800, 3600) if length / s <= 12), 7200)
    parts += [_note(_x(second, length), HEIGHT - 20, f"{second} s") for second in range(0, int(length) + 1, step)]
    return parts


def _level(y: float, text: str) -> list[str]:
    return [_tag("line", "level", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y), _note(LEFT - 6, y + 4, text, "end")]


def _note(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text class="note" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _tag(name: str, kind: str, title: str = "", **attributes: float | str) -> str:
    given = "".join(f' {k}="{v if isinstance(v, str) else format(v, ".1f")}"' for k, v in attributes.items())
    told = f"<title>{escape(title)}</title>" if title else ""
    return f'<{name} class="{kind}"{given}>{told}</{name}>'
