"""A plan with some values changed: the same texts, the same reading and the same checks as `oss plan` makes."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from capacity.documents import parse_csv, shown, validate
from capacity.faults import BadInput, Fault
from capacity.inputs import Inputs, cross_faults, load_inputs
from capacity.launch import Launch
from capacity.tables import Price, Supporting, rows_of
from capacity.whatif.fields import ALL_RENTS, PROVINCE, Field, fields
from capacity.whatif.texts import Changed, YamlText, csv_changed

Given = Mapping[str, str | Sequence[str]]
"""Field → what stands in it, as typed. Fields that are left out stay as the plan has them."""

_ROW = re.compile(r"row (\d+)\.(\w+)")
_GROUPED = re.compile(r"\d{1,3}([.,\u00a0 ]\d{3})+")
UNQUOTED = {"quotation": "", "estimate": "yes"}
"""A price that somebody tries out has no quotation."""


@dataclass(frozen=True, slots=True)
class Base:
    """The plan as it is, with the texts that a change is written into."""

    inputs: Inputs
    plan: YamlText
    tables: Mapping[str, str]
    fields: Mapping[str, Field]


@dataclass(frozen=True, slots=True)
class Variant:
    """A changed plan. `texts`: each file that differs, by its name relative to the plan's folder."""

    inputs: Inputs
    values: Mapping[str, Changed]
    texts: Mapping[str, str]
    comments_kept: bool


@dataclass(frozen=True, slots=True)
class FieldFault:
    """A fault and the field that it belongs to; None where it belongs to no single field."""

    field: str | None
    fault: Fault


class BadValues(Exception):
    """Something typed is wrong; nothing was computed."""

    def __init__(self, faults: Sequence[FieldFault]) -> None:
        super().__init__("; ".join(str(f.fault) for f in faults))
        self.faults = tuple(faults)


def read_base(path: Path) -> Base:
    """Read the plan at `path` and check it. Raises BadInput."""
    inputs = load_inputs(path)
    named = inputs.launch.tables
    tables = {name: (path.parent / name).read_text(encoding="utf-8") for name in (named.prices, named.supporting)}
    plan = YamlText.of(path.read_text(encoding="utf-8"), shown(path))
    known = {f.name: f for f in fields(inputs)}
    return Base(inputs, plan, tables, known)


def variant(base: Base, given: Given) -> Variant:
    """The plan with `given` applied. Raises BadValues with every fault of it."""
    faults = [
        FieldFault(None, Fault(_source(base), name, "", "cannot be changed here", "Edit the plan itself."))
        for name in given
        if name not in base.fields
    ]
    if faults:
        raise BadValues(faults)
    values = {name: _typed(base.fields[name], typed) for name, typed in given.items()}
    values = {n: v for n, v in values.items() if n == ALL_RENTS or v != _as_typed(base.fields[n])}
    if values.get(ALL_RENTS) == 0.0:
        del values[ALL_RENTS]
    strays = [n for n, v in values.items() if base.fields[n].kind == "phase" and v not in base.fields[n].choices]
    if strays:
        what = ("no such phase", "Use 1, 2 or 3.")
        raise BadValues([FieldFault(n, Fault(_source(base), "phases", str(values[n]), *what)) for n in strays])
    named = base.inputs.launch.tables
    plan_text, data, kept = base.plan.changed(plan_values(base, values))
    try:
        launch = validate(Launch, data, _source(base))
        prices = _prices(base, values)
        supporting = _items(base, values)
        texts = {
            base.inputs.path.name: plan_text,
            named.prices: prices[0],
            named.supporting: supporting[0],
        }
        before = {base.inputs.path.name: base.plan.text, **base.tables}
        differing = {name: text for name, text in texts.items() if text != before[name]}
        inputs = dataclasses.replace(
            base.inputs,
            launch=launch,
            prices=prices[1],
            supporting=supporting[1],
            hashes=base.inputs.hashes | {name: _hash(text) for name, text in differing.items()},
        )
        if broken := list(cross_faults(inputs)):
            raise BadInput(broken)
    except BadInput as error:
        raise BadValues([FieldFault(_field_of(base, fault), fault) for fault in error.faults]) from None
    return Variant(inputs, values, differing, kept)


