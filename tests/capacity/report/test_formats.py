"""The three formats show the same figures, and the spreadsheet's formulas give what the others print."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from typing import Any

import openpyxl
import pypdf
import pytest
import vl_convert

from capacity.report.language import LANGUAGES, Lang, language
from capacity.report.page import render
from capacity.report.pdf import to_pdf
from capacity.report.sources import Sources
from capacity.report.values import (
    Chart,
    Day,
    Heading,
    Linked,
    Number,
    Product,
    Report,
    Rupiah,
    Share,
    Subtotal,
    Table,
)
from capacity.report.workbook import to_xlsx
from tests.capacity.report.spreadsheet import Recalculated


class _Page(HTMLParser):
    """Collects text, ids, and every address that a browser would fetch."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.outside: list[str] = []
        self.scripts = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(given["id"] or "")
        if tag == "a":
            self.links.append(given.get("href") or "")
        if given.get("src") or tag in ("link", "iframe", "object", "base", "form"):
            self.outside.append(tag)
        if tag == "script":
            self.scripts += 1

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def _tables(report: Report) -> list[Table]:
    return [b for b in report.blocks if isinstance(b, Table)]


def _amounts(report: Report) -> list[int]:
    """Every rupiah figure that stands in a table."""
    cells = [
        c.value if isinstance(c, Product | Subtotal) else c for t in _tables(report) for row in t.rows for c in row
    ]
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
    assert page.scripts == 0


def test_live_page_draws_every_chart_and_keeps_svg_and_words(report: Report) -> None:
    words = language("id")
    charts = [b for b in report.blocks if isinstance(b, Chart)]
    html = render(report, words, interactive=True)
    page = _Page(html)
    assert page.outside == []
    assert page.scripts == len(charts) + 2
    assert "default-src 'none'" in html  # the browser itself refuses whatever comes from outside
    for chart in charts:
        figure = html.split(f'<figure id="{chart.anchor}"')[1].split("</figure>")[0]
        assert "<svg" in figure
        assert words.text(chart.alternative) in unescape(figure)
        held = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', figure, re.DOTALL)
        assert held
        compiled = vl_convert.vegalite_to_vega(json.loads(held.group(1)))
        assert compiled["marks"]


@pytest.fixture(scope="module", params=LANGUAGES)
def printed(request: pytest.FixtureRequest, report: Report) -> tuple[Lang, pypdf.PdfReader, list[str]]:
    """The PDF in each language, and the text of its sheets."""
    reader = pypdf.PdfReader(io.BytesIO(to_pdf(render(report, language(request.param)))))
    return request.param, reader, [page.extract_text() for page in reader.pages]


def test_page_and_pdf_show_every_amount(report: Report, printed: tuple[Lang, pypdf.PdfReader, list[str]]) -> None:
    code, _, sheets = printed
    words = language(code)
    paper = _squeezed("".join(sheets))
    shown = _squeezed("".join(_Page(render(report, words)).words))
    amounts = _amounts(report)
    assert len(amounts) > 100
    for amount in amounts:
        text = _squeezed(words.text(Rupiah(amount)))
        assert text in shown
        assert text in paper


@pytest.mark.parametrize("anchor", ["lease-risk", "rule-costs", "on-call", "on-call-weeks"])
def test_all_formats_show_the_same_cells(
    report: Report, printed: tuple[Lang, pypdf.PdfReader, list[str]], anchor: str
) -> None:
    code, _, sheets = printed
    words = language(code)
    table = next(t for t in _tables(report) if t.anchor == anchor)
    page = render(report, words).split(f'<table id="table-{anchor}">')[1].split("</table>")[0]
    shown = [w.strip() for w in _Page(page).words if w.strip()]
    sheet = openpyxl.load_workbook(io.BytesIO(to_xlsx(report, words)))[anchor]
    paper = _squeezed("".join(sheets))
    for n, row in enumerate(table.rows):
        texts = [words.text(c) for c in row if not isinstance(c, Product | Subtotal | Linked)]
        assert len(texts) == len(row)
        first = len(shown) - (len(table.rows) - n) * len(row)
        assert shown[first : first + len(row)] == texts
        assert _squeezed("".join(texts[:2])) in paper
        for k, (cell, text) in enumerate(zip(row, texts, strict=True), start=1):
            kept = sheet.cell(4 + n, k).value
            match cell:
                case Rupiah(amount):
                    assert kept == amount
                case Number(value, digits):
                    assert kept == pytest.approx(round(value, digits))
                case Share(value):
                    assert kept == value
                case Day(day):
                    assert kept.date() == day
                case _:
                    assert kept == text


