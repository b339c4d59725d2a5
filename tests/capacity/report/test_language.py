"""The catalogue is whole, and figures follow each locale."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from capacity.documents import REPOSITORY
from capacity.faults import BadInput
from capacity.report.language import LANGUAGES, language, load_catalogue
from capacity.report.values import Day, Number, Rupiah, Say, Share


def test_every_key_in_the_code_is_in_the_catalogue() -> None:
    catalogue = load_catalogue()
    sources = [*(REPOSITORY / "capacity" / "report").rglob("*.py"), REPOSITORY / "oss" / "report.py"]
    sources = [p for p in sources if "rehearsal" not in p.parts]
    sources.append(REPOSITORY / "capacity" / "report" / "page.html.j2")
    used = {k for p in sources for k in re.findall(r'say\(\s*"([a-z_]+\.[a-z0-9_]+)"', p.read_text(encoding="utf-8"))}
    assert len(used) > 100
    assert used <= set(catalogue), sorted(used - set(catalogue))


def test_every_roster_rule_and_role_has_a_word() -> None:
    catalogue = load_catalogue()
    people = (REPOSITORY / "capacity" / "assembly" / "people.py").read_text(encoding="utf-8")
    rules = set(re.findall(r'"(erlang_c|round_the_clock|stated|visitors)"', people))
    assert {f"people.rule_{rule}" for rule in rules} <= set(catalogue)


def test_a_missing_translation_and_a_wrong_placeholder_are_named(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text('a:\n  b: {id: satu}\n  c: {id: "{x}", en: "{y}"}\n', encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        load_catalogue(path)
    assert [(f.path, f.problem) for f in caught.value.faults] == [
        ("a.b", "has no text in 'en'"),
        ("a.c", "placeholders differ"),
    ]


def test_an_unknown_text_is_bad_input() -> None:
    with pytest.raises(BadInput, match=r"no\.such"):
        language("id").text(Say("no.such"))


@pytest.mark.parametrize(
    ("value", "indonesian", "in_english"),
    [
        (Rupiah(1_234_567), "Rp1.234.567", "Rp\u00a01,234,567"),
        (Rupiah(-5_000), "-Rp5.000", "-Rp\u00a05,000"),
        (Number(1234.5, 1), "1.234,5", "1,234.5"),
        (Share(0.937, 1), "93,7%", "93.7%"),
        (Share(-0.2, signed=True), "-20%", "-20%"),
        (Day(dt.date(2018, 8, 6)), "6 Agustus 2018", "6 August 2018"),
    ],
)
def test_figures_follow_the_locale(value: Number, indonesian: str, in_english: str) -> None:
    assert [language(code).text(value) for code in LANGUAGES] == [indonesian, in_english]
