"""Recalculates a workbook as a spreadsheet program does, for the few functions that the report's formulas use."""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from openpyxl.utils import range_boundaries

_RANGE = re.compile(r"(?:'([^']+)'!)?\$?([A-Z]{1,3})\$?(\d+)(?::\$?([A-Z]{1,3})\$?(\d+))?(?![\w(])")
_NAME = re.compile(r"\b(?:hps|tarif|tabel)_\w+")


class Recalculated:
    """Values of a workbook's cells by its formulas alone; what the file caches is not looked at."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._names = {name: found.value for name, found in book.defined_names.items()}

    def cell(self, sheet: str, place: str) -> Any:
        """The value of one cell. ValueError for a function that is not known here."""
        held = self._book[sheet][place].value
        if not (isinstance(held, str) and held.startswith("=")):
            return held
        return self._formula(sheet, held[1:])

    def name(self, name: str) -> Any:
        """The value of a defined name: a number or a cell."""
        target = self._names[name]
        found = _RANGE.fullmatch(target)
        return self.cell(found[1], f"{found[2]}{found[3]}") if found else float(target)

    def _formula(self, sheet: str, text: str) -> Any:
        for function in re.findall(r"([A-Z]+)\(", text):
            if function not in _FUNCTIONS:
                raise ValueError(f"the function {function} is not known here")
        values: list[Any] = []

        def keep(value: Any) -> str:
            values.append(value)
            return f"values[{len(values) - 1}]"

        named = _NAME.sub(lambda found: keep(self.name(found.group())), text)
        ready = re.sub(_RANGE, lambda found: keep(self._range(found[1] or sheet, found)), named)
        return eval(ready, {"__builtins__": {}, "values": values, **_FUNCTIONS})  # noqa: S307 - our own workbook

    def _range(self, sheet: str, found: re.Match[str]) -> Any:
        if not found[4]:
            return self.cell(sheet, f"{found[2]}{found[3]}")
        left, top, right, bottom = range_boundaries(f"{found[2]}{found[3]}:{found[4]}{found[5]}")
        sheets = self._book[sheet]
        return [
            self.cell(sheet, sheets.cell(row, column).coordinate)
            for row in range(top, bottom + 1)
            for column in range(left, right + 1)
        ]


def _round(value: float, digits: int) -> int:
    assert digits == 0
    return int(Decimal(value).quantize(Decimal(1), rounding=ROUND_HALF_UP))


_FUNCTIONS = {"SUM": sum, "ROUND": _round, "INT": math.floor}
