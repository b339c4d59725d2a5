"""The three formats show the same figures, and the spreadsheet's formulas give what the others print."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from typing import Any

import openpyxl
import pypdf
import pytest

from capacity.report.language import LANGUAGES, Lang, language
from capacity.report.page import render
from capacity.report.pdf import to_pdf
from capacity.report.sources import Sources
from capacity.report.values import Product, Report, Rupiah, Table
from capacity.report.workbook import to_xlsx


class _Page(HTMLParser):
    """Collects text, ids, and every address that a browser would fetch."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.outside: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(given["id"] or "")
        if tag == "a":
            self.links.append(given.get("href") or "")
        if given.get("src") or tag in ("link", "script", "iframe", "object"):
            self.outside.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def _tables(report: Report) -> list[Table]:
    return [b for b in report.blocks if isinstance(b, Table)]


def _amounts(report: Report) -> list[int]:
    """Every rupiah figure that stands in a table."""
    cells = [c.value if isinstance(c, Product) else c for t in _tables(report) for row in t.rows for c in row]
    return [c.amount for c in cells if isinstance(c, Rupiah)] + [
        t.amount.amount for x in _tables(report) for t in x.totals
    ]


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize("code", LANGUAGES)
def test_page_stands_alone_and_its_anchors_hold(report: Report, code: Lang) -> None:
    html = render(report, language(code))
    page = _Page(html)
    assert page.outside == []
    assert "@import" not in html
    assert "url(http" not in html
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)


@pytest.mark.parametrize("code", LANGUAGES)
def test_page_and_pdf_show_every_amount(report: Report, code: Lang) -> None:
    words = language(code)
    html = render(report, words)
    reader = pypdf.PdfReader(io.BytesIO(to_pdf(html)))
    _fonts_are_embedded(reader)
    printed = _squeezed("".join(page.extract_text() for page in reader.pages))
    shown = _squeezed("".join(_Page(html).words))
    amounts = _amounts(report)
    assert len(amounts) > 100
    for amount in amounts:
        text = _squeezed(words.text(Rupiah(amount)))
        assert text in shown
        assert text in printed
    assert reader.outline
    root: Any = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]


def _fonts_are_embedded(reader: pypdf.PdfReader) -> None:
    for page in reader.pages:
        resources: Any = page["/Resources"]
        for font in resources.get("/Font", {}).values():
            kept = font.get_object().get("/DescendantFonts", [font])[0].get_object()
            assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(kept["/FontDescriptor"])


def test_workbook_formulas_give_the_printed_totals(report: Report) -> None:
    data = to_xlsx(report, language("id"))
    formulas = openpyxl.load_workbook(io.BytesIO(data))
    cached = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
    hps = next(t for t in _tables(report) if t.anchor == "hps")
    sheet, values = formulas["hps"], cached["hps"]
    first, end = 4, 4 + len(hps.rows)
    for row in range(first, end):
        assert sheet[f"H{row}"].value == f"=D{row}*F{row}*G{row}"
        product = values[f"D{row}"].value * values[f"F{row}"].value * values[f"G{row}"].value
        assert product == values[f"H{row}"].value
        assert sheet[f"H{row}"].protection.locked
        assert not sheet[f"G{row}"].protection.locked
    assert sheet.protection.sheet
    assert sheet[f"H{end}"].value == f"=SUM(H{first}:H{end - 1})"
    total = sum(values[f"H{row}"].value for row in range(first, end))
    rate = float(formulas.defined_names["tarif_ppn"].value)
    vat = round(total * rate)
    rounded = (total + vat) // 1000 * 1000
    assert [t.amount.amount for t in hps.totals] == [total, vat, total + vat, rounded]
    assert [values[f"H{end + n}"].value for n in range(4)] == [total, vat, total + vat, rounded]
    assert {"hps_jumlah", "hps_ppn", "hps_total", "hps_dibulatkan"} <= set(formulas.defined_names)


def test_workbook_has_a_sheet_a_table_with_every_cell(report: Report) -> None:
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(report, language("en"))), data_only=True)
    assert book.sheetnames[1:] == [t.anchor for t in _tables(report)]
    for table in _tables(report):
        rows = list(book[table.anchor].iter_rows(min_row=4, max_row=3 + len(table.rows), max_col=len(table.columns)))
        for cells, row in zip(rows, table.rows, strict=True):
            for cell, value in zip(cells, row, strict=True):
                figure = value.value if isinstance(value, Product) else value
                if isinstance(figure, Rupiah):
                    assert cell.value == figure.amount


def test_total_is_marked_indicative_wherever_it_stands(report: Report, sources: Sources) -> None:
    assert sources.plan.cost.indicative
    words = language("id")
    amount = words.text(Rupiah(sources.plan.cost.total_idr))
    text = "\n".join(_Page(render(report, words)).words)
    for line in text.splitlines():
        if amount in line and line.strip() != amount:
            assert "indikatif" in line
    hps = next(t for t in _tables(report) if t.anchor == "hps")
    assert "indikatif" in words.text(hps.totals[-2].label)
