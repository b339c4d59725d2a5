"""A small table of business classes (KBLI), and the search that applicants choose from.

`kbli.csv` is a stand-in for load tests, written from general knowledge of KBLI 2017 with shortened titles and
not checked against the regulation; `risk` is an estimate of ours. The real table has about 1 600 classes.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BusinessClass:
    """One class: five-digit code, short title, and which review it needs (low, medium, high)."""

    code: str
    risk: str
    title: str


@cache
def table() -> dict[str, BusinessClass]:
    """Every class by its code."""
    with Path(__file__).with_name("kbli.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: BusinessClass(row["code"], row["risk"], row["title"]) for row in csv.DictReader(file)}


def search(query: str, limit: int = 20) -> list[BusinessClass]:
    """Classes whose code begins with `query` or whose title has all its words, in order of code."""
    words = query.casefold().split()
    if not words:
        return list(table().values())[:limit]
    found = [
        entry
        for entry in table().values()
        if entry.code.startswith(words[0]) or all(word in entry.title.casefold() for word in words)
    ]
    return found[:limit]
