"""Indonesian of the texts that the launch plan and its tables hold in English only, with figures the Indonesian way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from capacity.documents import read_yaml, shown
from capacity.faults import BadInput, Fault

PLAN_TEXTS = Path(__file__).with_name("plan_texts.yaml")
_FIGURE = re.compile(r"\d+(?:[.,]\d+)*")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d{1,2}(?!\d)")
_TABLE = re.compile(r"^[a-z_]+\.csv: ")


@cache
def load_plan_texts(path: Path = PLAN_TEXTS) -> Mapping[str, str]:
    """English text with `#` for figures → Indonesian. BadInput names an entry that is empty or counts other figures."""
    data = read_yaml(path)
    faults = []
    for english, indonesian in (data if isinstance(data, dict) else {}).items():
        key, value = str(english), str(indonesian or "")
        if not value.strip():
            faults.append(Fault(shown(path), key, "", "has no Indonesian text", "Translate it."))
        elif key.count("#") != value.count("#"):
            faults.append(Fault(shown(path), key, value, "counts other figures", "Keep every # in its order."))
    if not isinstance(data, dict):
        faults.append(Fault(shown(path), "", "", "holds no texts", "Restore the file."))
    if faults:
        raise BadInput(faults)
    return {str(english): str(indonesian) for english, indonesian in data.items()}


def figure(text: str) -> str:
    """A figure written the English way (1,234.5), the Indonesian way (1.234,5)."""
    return text.translate(str.maketrans(".,", ",."))


def figures(text: str) -> str:
    """An Indonesian text with the figures that stand in it the English way, `50,000` and `0.1`, put right."""
    return _GROUPED.sub(lambda found: figure(found.group()), text)


def indonesian(text: str, texts: Mapping[str, str]) -> str:
    """The text in Indonesian; a part without a translation stays English."""
    if (whole := _whole(text, texts)) is not None:
        return whole
    return "; ".join(_part(part, texts) or part for part in text.split("; "))


def untranslated(text: str, texts: Mapping[str, str]) -> tuple[str, ...]:
    """The parts of a text that have no Indonesian."""
    if not text or _whole(text, texts) is not None:
        return ()
    return tuple(part for part in text.split("; ") if _part(part, texts) is None)


def _part(text: str, texts: Mapping[str, str]) -> str | None:
    table = _TABLE.match(text)
    head = table.group() if table else ""
    rest = _whole(text.removeprefix(head), texts)
    return None if rest is None else head + rest


def _whole(text: str, texts: Mapping[str, str]) -> str | None:
    form = texts.get(_FIGURE.sub("#", text))
    if form is None:
        return None
    numbers = iter(_FIGURE.findall(text))
    return re.sub("#", lambda _: figure(next(numbers)), form)
