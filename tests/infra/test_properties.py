"""Property values survive the way through the protocol, marks included."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.properties import (
    UNKNOWN,
    Secret,
    from_struct,
    has_unknown,
    marked_like,
    revealed,
    to_struct,
)

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
MARKED = st.recursive(
    PLAIN | st.just(UNKNOWN),
    lambda inner: (
        st.builds(Secret, inner) | st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(max_size=6), MARKED, max_size=5)


@given(OBJECTS)
def test_values_come_back_as_they_went(values: dict[str, Any]) -> None:
    assert from_struct(to_struct(values)) == values


@given(OBJECTS)
def test_marks_are_put_back_where_they_were(values: dict[str, Any]) -> None:
    plain = revealed(values)
    assert revealed(marked_like(plain, values)) == plain
    assert _secret_free(plain)
    again = marked_like(plain, values)
    assert _secret_free(again) == _secret_free(values)


def _secret_free(value: Any) -> bool:
    if isinstance(value, Secret):
        return False
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(_secret_free(part) for part in parts)


def test_an_unknown_is_found_inside_a_secret() -> None:
    assert has_unknown({"a": [1, Secret({"b": UNKNOWN})]})
    assert not has_unknown({"a": [1, Secret({"b": "x"})]})


def test_a_secret_does_not_print_itself() -> None:
    assert "hush" not in repr(Secret("hush"))


def test_what_has_no_place_in_an_object_is_refused() -> None:
    with pytest.raises(TypeError):
        to_struct({"a": {1, 2}})
