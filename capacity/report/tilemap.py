"""Where each province stands on the tile map: equal squares, about as they lie from west to east. Our own layout."""

from __future__ import annotations

from collections.abc import Mapping

from capacity.report.values import Tile

# Code after `ID-` → column (west to east), row (north to south).
PLACES: dict[str, tuple[int, int]] = {
    **{"AC": (0, 0), "SU": (1, 1), "RI": (2, 1), "KR": (3, 1), "SB": (1, 2), "JA": (2, 2), "BB": (3, 2)},
    **{"BE": (1, 3), "SS": (2, 3), "LA": (3, 3)},
    **{"BT": (3, 4), "JK": (4, 4), "JB": (5, 4), "JT": (6, 4), "YO": (6, 5), "JI": (7, 4)},
    **{"BA": (8, 4), "NB": (9, 4), "NT": (10, 4)},
    **{"KU": (7, 0), "KB": (5, 1), "KT": (6, 1), "KI": (7, 1), "KS": (6, 2)},
    **{"SA": (10, 0), "GO": (9, 0), "ST": (9, 1), "SR": (8, 2), "SG": (9, 2), "SN": (8, 3)},
    **{"MU": (11, 1), "MA": (11, 2), "PB": (12, 1), "PA": (13, 1)},
}
_SPARE_ROW = 6


def tiles(phases: Mapping[str, int], names: Mapping[str, str]) -> tuple[Tile, ...]:
    """One tile a province code (`ID-XX` → phase). Provinces newer than the layout stand in a row of their own below."""
    placed = []
    spare = 0
    for code, phase in phases.items():
        short = code.removeprefix("ID-")
        column, row = PLACES.get(short, (spare, _SPARE_ROW))
        spare += short not in PLACES
        placed.append(Tile(short, names.get(code, code), phase, column, row))
    return tuple(sorted(placed, key=lambda t: (t.row, t.column)))
