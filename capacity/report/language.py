"""Turns the values of the view model into text of one language, by its catalogue and its locale's formats."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from babel.dates import format_date, format_time
from babel.numbers import format_decimal, format_percent

from capacity.documents import read_yaml, shown
from capacity.faults import BadInput, Fault
from capacity.report.plan_texts import indonesian, load_plan_texts, untranslated
from capacity.report.values import (
    Both,
    Day,
    Hour,
    InWords,
    Listing,
    Number,
    Quoted,
    Raw,
    Report,
    Rupiah,
    Say,
    Share,
    Value,
    every,
)
from capacity.report.words import english, terbilang

Lang = Literal["id", "en"]
LANGUAGES: tuple[Lang, ...] = get_args(Lang)
CATALOGUE = Path(__file__).with_name("catalogue.yaml")
_LOCALES = {"id": "id_ID", "en": "en_GB"}


@cache
def load_catalogue(path: Path = CATALOGUE) -> dict[str, dict[Lang, str]]:
    """Key → text in each language. BadInput lists every translation that is missing or has other placeholders."""
    data = read_yaml(path)
    entries: dict[str, dict[Lang, str]] = {}
    faults: list[Fault] = []
    for group, texts in (data if isinstance(data, dict) else {}).items():
        for name, entry in (texts if isinstance(texts, dict) else {}).items():
            key = f"{group}.{name}"
            found = _entry(entry)
            lacking = [lang for lang in LANGUAGES if not found.get(lang, "").strip()]
            if lacking:
                faults += [Fault(shown(path), key, "", f"has no text in {lang!r}", "Translate it.") for lang in lacking]
                continue
            if len({placeholders(found[lang]) for lang in LANGUAGES}) > 1:
                text = f"{sorted(placeholders(found['id']))} in id, {sorted(placeholders(found['en']))} in en"
                faults.append(Fault(shown(path), key, text, "placeholders differ", "Use the same in both."))
            entries[key] = found
    if not entries and not faults:
        faults.append(Fault(shown(path), "", "", "holds no texts", "Restore the catalogue."))
    if faults:
        raise BadInput(faults)
    return entries


def _entry(entry: object) -> dict[Lang, str]:
    if isinstance(entry, str):  # a word that is the same in both languages
        return dict.fromkeys(LANGUAGES, entry)
    return {lang: str(entry[lang]) for lang in LANGUAGES if lang in entry} if isinstance(entry, dict) else {}


def placeholders(text: str) -> frozenset[str]:
    """The names in braces."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name)


@dataclass(frozen=True, slots=True)
class Language:
    """One language: `text(value)` is the only way from a value to words and figures."""

    code: Lang
    catalogue: dict[str, dict[Lang, str]]
    plan_texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def locale(self) -> str:
        """The CLDR locale that sets separators, month names and signs."""
        return _LOCALES[self.code]

    def say(self, key: str, **values: Value) -> str:
        """A text of the catalogue, filled in."""
        return self.text(Say(key, values))

    def text(self, value: Value) -> str:
        """The value as a reader of this language expects it. BadInput when the catalogue lacks its text."""
        match value:
            case Say(key, values, otherwise):
                entry = self.catalogue.get(key)
                if entry is None:
                    if otherwise is not None:
                        return self.text(otherwise)
                    fault = Fault(shown(CATALOGUE), key, "", "this text is missing", "Add it in every language.")
                    raise BadInput([fault])
                return entry[self.code].format(**{name: self.text(v) for name, v in values.items()})
            case Both(indonesian_text, english_text):
                return indonesian_text if self.code == "id" else english_text
            case Quoted(text):
                return indonesian(text, self.plan_texts) if self.code == "id" else text
            case Raw(text):
                return text
            case Rupiah(amount):
                sign = "-" if amount < 0 else ""
                return f"{sign}Rp{'' if self.code == 'id' else chr(0xA0)}{self._decimal(abs(amount), 0)}"
            case Number(number, digits):
                return self._decimal(number, digits)
            case Share(share, digits, signed):
                pattern = "#,##0" + ("." + "0" * digits if digits else "") + "%"
                return format_percent(share, format=f"+{pattern};-{pattern}" if signed else pattern, locale=self.locale)
            case Day(day):
                return format_date(day, "d MMMM y", locale=self.locale)
            case Hour(moment):
                clock = format_time(moment, "HH.mm" if self.code == "id" else "HH:mm", locale=self.locale)
                return f"{format_date(moment, 'd MMMM y', locale=self.locale)} {clock}"
            case InWords(amount):
                words = f"{terbilang(amount)} rupiah" if self.code == "id" else f"{english(amount)} rupiah"
                return words[0].upper() + words[1:]
            case Listing(items, separator):
                return separator.join(self.text(item) for item in items)

    def missing(self, report: Report) -> tuple[str, ...]:
        """Texts of the plan that have no Indonesian, and so stand in English in an Indonesian report."""
        if self.code == "en":
            return ()
        found = (text for value in every(report) if isinstance(value, Quoted) for text in (value.text,))
        return tuple(dict.fromkeys(part for text in found for part in untranslated(text, self.plan_texts)))

    def _decimal(self, number: float, digits: int) -> str:
        pattern = "#,##0" + ("." + "0" * digits if digits else "")
        return format_decimal(round(number, digits), format=pattern, locale=self.locale)


def language(code: Lang) -> Language:
    """The language with its catalogue and the plan's texts read and checked."""
    return Language(code, load_catalogue(), load_plan_texts())
