"""The report's pictures as Vega-Lite specifications: drawn where scripts run, in place of the SVG. Pure."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from capacity.report.charts import FILLS, FONT, number
from capacity.report.language import Language
from capacity.report.values import Bars, Day, TileMap, Timeline

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_LINE = "#33475b"
_FAINT = 0.25


@cache
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, from the wheel: nothing is fetched."""
    import vl_convert  # here, since starting it takes a second that only the page with scripts needs

    return str(vl_convert.javascript_bundle("window.vegaEmbed=vegaEmbed;"))


def specification(figure: TileMap | Timeline | Bars, language: Language) -> dict[str, Any]:
    """The figure with tooltips; a click on the key shows one part alone."""
    match figure:
        case TileMap():
            chart = _tile_map(figure, language)
        case Timeline():
            chart = _timeline(figure, language)
        case Bars():
            chart = _bars(figure, language)
    config = {
        "font": FONT,
        "axis": {"labelFontSize": 12, "labelLimit": 320},
        "legend": {"labelFontSize": 13},
        "view": {"stroke": None},
    }
    return {"$schema": SCHEMA, "background": "#fff", "config": config, **chart}


def _key(names: list[str], fills: list[str]) -> dict[str, Any]:
    """Colour by name, with a key above that can be clicked."""
    return {
        "field": "key",
        "type": "nominal",
        "sort": names,
        "scale": {"domain": names, "range": fills},
        "legend": {"orient": "top", "title": None, "symbolStrokeColor": _LINE},
    }


_CHOICE = [{"name": "chosen", "select": {"type": "point", "fields": ["key"]}, "bind": "legend"}]
_SHADE = {"condition": {"param": "chosen", "value": 1}, "value": _FAINT}


def _tile_map(figure: TileMap, language: Language) -> dict[str, Any]:
    names = [language.text(p) for p in figure.phases]
    rows = [
        {"code": t.code, "name": t.name, "key": names[t.phase - 1], "column": t.column, "row": t.row, "phase": t.phase}
        for t in figure.tiles
    ]
    place: dict[str, Any] = {
        "x": {"field": "column", "type": "ordinal", "axis": None, "scale": {"paddingInner": 0.08}},
        "y": {"field": "row", "type": "ordinal", "axis": None, "scale": {"paddingInner": 0.08}},
    }
    tooltip = [{"field": "name", "title": language.say("column.province")}, {"field": "key", "title": "–"}]
    ink = {"condition": {"test": "datum.phase == 3", "value": "#fff"}, "value": "#000"}
    shade = {**place, "opacity": _SHADE}
    return {
        "width": {"step": 46},
        "height": {"step": 46},
        "data": {"values": rows},
        "layer": [
            {
                "params": _CHOICE,
                "mark": {"type": "rect", "stroke": _LINE, "strokeWidth": 0.8},
                "encoding": {**shade, "color": _key(names, list(FILLS[: len(names)])), "tooltip": tooltip},
            },
            {
                "mark": {"type": "text", "fontSize": 13, "fontWeight": "bold", "dy": -6},
                "encoding": {**shade, "text": {"field": "code"}, "color": ink, "tooltip": tooltip},
            },
            {
                "mark": {"type": "text", "fontSize": 11, "dy": 10},
                "encoding": {**shade, "text": {"field": "phase"}, "color": ink, "tooltip": tooltip},
            },
        ],
    }