def test_pdf_is_tagged_with_outline_page_numbers_and_repeated_headings(
    report: Report, printed: tuple[Lang, pypdf.PdfReader, list[str]]
) -> None:
    code, reader, sheets = printed
    words = language(code)
    root: Any = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"].startswith(code)
    kinds = set(_kinds(root["/StructTreeRoot"].get_object()))
    assert {"/H1", "/H2", "/Table", "/TH", "/TD", "/Figure", "/L"} <= kinds
    outline = _squeezed(" ".join(_titles(reader.outline)))
    for heading in (b for b in report.blocks if isinstance(b, Heading)):
        assert _squeezed(words.text(heading.title)) in outline
    for n, sheet in enumerate(sheets, start=1):
        assert f"{n}/{len(sheets)}" in _squeezed(sheet)
    columns = next(t for t in _tables(report) if t.anchor == "hps").columns
    head = _squeezed("".join(words.text(c.title) for c in columns[:4]))
    assert sum(head in _squeezed(sheet) for sheet in sheets) >= 3
    fonts = set(_fonts(reader))
    assert fonts
    assert all("DejaVu" in name for name in fonts), fonts


def _kinds(node: Any) -> Iterator[str]:
    """Structure types of the tag tree."""
    waiting = [node]
    while waiting:
        one = waiting.pop().get_object()
        if isinstance(one, pypdf.generic.DictionaryObject):
            if "/S" in one:
                yield str(one["/S"])
            kids = one.get("/K", [])
            waiting += kids if isinstance(kids, list) else [kids]


def _titles(outline: Any) -> Iterator[str]:
    for entry in outline:
        if isinstance(entry, list):
            yield from _titles(entry)
        else:
            yield entry.title


def _fonts(reader: pypdf.PdfReader) -> Iterator[str]:
    """Names of the fonts; each must be embedded."""
    for page in reader.pages:
        resources: Any = page["/Resources"]
        for font in resources.get("/Font", {}).values():
            kept = font.get_object().get("/DescendantFonts", [font])[0].get_object()
            assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(kept["/FontDescriptor"])
            yield str(kept["/BaseFont"])


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


@pytest.fixture(scope="module")
def book(report: Report) -> Any:
    """The Indonesian workbook, with formulas."""
    return openpyxl.load_workbook(io.BytesIO(to_xlsx(report, language("id"))))


def test_recalculated_workbook_gives_the_totals_of_the_other_formats(report: Report, book: Any) -> None:
    sheets = Recalculated(book)
    hps = next(t for t in _tables(report) if t.anchor == "hps")
    assert [sheets.name(f"hps_{t.name}") for t in hps.totals] == [t.amount.amount for t in hps.totals]
    for table in _tables(report):
        for n, row in enumerate(table.rows):
            for k, cell in enumerate(row):
                if isinstance(cell, Subtotal):
                    assert sheets.cell(table.anchor, f"{'ABCDEFGH'[k]}{4 + n}") == cell.value.amount
                if isinstance(cell, Linked):
                    shown = sheets.cell(table.anchor, f"{'ABCDEFGH'[k]}{4 + n}")
                    assert language("id").text(Rupiah(shown)) in language("id").text(cell.value)


def test_a_changed_price_and_quantity_carry_through_to_every_total(report: Report) -> None:
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(report, language("id"))))
    hps = next(t for t in _tables(report) if t.anchor == "hps")
    before = Recalculated(book)
    sums = {name: before.name(f"hps_{name}") for name in ("jumlah", "total", "dibulatkan")}
    parts = [before.cell("hps-recapitulation", f"C{row}") for row in (4, 5, 6)]
    sheet = book["hps"]
    volume, months, price = (sheet[f"{letter}4"].value for letter in "DFG")
    sheet["D4"], sheet["G4"] = volume + 1, price + 1_000
    more = (volume + 1) * months * (price + 1_000) - volume * months * price
    after = Recalculated(book)
    assert after.cell("hps", "H4") == (volume + 1) * months * (price + 1_000)
    assert after.name("hps_jumlah") == sums["jumlah"] + more
    rate = float(book.defined_names["tarif_ppn"].value)
    assert after.name("hps_ppn") == round((sums["jumlah"] + more) * rate)
    assert after.name("hps_total") == after.name("hps_jumlah") + after.name("hps_ppn")
    assert after.name("hps_dibulatkan") == after.name("hps_total") // 1000 * 1000
    assert [after.cell("hps-recapitulation", f"C{row}") for row in (4, 5, 6)] == [parts[0] + more, *parts[1:]]
    linked = next(t for t in _tables(report) if t.anchor == "key-figures")
    row = 4 + next(n for n, cells in enumerate(linked.rows) if isinstance(cells[1], Linked))
    assert after.cell("key-figures", f"B{row}") == after.name("hps_total")
    assert len(hps.totals) == 4


def test_every_formula_is_locked_and_every_input_open(report: Report, book: Any) -> None:
    for sheet in book.worksheets:
        assert sheet.protection.sheet
        for row in sheet.iter_rows():
            for cell in row:
                if isinstance(cell.value, str) and cell.value.startswith("="):
                    assert cell.protection.locked, f"{sheet.title}!{cell.coordinate}"
    hps = next(t for t in _tables(report) if t.anchor == "hps")
    open_cells = [c for row in book["hps"].iter_rows() for c in row if not c.protection.locked]
    assert len(open_cells) == len(hps.rows) * len(hps.inputs)


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
