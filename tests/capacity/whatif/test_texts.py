"""Changing values in place: the values change, and nothing else of the text does."""

from __future__ import annotations

import datetime as dt

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from capacity.whatif.texts import YamlText, csv_changed, steps
from tests.capacity.nation import PLAN

TEXT = """\
# kept: é – ünï
start: 2018-08-06  # a Monday
numbers: {a: 1, b: 2.5}   # both
flow: [ID-JK, ID-BT]  # codes
block:
  - x  # first
  - y
last: "end"
"""


def test_values_change_and_comments_stay() -> None:
    text, data, kept = YamlText.of(TEXT, "").changed(
        {"start": dt.date(2018, 9, 3), "numbers.b": 0.00001, "flow": ["ID-JK"], "last": 'a "b": c'}
    )
    assert kept
    assert data["start"] == dt.date(2018, 9, 3)
    assert data["numbers"]["b"] == 0.00001
    assert data["last"] == 'a "b": c'
    assert "start: 2018-09-03  # a Monday" in text
    assert "flow: [ID-JK]  # codes" in text
    assert text.startswith("# kept: é – ünï")


def test_a_block_list_becomes_a_flow_list_in_its_place() -> None:
    text, data, kept = YamlText.of(TEXT, "").changed({"block": ["y"]})
    assert kept
    assert data["block"] == ["y"]
    assert text.endswith('last: "end"\n')


def test_a_value_that_others_share_is_changed_at_the_price_of_the_comments() -> None:
    shared = YamlText.of("a: &v 1  # one\nb: *v\n", "")
    text, data, kept = shared.changed({"a": 2})
    assert not kept
    assert data == {"a": 2, "b": 1} == yaml.safe_load(text)


def test_no_change_is_the_text_itself() -> None:
    assert YamlText.of(TEXT, "").changed({})[0] == TEXT


@pytest.mark.parametrize(("path", "expected"), [("a[0].b", ["a", 0, "b"]), ("x.y_z", ["x", "y_z"])])
def test_paths(path: str, expected: list[str | int]) -> None:
    assert steps(path) == expected


@given(st.one_of(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])), st.integers(-(10**9), 10**9)))
def test_anything_written_is_read_again(value: str | int) -> None:
    _, data, kept = YamlText.of(TEXT, "").changed({"last": value})
    assert kept
    assert data["last"] == value


def test_every_place_of_the_national_plan_holds_its_value() -> None:
    plan = YamlText.of(PLAN.read_text(encoding="utf-8"), "")
    for path in ("phases[1].start", "roles[2].redundancy", "leasing.terms_months", "design.quantile"):
        first, last = plan.places[path]
        assert yaml.safe_load(plan.text[first:last]) == plan.value(path)


def test_only_the_named_row_of_a_table_changes() -> None:
    text = 'id,rent,note\r\na,1,"x, y"\r\nb,2,"two\r\nlines"\r\nc,3,\r\n'
    changed = csv_changed(text, "id", {"b": {"rent": "9"}})
    assert changed == 'id,rent,note\r\na,1,"x, y"\r\nb,9,"two\r\nlines"\r\nc,3,\r\n'
    assert csv_changed(text, "id", {}) == text
