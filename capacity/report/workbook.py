"""The report as a spreadsheet: a sheet a table, live formulas, named ranges, protected formula cells."""

from __future__ import annotations

import datetime as dt
import io
import math
from typing import Any

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name, xl_rowcol_to_cell

from capacity.report.language import Language
from capacity.report.values import (
    Day,
    Linked,
    Live,
    Number,
    Product,
    Report,
    Rupiah,
    Say,
    Share,
    Signatures,
    Subtotal,
    Table,
    Total,
    Value,
)

_HEAD = 2  # rows above the column headings
_DAY = "d mmmm yyyy"
_RUPIAH = '"Rp"#,##0'
_LINE_PT = 15.0
_FIXED = dt.datetime(2018, 1, 1)  # the same plan gives the same bytes


def to_xlsx(report: Report, language: Language) -> bytes:
    """The workbook. Every formula carries the value that the other formats show."""
    memory = io.BytesIO()
    book = xlsxwriter.Workbook(memory, {"in_memory": True})
    book.set_properties({"title": language.text(report.title), "comments": report.plan_hash, "created": _FIXED})
    book.set_calc_mode("auto")
    sheet = _Sheets(book, report, language)
    sheet.front()
    for block in report.blocks:
        if isinstance(block, Table):
            sheet.table(block)
    book.close()
    return memory.getvalue()


