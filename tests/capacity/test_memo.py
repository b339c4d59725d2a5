"""Remembered results: found by equal content, by nothing less, and only as far as a function may read."""

from __future__ import annotations

import numpy as np
import pytest

from capacity.launch import Launch
from capacity.memo import Memo, narrowed
from tests.capacity.nation import launch, varied


def double(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return values * 2


def months(plan: Launch) -> int:
    return plan.horizon.months


def test_equal_content_is_found_and_other_content_is_not() -> None:
    call = Memo()
    first = call(double, np.arange(3.0))
    assert call(double, np.arange(3.0)) is first
    assert call(double, np.arange(4.0)).tolist() == [0, 2, 4, 6]
    assert call.computed == ["double", "double"]


def test_a_remembered_result_is_known_as_an_argument() -> None:
    call = Memo()
    assert call(double, call(double, np.ones(2))) is call(double, call(double, np.ones(2)))
    assert len(call.computed) == 2


def test_how_a_function_works_does_not_enter_the_key() -> None:
    def loud(x: int, voice: str = "") -> str:
        return f"{x}{voice}"

    call = Memo()
    assert call(loud, 1, voice="a") == call(loud, 1, voice="b") == "1a"


def test_words_are_compared_by_content_not_by_identity() -> None:
    call = Memo()

    def joined(words: list[str]) -> str:
        return "".join(words)

    one = "".join(["ab", "c"])
    call(joined, [one, one])
    call(joined, ["abc", "".join(["a", "bc"])])
    assert call.computed == ["joined"]


def test_the_least_recently_used_goes_first() -> None:
    call = Memo(most=3000)
    for n in (1, 2, 1, 3, 1):
        call(double, np.full(150, float(n)))
    call.computed.clear()
    call(double, np.full(150, 1.0))
    assert call.computed == []
    call(double, np.full(150, 2.0))
    assert call.computed == ["double"]


def test_a_narrowed_document_has_the_named_fields_alone() -> None:
    seen = narrowed(launch(), "horizon", "design.quantile")
    assert seen.design.quantile == launch().design.quantile
    with pytest.raises(AttributeError):
        _ = seen.design.headroom
    with pytest.raises(AttributeError):
        _ = seen.leasing


def test_what_a_function_cannot_read_does_not_part_its_results() -> None:
    call = Memo()
    call(months, narrowed(launch(), "horizon"))
    call(months, narrowed(varied(seed=7).launch, "horizon"))
    assert call.computed == ["months"]
