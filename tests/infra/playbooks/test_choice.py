"""Which servers and roles a run is limited to: names that do not exist are refused, all at once."""

from __future__ import annotations

from typing import Any

import pytest

from capacity.faults import BadInput
from infra.playbooks import Choice
from infra.playbooks.runner import PLAYBOOKS

INVENTORY: dict[str, Any] = {"all": {"hosts": {"primary-edge-01": {}}, "children": {"edge": {}, "site_primary": {}}}}
SITE = PLAYBOOKS / "site.yml"


@pytest.mark.parametrize(
    "limit", ["", "all", "edge", "primary-edge-01", "all:!edge", "site_primary:&edge", "primary-*"]
)
def test_names_groups_and_patterns_are_taken(limit: str) -> None:
    Choice(limit=limit, tags="base,kubernetes").check_against(INVENTORY, SITE)


def test_every_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(BadInput) as caught:
        Choice(limit="edge,egde:!nobody", tags="base,bsae").check_against(INVENTORY, SITE)
    assert [(fault.path, fault.value) for fault in caught.value.faults] == [
        ("--limit", "egde"),
        ("--limit", "!nobody"),
        ("--tags", "bsae"),
    ]
    assert "primary-edge-01" in caught.value.faults[0].remedy
    assert "postgresql" in caught.value.faults[2].remedy


def test_words_reach_ansible_as_one_argument_each() -> None:
    options = Choice(check=True, limit="a b; reboot", tags="base").options()
    assert options == ["--check", "--diff", "--limit", "'a b; reboot'", "--tags", "base"]
