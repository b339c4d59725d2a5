"""The catalogue is whole, and figures follow each locale."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from capacity.documents import REPOSITORY
from capacity.faults import BadInput
from capacity.launch import plan_path
from capacity.leaseplan import load_lease_plan, lock_path
from capacity.report.language import LANGUAGES, language, load_catalogue
from capacity.report.plan_texts import figures, load_plan_texts
from capacity.report.sections.words import assumption_name
from capacity.report.values import Day, Number, Quoted, Report, Rupiah, Say, Share, every


def test_every_key_in_the_code_is_in_the_catalogue() -> None:
    catalogue = load_catalogue()
    sources = [*(REPOSITORY / "capacity" / "report").rglob("*.py"), REPOSITORY / "oss" / "report.py"]
    sources = [p for p in sources if "rehearsal" not in p.parts]
    sources.append(REPOSITORY / "capacity" / "report" / "page.html.j2")
    used = {k for p in sources for k in re.findall(r'say\(\s*"([a-z_]+\.[a-z0-9_]+)"', p.read_text(encoding="utf-8"))}
    assert len(used) > 100
    assert used <= set(catalogue), sorted(used - set(catalogue))


def test_every_rule_role_and_group_in_the_lock_has_a_word() -> None:
    catalogue = load_catalogue()
    plan = load_lease_plan(lock_path(plan_path(None)), verify=False)
    used = {f"rule.{b.rule}" for p in plan.phases for b in p.bindings}
    used |= {f"people.rule_{s.rule}" for s in plan.people} | {f"people.{s.group}" for s in plan.people}
    used |= {f"role.{s.role}" for s in plan.servers} | {f"people.{s.group}" for s in plan.shifts}
    used |= {name.key for a in plan.assumptions if isinstance(name := assumption_name(a.id), Say)}
    assert used <= set(catalogue), sorted(used - set(catalogue))


def test_every_text_of_the_plan_has_its_indonesian(report: Report) -> None:
    assert language("id").missing(report) == ()
    assert any(isinstance(value, Quoted) for value in every(report))


@pytest.mark.parametrize(
    ("english", "expected"),
    [
        ("P10 0.6, P50 1, P90 1.9", "P10 0,6; P50 1; P90 1,9"),
        ("usage.csv: own estimate; spread estimated", "usage.csv: perkiraan sendiri; sebaran diperkirakan"),
        ("own estimate; read in tea leaves", "perkiraan sendiri; read in tea leaves"),
    ],
)
def test_plan_texts_are_put_in_indonesian(english: str, expected: str) -> None:
    assert language("id").text(Quoted(english)) == expected
    assert language("en").text(Quoted(english)) == english


def test_figures_in_indonesian_details_are_put_right() -> None:
    assert (
        figures("75,786.0 GB cakram: 2 + 1, 0.1 inti, 1.234 unit") == "75.786,0 GB cakram: 2 + 1, 0,1 inti, 1.234 unit"
    )


def test_a_plan_text_that_counts_other_figures_is_named(tmp_path: Path) -> None:
    path = tmp_path / "texts.yaml"
    path.write_text('"# days": hari\nweeks:\n', encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        load_plan_texts(path)
    assert [f.problem for f in caught.value.faults] == ["counts other figures", "has no Indonesian text"]


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