def plan_values(base: Base, values: Mapping[str, Changed]) -> dict[str, Changed]:
    """Path in the plan → value. Moved provinces come last in their new phase."""
    out: dict[str, Changed] = {n: v for n, v in values.items() if not n.startswith((PROVINCE, "prices", "supporting["))}
    moved = {n.removeprefix(PROVINCE): v for n, v in values.items() if n.startswith(PROVINCE)}
    for n, phase in enumerate(base.inputs.launch.phases):
        stay = [code for code in phase.provinces if code not in moved]
        come = [code for code, to in moved.items() if to == phase.id]
        if come or len(stay) < len(phase.provinces):
            out[f"phases[{n}].provinces"] = [*stay, *come]
    return out


def _prices(base: Base, values: Mapping[str, Changed]) -> tuple[str, tuple[Price, ...]]:
    """The price book with changed rents: those typed, and the others by the common rise."""
    rise = values.get(ALL_RENTS, 0.0)
    cells: dict[str, dict[str, str]] = {}
    if not isinstance(rise, int | float) or not -0.9 <= rise <= 10:
        problem = Fault(_source(base), ALL_RENTS, str(rise), "is no change of price", "Use -90 to 1000 per cent.")
        raise BadInput([problem])
    for price in base.inputs.prices:
        typed = values.get(f"prices[{price.id}].monthly_rent")
        if typed is not None:
            cells[price.id] = {"monthly_rent": str(typed), **UNQUOTED}
        elif rise:
            cells[price.id] = {"monthly_rent": str(round(price.monthly_rent * (1 + rise))), **UNQUOTED}
    name = base.inputs.launch.tables.prices
    text = base.tables[name]
    if not cells:
        return text, base.inputs.prices
    text = csv_changed(text, "id", cells)
    return text, rows_of(Price, parse_csv(text, tuple(Price.model_fields), name), name)


def _items(base: Base, values: Mapping[str, Changed]) -> tuple[str, tuple[Supporting, ...]]:
    name = base.inputs.launch.tables.supporting
    text = base.tables[name]
    cells = {
        item.id: {"monthly_rent": str(typed), **UNQUOTED}
        for item in base.inputs.supporting
        if (typed := values.get(f"supporting[{item.id}].monthly_rent")) is not None
    }
    if not cells:
        return text, base.inputs.supporting
    text = csv_changed(text, "id", cells)
    return text, rows_of(Supporting, parse_csv(text, tuple(Supporting.model_fields), name), name)


def _typed(field: Field, typed: str | Sequence[str]) -> Changed:
    """What was typed, in the type that the plan has there; as words where it is none, which the plan refuses."""
    if not isinstance(typed, str):
        return [_number(t) for t in typed]
    text = typed.strip()
    if field.kind == "day":
        try:
            return dt.date.fromisoformat(text)
        except ValueError:
            return text
    if field.kind in ("rupiah", "count", "phase") and _GROUPED.fullmatch(text):
        text = re.sub(r"\D", "", text)
    number = _number(text)
    if field.kind in ("percent", "rise") and not isinstance(number, str):
        return round(float(number) / 100, 10)
    return number


def _number(text: str) -> int | float | str:
    """A whole number, a number with a decimal point or comma, or the words themselves."""
    plain = text.strip().replace("\u2212", "-")
    if re.fullmatch(r"[+-]?\d+", plain):
        return int(plain)
    if re.fullmatch(r"[+-]?\d*[.,]\d+", plain):
        return float(plain.replace(",", "."))
    return text


def _as_typed(field: Field) -> Changed:
    return list(field.value) if isinstance(field.value, tuple) else field.value


def _field_of(base: Base, fault: Fault) -> str | None:
    """The field at the fault's path, the first field below or above it, or None."""
    if row := _ROW.match(fault.path):
        table = {base.inputs.launch.tables.prices: "prices", base.inputs.launch.tables.supporting: "supporting"}
        kind = table.get(fault.file)
        rows: Sequence[Price | Supporting] = base.inputs.prices if kind == "prices" else base.inputs.supporting
        number = int(row.group(1)) - 2
        name = f"{kind}[{rows[number].id}].{row.group(2)}" if kind and number < len(rows) else ""
        return name if name in base.fields else None
    if fault.path in base.fields:
        return fault.path
    if re.match(r"phases\[\d\]\.provinces", fault.path):
        return next(n for n in base.fields if n.startswith(PROVINCE))
    near = (n for n in base.fields if fault.path and (n.startswith((f"{fault.path}.", f"{fault.path}["))))
    whole = fault.path.split("[")[0]
    return next(near, None) or next((n for n in base.fields if n == fault.path or (whole and n == whole)), None)


def _source(base: Base) -> str:
    return shown(base.inputs.path)


def _hash(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
