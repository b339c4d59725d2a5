"""The page and its answers as HTML, from fields and differences to text of one language."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from capacity.report.language import Lang, Language, language, load_catalogue
from capacity.report.values import Both, Day, Listing, Number, Raw, Rupiah, Say, Share, Value
from capacity.whatif.changes import FieldFault
from capacity.whatif.difference import Difference, Direction, difference
from capacity.whatif.fields import ALL_RENTS, GROUPS, SURGE, Field
from capacity.whatif.session import Outcome, WhatIf
from oss.serving.sentences import Sentences

CATALOGUE = Path(__file__).with_name("catalogue.yaml")
STAGES = {
    "adoption, calendar, draws": "stage.demand",
    "busiest hours": "stage.hours",
    "replicas and servers": "stage.replicas",
    "leases": "stage.leases",
    "predictions, people, cost": "stage.rest",
}
"""The planner's words for its stages."""
OPEN_GROUPS = ("starts", "surge", "certainty", "redundancy", "terms")
_ARROWS: dict[Direction, str] = {"more": "▲", "less": "▼", "same": "="}


def words_of(code: Lang) -> Language:
    """The report's language with the texts of this page beside its own."""
    plain = language(code)
    return dataclasses.replace(plain, catalogue={**plain.catalogue, **load_catalogue(CATALOGUE)})