def _timeline(figure: Timeline, language: Language) -> dict[str, Any]:
    kinds = [language.text(k) for k in figure.kinds]
    rows: list[dict[str, Any]] = []
    names: dict[str, str] = {}  # of each line of the picture: a site's own, then what stands there
    for n, s in enumerate(figure.spans):
        site = language.text(s.group)
        names.setdefault(f"site {site}", site)
        names[str(n)] = f"{s.quantity} x {language.text(s.label)}"
        rows.append(
            {
                "line": str(n),
                "label": names[str(n)],
                "site": site,
                "key": kinds[s.kind],
                "start": s.start.isoformat(),
                "end": s.end.isoformat(),
                "from": language.text(Day(s.start)),
                "to": language.text(Day(s.end)),
            }
        )
    marks = [
        {"day": day.isoformat(), "name": language.text(mark), "shown": language.text(Day(day))}
        for mark, day in figure.marks
    ]
    axis = {
        "title": None,
        "labelExpr": f"({json.dumps(names, ensure_ascii=False)})[datum.value]",
        "labelFontWeight": {
            "condition": {"test": "substring(datum.value, 0, 4) == 'site'", "value": "bold"},
            "value": "normal",
        },
        "ticks": False,
    }
    lines = {"field": "line", "type": "ordinal", "scale": {"domain": list(names)}, "axis": axis}
    day = {"type": "temporal", "axis": {"title": None, "format": "%m/%Y", "orient": "top", "grid": True}}
    tooltip = [
        {"field": "label", "title": language.say("column.line")},
        {"field": "site", "title": language.say("column.site")},
        {"field": "from", "title": language.say("column.start")},
        {"field": "to", "title": language.say("column.end")},
    ]
    opening = [{"field": "name", "title": "–"}, {"field": "shown", "title": language.say("column.opens")}]
    return {
        "width": 640,
        "height": {"step": 16},
        "data": {"values": rows},
        "layer": [
            {
                "params": _CHOICE,
                "mark": {"type": "bar", "stroke": _LINE, "strokeWidth": 0.8, "height": {"band": 0.7}, "clip": True},
                "encoding": {
                    "y": lines,
                    "x": {"field": "start", **day},
                    "x2": {"field": "end"},
                    "color": _key(kinds, [FILLS[2], FILLS[0]]),
                    "opacity": _SHADE,
                    "tooltip": tooltip,
                },
            },
            {
                "data": {"values": marks},
                "mark": {"type": "rule", "strokeDash": [4, 3], "strokeWidth": 1.6, "clip": True},
                "encoding": {"x": {"field": "day", **day}, "tooltip": opening},
            },
            {  # beside the first site's own line, where no bar stands
                "data": {"values": marks},
                "mark": {"type": "text", "align": "left", "dx": 2, "fontSize": 10, "fontWeight": "bold"},
                "encoding": {"x": {"field": "day", **day}, "y": {"value": 8}, "text": {"field": "name"}},
            },
        ],
    }


def _bars(figure: Bars, language: Language) -> dict[str, Any]:
    series = [language.text(s) for s in figure.series]
    groups = [language.text(label) for label, _ in figure.groups]
    rows = [
        {"group": group, "key": series[n], "value": number(value), "shown": language.text(value)}
        for group, (_, values) in zip(groups, figure.groups, strict=True)
        for n, value in enumerate(values)
    ]
    bare = {"labels": False, "ticks": False, "grid": False, "domain": False, "titleAnchor": "start"}
    fills = list(FILLS[: len(series)]) if len(series) > 1 else [FILLS[1]]
    base: dict[str, Any] = {
        "y": {"field": "group", "type": "nominal", "sort": groups, "axis": {"title": None}},
        "yOffset": {"field": "key", "sort": series},
        "x": {"field": "value", "type": "quantitative", "axis": {"title": language.text(figure.unit), **bare}},
    }
    tooltip = [
        {"field": "group", "title": "–"},
        {"field": "key", "title": language.text(figure.unit)},
        {"field": "shown", "title": language.say("column.value")},
    ]
    color = _key(series, fills)
    if len(series) == 1:
        color["legend"] = None
    bar = {"type": "bar", "stroke": _LINE, "strokeWidth": 0.8}
    return {
        "width": 520,
        "height": {"step": 22, "for": "offset"},
        "data": {"values": rows},
        "layer": [
            {
                "params": _CHOICE if len(series) > 1 else [{"name": "chosen", "select": "point"}],
                "mark": bar,
                "encoding": {**base, "color": color, "opacity": _SHADE, "tooltip": tooltip},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 5, "fontSize": 12},
                "encoding": {**base, "text": {"field": "shown"}, "opacity": _SHADE},
            },
        ],
    }
