"""What all tests share: cheap ones run first, whole rehearsals last, and properties try the same examples each time.

A property that fails by the luck of a draw would stop a change that has nothing to do with it. New examples are looked
for on purpose: `pytest --hypothesis-profile=search tests/capacity`. None has a deadline: how long an example takes on a
busy machine says nothing about the code.
"""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("fixed", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=300, print_blob=True)
settings.load_profile("fixed")

_LATE_MARKS = ("toolchain", "rack", "e2e")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order tests by cost: unmarked, then those with binaries, with a rack, and whole rehearsals."""
    items.sort(
        key=lambda item: max(
            (_LATE_MARKS.index(m.name) + 1 for m in item.iter_markers() if m.name in _LATE_MARKS), default=0
        )
    )
