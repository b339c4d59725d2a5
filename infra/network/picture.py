"""A rack's front as a picture (SVG): what stands in which unit. Pure function."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from infra.network.netbox import COLOURS, GREY
from infra.network.placement import Placed

UNIT_PX, WIDTH_PX, MARGIN_PX, TITLE_PX = 22, 300, 40, 34


def rack_svg(rack: str, placed: Sequence[Placed], height: int) -> str:
    """The elevation of one rack; `placed` may hold others too. PDUs stand beside the units and are listed below."""
    inside = [each for each in placed if each.rack == rack and each.bottom]
    strips = sorted(each.name for each in placed if each.rack == rack and not each.bottom)
    bottom = TITLE_PX + height * UNIT_PX
    shapes = [f'<rect x="{MARGIN_PX}" y="{TITLE_PX}" width="{WIDTH_PX}" height="{height * UNIT_PX}" class="frame"/>']
    for unit in range(1, height + 1):
        y = bottom - unit * UNIT_PX
        shapes.append(f'<text x="{MARGIN_PX - 8}" y="{y + 15}" class="unit">{unit}</text>')
        shapes.append(f'<line x1="{MARGIN_PX}" x2="{MARGIN_PX + WIDTH_PX}" y1="{y}" y2="{y}" class="grid"/>')
    for each in inside:
        y = bottom - (each.bottom + each.units - 1) * UNIT_PX
        colour = COLOURS.get(each.holds, GREY)
        about = escape(f"{each.name}  {each.sku or each.holds}")
        shapes.append(
            f'<rect x="{MARGIN_PX + 1}" y="{y + 1}" width="{WIDTH_PX - 2}" height="{each.units * UNIT_PX - 2}" '
            f'fill="#{colour}" fill-opacity="0.25" stroke="#{colour}"/>'
            f'<text x="{MARGIN_PX + 10}" y="{y + each.units * UNIT_PX // 2 + 5}" class="name">{about}</text>'
        )
    foot = escape(f"beside the units: {', '.join(strips)}" if strips else "")
    width = WIDTH_PX + 2 * MARGIN_PX
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom + 34}" role="img">\n'
        f"<title>{escape(rack)}</title>\n"
        "<style>text{font:12px sans-serif;fill:#212121}.title{font-size:16px}.unit{text-anchor:end;fill:#757575}"
        ".frame{fill:#fff;stroke:#212121;stroke-width:2}.grid{stroke:#e0e0e0}</style>\n"
        f'<rect width="{width}" height="{bottom + 34}" fill="#fff"/>\n'
        f'<text x="{MARGIN_PX}" y="22" class="title">{escape(rack)}</text>\n'
        + "\n".join(shapes)
        + f'\n<text x="{MARGIN_PX}" y="{bottom + 22}">{foot}</text>\n</svg>\n'
    )
