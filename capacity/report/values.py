"""What a report is made of, before language and layout: typed values, and blocks in reading order.

The view model holds these and nothing else. A format (HTML, PDF, XLSX) walks the blocks; a language turns each value
into text. So every figure exists once, and no format can show another.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Say:
    """A sentence or word of the catalogue, with the values that stand in its braces.

    `otherwise` is shown when the catalogue has no such text; without it that is a fault.
    """

    key: str
    values: Mapping[str, Value] = field(default_factory=dict)
    otherwise: Value | None = None


@dataclass(frozen=True, slots=True)
class Both:
    """A text that the lease plan carries in both languages."""

    indonesian: str
    english: str


@dataclass(frozen=True, slots=True)
class Raw:
    """A name, an identifier or a source: the same in every language."""

    text: str


@dataclass(frozen=True, slots=True)
class Quoted:
    """A text that the plan or its tables hold in English; its Indonesian stands in `plan_texts.yaml`."""

    text: str


@dataclass(frozen=True, slots=True)
class Rupiah:
    """Whole rupiah."""

    amount: int


@dataclass(frozen=True, slots=True)
class Number:
    """A number with so many decimals."""

    value: float
    digits: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """A share of one, shown in per cent."""

    value: float
    digits: int = 0
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Day:
    """A calendar day."""

    day: dt.date


@dataclass(frozen=True, slots=True)
class Hour:
    """A local day and time."""

    moment: dt.datetime


@dataclass(frozen=True, slots=True)
class InWords:
    """An amount of rupiah in words (terbilang)."""

    amount: int


@dataclass(frozen=True, slots=True)
class Listing:
    """Values one after the other, parted by `separator`."""

    items: tuple[Value, ...]
    separator: str = ", "


Value = Say | Both | Raw | Quoted | Rupiah | Number | Share | Day | Hour | InWords | Listing


@dataclass(frozen=True, slots=True)
class Heading:
    """Starts a section; `anchor` is its id in every format. A `leaf` starts a new sheet of paper."""

    anchor: str
    title: Value
    leaf: bool = False


@dataclass(frozen=True, slots=True)
class Subheading:
    """Parts a section."""

    title: Value


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph; a `callout` is set apart because it must not be missed."""

    text: Value
    callout: bool = False


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of sentences."""

    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Signatures:
    """Boxes to be signed, one for each office."""

    anchor: str
    title: Value
    offices: tuple[Value, ...]
    lines: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, and whether it holds numbers. `width` is in characters: of a sheet's column, and the
    share of the line that it gets on paper."""

    title: Value
    numeric: bool = False
    width: int = 14


@dataclass(frozen=True, slots=True)
class Product:
    """A cell that is the product of other cells of its row (by column index): a live formula in a spreadsheet."""

    value: Rupiah
    factors: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Subtotal:
    """A cell that sums the last column of another table from row `first` to row `last` (from 0, both included)."""

    value: Rupiah
    table: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Linked:
    """A cell that shows the total `name` of another table, marked or not: it follows that total in a spreadsheet."""

    value: Value
    name: str


Live = Product | Subtotal | Linked
"""Cells that are formulas in a spreadsheet; `value` is what the other formats show."""


@dataclass(frozen=True, slots=True)
class Total:
    """A closing row of a table: a name, an amount, and how a spreadsheet computes it.

    `sum`: of the column above; `rate`: `rate` x the total named `of`; `plus`: the totals named in `of` together;
    `rounded`: the total named `of`, down to `unit` rupiah.
    """

    name: str
    label: Value
    amount: Rupiah
    rule: Literal["sum", "rate", "plus", "rounded"]
    of: tuple[str, ...] = ()
    rate: float = 0.0
    unit: int = 1


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `inputs` are the columns that a reader of the spreadsheet may change, `totals` end the last column.

    `groups` part the rows: the row at which a group starts, and its name.
    """

    anchor: str
    title: Value
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value | Live, ...], ...]
    totals: tuple[Total, ...] = ()
    inputs: tuple[int, ...] = ()
    words: InWords | None = None
    note: Value | None = None
    groups: tuple[tuple[int, Value], ...] = ()


@dataclass(frozen=True, slots=True)
class Tile:
    """One province on the tile map."""

    code: str
    name: str
    phase: int
    column: int
    row: int


@dataclass(frozen=True, slots=True)
class Span:
    """One bar of the timeline: what, how many, from when to when; `kind` 0 for servers, 1 for what supports them."""

    label: Value
    group: Value
    quantity: int
    start: dt.date
    end: dt.date
    kind: int = 0


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars in groups: `series` names the bars of each group, `groups` gives a label and one value a series."""

    series: tuple[Value, ...]
    groups: tuple[tuple[Value, tuple[Value, ...]], ...]
    unit: Value


@dataclass(frozen=True, slots=True)
class TileMap:
    """Provinces as equal squares about where they lie."""

    tiles: tuple[Tile, ...]
    phases: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Leases over time, with the days on which phases open."""

    spans: tuple[Span, ...]
    start: dt.date
    end: dt.date
    marks: tuple[tuple[Value, dt.date], ...]
    kinds: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture with its title and the text that stands for it where it cannot be seen."""

    anchor: str
    title: Value
    alternative: Value
    figure: TileMap | Timeline | Bars


Block = Heading | Subheading | Paragraph | Bullets | Signatures | Table | Chart


@dataclass(frozen=True, slots=True)
class Report:
    """The whole report in reading order, and what every page says of it."""

    title: Value
    subtitle: Value
    plan_hash: str
    indicative: bool
    blocks: tuple[Block, ...]


def every(thing: object) -> Iterator[object]:
    """A report, block or value and all that it is made of, outermost first."""
    yield thing
    if isinstance(thing, Mapping):
        for part in thing.values():
            yield from every(part)
    elif isinstance(thing, tuple):
        for part in thing:
            yield from every(part)
    elif is_dataclass(thing) and not isinstance(thing, type):
        for item in fields(thing):
            yield from every(getattr(thing, item.name))
