"""The planner's sentences in Indonesian: faults are raised in English, and officers read Indonesian first."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capacity.documents import read_yaml, shown
from capacity.faults import BadInput, Fault
from capacity.report.language import Language
from capacity.report.values import Day

SENTENCES = Path(__file__).with_name("sentences.yaml")
_NAME = re.compile(r"\{(\w+)\}")
_NUMBER = re.compile(r"-?(\d{1,3}(,\d{3})+(\.\d+)?|\d+\.\d{1,2})")
"""As English writes it. Rupiah have their Indonesian points already: three digits after one are thousands."""
_BREAKS = ("; ", ". ")


@dataclass(frozen=True, slots=True)
class _Sentence:
    """What an English sentence looks like, and its Indonesian with the same names in braces."""

    pattern: re.Pattern[str]
    indonesian: str


class Sentences:
    """All sentences that are known, in one language."""

    def __init__(self, words: Language, path: Path = SENTENCES) -> None:
        """Read the sentences. Raises BadInput when one names what its English does not."""
        self._words = words
        self._known = tuple(_read(read_yaml(path), shown(path)))

    def translated(self, text: str) -> str | None:
        """`text` in Indonesian, or None where a sentence of it is not known. Joined sentences are taken apart."""
        if not text:
            return ""
        end = "." if text.endswith(".") else ""
        plain = text.removesuffix(".")
        # Apart first: what varies in a sentence could be taken to reach over the next one.
        for mark in _BREAKS:
            for first in _splits(plain, mark):
                rest = plain[len(first) + len(mark) :]
                if (head := self.translated(first)) is not None and (tail := self.translated(rest)) is not None:
                    return f"{head}{mark}{tail}{end}"
        for sentence in self._known:
            if (found := sentence.pattern.fullmatch(plain)) is not None:
                given = {name: self._value(value) for name, value in found.groupdict().items()}
                return sentence.indonesian.format(**given) + end
        return None

    def _value(self, value: str) -> str:
        """A number or a day as this language writes it; anything else, a name or an identifier, as it is."""
        if _NUMBER.fullmatch(value):
            return value.translate(str.maketrans(",.", ".,"))
        try:
            return self._words.text(Day(dt.date.fromisoformat(value)))
        except ValueError:
            return value


def _splits(text: str, mark: str) -> Iterator[str]:
    at = text.find(mark)
    while at >= 0:
        yield text[:at]
        at = text.find(mark, at + 1)


def _read(pairs: Any, source: str) -> Iterator[_Sentence]:
    faults = []
    for n, pair in enumerate(pairs):
        if strays := set(_names(pair["id"])) - set(_names(pair["en"])):
            problem = "names what the English sentence does not"
            faults.append(Fault(source, f"[{n}].id", ", ".join(sorted(strays)), problem, "Use its names in braces."))
    if faults:
        raise BadInput(faults)
    for pair in pairs:
        yield _Sentence(_pattern(pair), pair["id"])


def _names(text: str) -> list[str]:
    return _NAME.findall(text)


def _pattern(pair: Mapping[str, str]) -> re.Pattern[str]:
    parts = _NAME.split(pair["en"])
    out = "".join(f"(?P<{part}>.+?)" if n % 2 else re.escape(part) for n, part in enumerate(parts))
    return re.compile(out, re.DOTALL)