class Pages:
    """Everything that is shown, in one language."""

    def __init__(self, session: WhatIf, code: Lang) -> None:
        self.words = words_of(code)
        self._session = session
        self._sentences = Sentences(self.words) if code == "id" else None
        self._inputs = session.base.inputs
        environment = Environment(
            loader=FileSystemLoader(Path(__file__).with_name("templates")),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals |= {"say": self.words.say, "t": self.words.text, "lang": code, "arrow": _ARROWS.__getitem__}
        environment.filters |= {
            "typed": self.typed,
            "label": self.label,
            "signed": self._signed,
            "text": self.words.text,
            "raw": Raw,
        }
        environment.filters |= {"vendor": lambda at: at.split("|")[0], "term": lambda at: at.split("|")[1]}
        self._page = environment.get_template("page.html.j2")
        self._result = environment.get_template("result.html.j2")

    def page(self) -> str:
        """The whole page, with the plan as it is."""
        groups: dict[str, list[Field]] = {name: [] for name in GROUPS}
        for field in self._session.base.fields.values():
            groups[field.group].append(field)
        return self._page.render(
            groups=groups,
            open_groups=OPEN_GROUPS,
            plan=self._session.plan,
            surge=SURGE,
            all_rents=ALL_RENTS,
            skus={s.id: Both(s.description_id, s.description_en) for s in self._inputs.skus},
            provinces=_by(groups["provinces"], "column"),
            rows={name: _by(groups[name], "row") for name in ("surge", "prices", "slo")},
        )

    def result(self, outcome: Outcome, key: str) -> dict[str, Any]:
        """What the page puts in place of the results before: HTML, the totals, and what is read aloud."""
        found = difference(self._session.plan, outcome.plan)
        html = self._result.render(
            found=found, outcome=outcome, changes=self._changes(outcome), key=key, stem=self._inputs.path.stem
        )
        totals = {
            "total": self.words.text(self._money(found, Rupiah(found.total))),
            "difference": f"{_ARROWS[_way(found.change)]} {self._signed(Rupiah(found.change))}",
            "servers": self.words.text(Number(found.servers)) + f" ({self._signed(Number(found.servers_change))})",
        }
        return {"html": html, "totals": totals, "spoken": self._spoken(found), "key": key}

    def stage(self, what: str) -> str:
        """A stage of the planner in words."""
        return self.words.say(STAGES[what]) if what in STAGES else what

    def faults(self, faults: Sequence[FieldFault]) -> list[dict[str, str | None]]:
        """Faults for the page: each with its field, its text and the language of that.

        A sentence without an Indonesian one stays English, as `oss plan` says it.
        """
        out: list[dict[str, str | None]] = []
        for found in faults:
            problem, remedy, lang = self.sentences(found.fault.problem, found.fault.remedy)
            value = found.fault.value.strip("'")
            shown = f" ({self.words.say('page.found') if lang == 'id' else 'found'}: {value})" if value else ""
            text = f"{problem}{shown}. {remedy}"
            out.append({"field": found.field, "text": text[0].upper() + text[1:], "lang": lang})
        return out

    def sentences(self, problem: str, remedy: str) -> tuple[str, str, Lang]:
        """What is wrong and what to do, in this language where all of it is known, and the language it is in."""
        if self._sentences is not None:
            said, advised = self._sentences.translated(problem), self._sentences.translated(remedy)
            if said is not None and advised is not None:
                return said, advised, "id"
        return problem, remedy, "en"

    def label(self, field: Field) -> str:
        """What a field is, in full: also where it stands in a table."""
        return self.words.text(self._label(field))

    def _label(self, field: Field) -> Value:
        number = Raw(field.row)
        match field.group:
            case "starts":
                return Say("field.starts", {"n": number})
            case "provinces":
                return Raw(f"{field.row} ({field.column})")
            case "surge":
                return Listing((Say(f"field.{field.row}"), Raw(field.column.upper())))
            case "redundancy":
                return Say("field.redundancy", {"role": Say(f"role.{field.row}")})
            case "terms":
                return Say("field.terms" if field.kind == "months" else f"field.{field.row}")
            case "prices" if field.kind == "rise":
                return Say("field.rise")
            case "prices":
                vendor, term = field.column.split("|")
                return Listing((Raw(field.row), Raw(vendor), Say("field.months", {"n": Raw(term)})))
            case "supporting":
                item = next(s for s in self._inputs.supporting if s.id == field.row)
                return Both(item.description_id, item.description_en)
            case "slo":
                return Raw(f"{field.row}, {field.column.upper()}")
            case "certainty":
                return Say(f"field.{field.row}")

    def typed(self, field: Field) -> str:
        """A field's value as a person would type it."""
        value = field.value
        if isinstance(value, dt.date):
            return value.isoformat()
        if isinstance(value, tuple):
            return " ".join(map(str, value))
        if field.kind == "rupiah":
            return self.words.text(Number(value))
        number = value * 100 if field.kind in ("percent", "rise") else value
        text = f"{round(number, 8):g}" if abs(number) < 1e6 else str(number)
        return text.replace(".", ",") if self.words.code == "id" else text

    def _changes(self, outcome: Outcome) -> list[tuple[str, str, str]]:
        """(field, in the plan, tried) of every change."""
        known = self._session.base.fields
        return [
            (self.label(known[name]), self._shown(known[name], known[name].value), self._shown(known[name], value))
            for name, value in outcome.variant.values.items()
        ]

    def _shown(self, field: Field, value: Any) -> str:
        if isinstance(value, dt.date):
            return self.words.text(Day(value))
        if isinstance(value, list | tuple):
            return ", ".join(map(str, value))
        if field.kind == "rupiah":
            return self.words.text(Rupiah(int(value)))
        if field.kind == "phase":
            return self.words.say("word.phase_n", n=Number(value))
        if field.kind in ("percent", "rise"):
            return self.words.text(Share(value, 1))
        return self.typed(dataclasses.replace(field, value=value))

    def _spoken(self, found: Difference) -> str:
        total, servers = self._money(found, Rupiah(found.total)), Number(found.servers)
        if not found.change and not found.servers_change:
            return self.words.say("say.same", total=total, servers=servers)
        return self.words.say(
            "say.done",
            total=total,
            change=Rupiah(abs(found.change)),
            direction=Say(f"grid.{_way(found.change)}"),
            servers=servers,
            server_direction=Say(f"grid.{_way(found.servers_change)}"),
            server_change=Number(abs(found.servers_change)),
        )

    def _money(self, found: Difference, amount: Rupiah) -> Value:
        return Say("word.indicative_amount", {"amount": amount}) if found.indicative else amount

    def _signed(self, value: Value) -> str:
        text = self.words.text(value)
        above = (isinstance(value, Rupiah) and value.amount > 0) or (isinstance(value, Number) and value.value > 0)
        return f"+{text}" if above else text


def _way(change: float) -> Direction:
    return "more" if change > 0 else "less" if change < 0 else "same"


def _by(fields: Sequence[Field], part: str) -> Mapping[str, list[Field]]:
    out: dict[str, list[Field]] = {}
    for field in fields:
        out.setdefault(getattr(field, part), []).append(field)
    return out
