"""Changing single values of a YAML or CSV text and nothing else of it: comments and layout stay."""

from __future__ import annotations

import copy
import csv
import datetime as dt
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from capacity.documents import parse_yaml

Scalar = str | int | float | dt.date
Changed = Scalar | Sequence[Scalar]
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def steps(path: str) -> list[str | int]:
    """`phases[0].start` → ["phases", 0, "start"]."""
    return [int(number) if number else name for name, number in _STEP.findall(path)]


@dataclass(frozen=True, slots=True)
class YamlText:
    """A YAML text, its data, and where each value stands in it (path → first and last place)."""

    text: str
    data: Any
    places: Mapping[str, tuple[int, int]]

    @classmethod
    def of(cls, text: str, source: str) -> YamlText:
        """Read a text. Raises BadInput when it is no YAML."""
        data = parse_yaml(text, source)
        places: dict[str, tuple[int, int]] = {}
        root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        if root is not None:
            _walk(root, "", places, {})
        return cls(text, data, places)

    def value(self, path: str) -> Any:
        """The value at a path; KeyError or IndexError when there is none."""
        found = self.data
        for step in steps(path):
            found = found[step]
        return found

    def changed(self, values: Mapping[str, Changed]) -> tuple[str, Any, bool]:
        """The text with other values at some paths, its data, and whether its comments and layout were kept.

        They are lost (the text is written afresh) where a value cannot be changed in place: behind an anchor that
        other values share, or where the key is not written down.
        """
        if not values:
            return self.text, self.data, True
        wanted = copy.deepcopy(self.data)
        for path, value in values.items():
            *way, last = steps(path)
            part = wanted
            for step in way:
                part = part[step]
            part[last] = list(value) if isinstance(value, list | tuple) else value
        if all(path in self.places for path in values):
            text = self.text
            for path in sorted(values, key=lambda p: self.places[p], reverse=True):
                first, last_place = self.places[path]
                text = text[:first] + _written(values[path]) + text[last_place:]
            if (read := parse_yaml(text, "")) == wanted:
                return text, read, True
        return yaml.safe_dump(wanted, sort_keys=False, allow_unicode=True, width=120), wanted, False


def _walk(node: yaml.Node, path: str, places: dict[str, tuple[int, int]], seen: dict[int, str]) -> None:
    first = seen.setdefault(id(node), path)
    if first != path:  # an alias: its text stands at the anchor, and others use it
        for name in [p for p in places if p == first or p.startswith((f"{first}.", f"{first}["))]:
            del places[name]
        return
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            _walk(value, f"{path}.{key.value}" if path else str(key.value), places, seen)
        return
    end = node.end_mark.index
    if isinstance(node, yaml.SequenceNode):
        for n, item in enumerate(node.value):
            _walk(item, f"{path}[{n}]", places, seen)
        if not node.flow_style and node.value:
            end = node.value[-1].end_mark.index
    places[path] = (node.start_mark.index, end)


def _written(value: Changed) -> str:
    """A value in YAML's flow style."""
    match value:
        case str():
            return json.dumps(value, ensure_ascii=False)
        case dt.date():
            return value.isoformat()
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            text = repr(value)
            return format(value, "f") if "e" in text else text  # YAML 1.1 reads 1e-05 as a word
        case _:
            return "[" + ", ".join(v if isinstance(v, str) and _plain(v) else _written(v) for v in value) + "]"


def _plain(word: str) -> bool:
    """Whether a word means itself without quotes, as codes of provinces do."""
    return re.fullmatch(r"[A-Z]+-[A-Z]+", word) is not None


def csv_changed(text: str, key: str, values: Mapping[str, Mapping[str, str]]) -> str:
    """The CSV text with some cells changed: row (by its `key` column) → column → cell. Other lines stay as they are."""
    out: list[str] = []
    header: list[str] = []
    for record, row in _records(text):
        cells = values.get(row[header.index(key)]) if header and row else None
        if not header:
            header = row
        if not cells:
            out.append(record)
            continue
        for column, cell in cells.items():
            row[header.index(column)] = cell
        line = io.StringIO()
        csv.writer(line, lineterminator="\r\n" if record.endswith("\r\n") else "\n").writerow(row)
        out.append(line.getvalue())
    return "".join(out)


def _records(text: str) -> list[tuple[str, list[str]]]:
    """Each record as it is written, and its cells; a quoted cell may hold line breaks."""
    lines = io.StringIO(text, newline="").readlines()
    reader = csv.reader(lines)
    records: list[tuple[str, list[str]]] = []
    done = 0
    for row in reader:
        records.append(("".join(lines[done : reader.line_num]), row))
        done = reader.line_num
    return records