class _Sheets:
    """Writes sheets into one workbook; keeps the formats, which belong to the workbook."""

    def __init__(self, book: Any, report: Report, language: Language) -> None:
        self.book, self.report, self.language = book, report, language
        tables = [b for b in report.blocks if isinstance(b, Table)]
        self._last_column = {t.anchor: xl_col_to_name(len(t.columns) - 1) for t in tables}
        self._formats: dict[tuple[str, bool, bool], Any] = {}
        self.bold = book.add_format(
            {"bold": True, "text_wrap": True, "bg_color": "#e3ebf3", "border": 1, "valign": "top"}
        )
        self.large = book.add_format({"bold": True, "font_size": 14})
        self.wrap = book.add_format({"text_wrap": True, "valign": "top"})

    def front(self) -> None:
        """Title, mark, hash, and the list of sheets."""
        say = self.language
        sheet = self.book.add_worksheet(say.say("report.sheet_front"))
        sheet.set_column(0, 0, 78)
        sheet.set_row(4, 2 * _LINE_PT)
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 1)
        sheet.write_string(0, 0, say.text(self.report.title), self.large)
        sheet.write_string(1, 0, say.text(self.report.subtitle))
        if self.report.indicative:
            sheet.write_string(2, 0, say.say("report.indicative").upper(), self.large)
        sheet.write_string(3, 0, self.report.plan_hash)
        sheet.write_string(4, 0, say.say("report.inputs_note"), self.wrap)
        for n, table in enumerate((b for b in self.report.blocks if isinstance(b, Table)), start=6):
            sheet.write_url(n, 0, f"internal:'{table.anchor}'!A1", string=say.text(table.title))
        self._signatures(sheet, 7 + sum(isinstance(b, Table) for b in self.report.blocks))
        sheet.protect()

    def _signatures(self, sheet: Any, row: int) -> None:
        say = self.language
        for block in self.report.blocks:
            if isinstance(block, Signatures):
                sheet.write_string(row, 0, say.text(block.title), self.large)
                for office in block.offices:
                    sheet.write_string(row + 1, 0, say.text(office), self.bold)
                    for n, line in enumerate(block.lines, start=2):
                        sheet.write_string(row + n, 0, f"{say.text(line)}: " + "." * 40)
                    row += 2 + len(block.lines)

    def table(self, table: Table) -> None:
        """One sheet: title, headings, rows, totals, note; headings repeat in print and stay in sight."""
        sheet = self.book.add_worksheet(table.anchor)
        title = self.language.text(table.title)
        sheet.write_string(0, 0, title, self.large)
        for k, column in enumerate(table.columns):
            sheet.set_column(k, k, column.width)
            sheet.write_string(_HEAD, k, self.language.text(column.title), self.bold)
        heads = (_lines(self.language.text(c.title), c.width - 1) for c in table.columns)
        sheet.set_row(_HEAD, _LINE_PT * max(heads))
        first = _HEAD + 1
        for n, row in enumerate(table.rows):
            sheet.set_row(first + n, self._height(table, row))
            for k, cell in enumerate(row):
                self._cell(sheet, first + n, k, cell, unlocked=k in table.inputs)
        end = first + len(table.rows)
        self._totals(sheet, table, first, end)
        after = end + len(table.totals)
        if table.words:
            sheet.write_string(after, 0, self.language.say("hps.in_words"), self.bold)
            self._wide(sheet, table, after, 1, self.language.text(table.words))
            self._wide(sheet, table, after + 1, 1, self.language.say("report.words_note"))
            after += 2
        if table.note:
            self._wide(sheet, table, after + 1, 0, self.language.text(table.note))
        if table.rows:
            name = table.anchor.replace("-", "_")
            corner = xl_rowcol_to_cell(end - 1, len(table.columns) - 1, True, True)
            whole = f"{xl_rowcol_to_cell(first, 0, True, True)}:{corner}"
            self.book.define_name(f"tabel_{name}", f"='{table.anchor}'!{whole}")
        sheet.freeze_panes(first, 0)
        sheet.repeat_rows(_HEAD)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.set_footer("&L&8" + self.report.plan_hash + "&R&P / &N")
        sheet.protect("", {"format_columns": True, "format_rows": True, "select_locked_cells": True})

    def _height(self, table: Table, row: tuple[Value | Live, ...]) -> float:
        """Points that a row's longest cell needs: not every program fits wrapped rows when it opens a file."""
        texts = (
            (self.language.text(cell), column.width)
            for cell, column in zip(row, table.columns, strict=True)
            if not isinstance(cell, Product | Subtotal | Linked | Rupiah | Number | Share | Day)
        )
        return _LINE_PT * max((_lines(text, width) for text, width in texts), default=1)

    def _wide(self, sheet: Any, table: Table, row: int, first: int, text: str) -> None:
        """A text over all columns from `first` on."""
        last = len(table.columns) - 1
        sheet.set_row(row, _LINE_PT * _lines(text, sum(c.width for c in table.columns[first:])))
        if last > first:
            sheet.merge_range(row, first, row, last, text, self.wrap)
        else:
            sheet.write_string(row, first, text, self.wrap)

    def _totals(self, sheet: Any, table: Table, first: int, end: int) -> None:
        last = len(table.columns) - 1
        for n, total in enumerate(table.totals):
            row = end + n
            sheet.merge_range(row, 0, row, last - 1, self.language.text(total.label), self.bold)
            formula = _formula(total, xl_rowcol_to_cell(first, last), xl_rowcol_to_cell(end - 1, last))
            sheet.write_formula(row, last, formula, self._format(_RUPIAH, bold=True), total.amount.amount)
            self.book.define_name(f"hps_{total.name}", f"='{table.anchor}'!{xl_rowcol_to_cell(row, last, True, True)}")
            if total.rule == "rate":
                self.book.define_name(f"tarif_{total.name}", f"={total.rate!r}")

    def _cell(self, sheet: Any, row: int, column: int, cell: Value | Live, unlocked: bool) -> None:
        match cell:
            case Subtotal(value, table, first, last):
                letter = self._last_column[table]
                formula = f"=SUM('{table}'!{letter}{_HEAD + 2 + first}:{letter}{_HEAD + 2 + last})"
                sheet.write_formula(row, column, formula, self._format(_RUPIAH), value.amount)
            case Linked(value, name):
                amount, mark = _amount(value)
                look = self._format(f'{_RUPIAH}" ({self.language.say("report.indicative")})"' if mark else _RUPIAH)
                sheet.write_formula(row, column, f"=hps_{name}", look, amount)
            case Product(value, factors):
                formula = "=" + "*".join(xl_rowcol_to_cell(row, k) for k in factors)
                sheet.write_formula(row, column, formula, self._format(_RUPIAH), value.amount)
            case Rupiah(amount):
                sheet.write_number(row, column, amount, self._format(_RUPIAH, unlocked=unlocked))
            case Number(number, digits):
                pattern = "#,##0" + ("." + "0" * digits if digits else "")
                sheet.write_number(row, column, round(number, digits), self._format(pattern, unlocked=unlocked))
            case Share(share, digits, signed):
                pattern = "0" + ("." + "0" * digits if digits else "") + "%"
                sheet.write_number(row, column, share, self._format(f"+{pattern};-{pattern}" if signed else pattern))
            case Day(day):
                sheet.write_datetime(row, column, dt.datetime(day.year, day.month, day.day), self._format(_DAY))
            case _:
                sheet.write_string(row, column, self.language.text(cell), self._format("@", unlocked=unlocked))

    def _format(self, number: str, unlocked: bool = False, bold: bool = False) -> Any:
        key = (number, unlocked, bold)
        if key not in self._formats:
            look = {"num_format": number, "border": 1, "valign": "top", "text_wrap": number == "@", "bold": bold}
            if number in ("@", _DAY):
                look |= {"align": "left", "indent": 1}
            if unlocked:
                look |= {"locked": False, "bg_color": "#fff6c8"}
            self._formats[key] = self.book.add_format(look)
        return self._formats[key]


def _lines(text: str, width: int) -> int:
    """Lines that a text takes in a column of so many characters; words leave a tenth of each line empty."""
    return 1 if len(text) <= width else math.ceil(1.1 * len(text) / width)


def _amount(value: Value) -> tuple[int, bool]:
    """The rupiah in a value, and whether it is marked as indicative."""
    match value:
        case Rupiah(amount):
            return amount, False
        case Say("word.indicative_amount", {"amount": Rupiah(amount)}):
            return amount, True
    raise TypeError(f"a linked cell needs an amount, not {value!r}")


def _formula(total: Total, first: str, last: str) -> str:
    names = [f"hps_{name}" for name in total.of]
    match total.rule:
        case "sum":
            return f"=SUM({first}:{last})"
        case "rate":
            return f"=ROUND({names[0]}*tarif_{total.name},0)"
        case "plus":
            return "=" + "+".join(names)
        case "rounded":
            return f"=INT({names[0]}/{total.unit})*{total.unit}"
