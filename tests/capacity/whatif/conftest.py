"""The national plan with few draws, in a folder of its own, with its lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from capacity.progress import Silent
from capacity.whatif.session import WhatIf
from tests.capacity.whatif.small import small_plan


@pytest.fixture(scope="package")
def session(tmp_path_factory: pytest.TempPathFactory) -> WhatIf:
    """Solved once; tests only ask it."""
    found = WhatIf(small_plan(tmp_path_factory.mktemp("what-if")))
    found.prepare(Silent())
    return found


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A plan of one's own."""
    return small_plan(tmp_path)
