"""What all tests share: the cheap ones run first, whole rehearsals last."""

from __future__ import annotations

import pytest

_LATE_MARKS = ("toolchain", "rack", "e2e")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order tests by cost: unmarked, then those with binaries, with a rack, and whole rehearsals."""
    items.sort(
        key=lambda item: max(
            (_LATE_MARKS.index(m.name) + 1 for m in item.iter_markers() if m.name in _LATE_MARKS), default=0
        )
    )
