"""How many task runs a playbook comes to, counted from its files, so that a run can say what is left."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import yaml

_VARIABLE = re.compile(r"\{\{ *(\w+) *\}\}")
_IN_GROUP = re.compile(r"'(\w+)' in group_names")


def expected_tasks(playbook: Path, inventory: Mapping[str, Any]) -> int:
    """Task runs over all servers. Conditions on groups are honoured; handlers are not counted.

    `inventory` is in the form of `infra.playbooks.inventory`. A skipped task counts: Ansible reports it too.
    """
    hosts: Mapping[str, Mapping[str, Any]] = inventory["all"]["hosts"]
    groups: dict[str, Set[str]] = {n: set(g.get("hosts", ())) for n, g in inventory["all"]["children"].items()}
    groups["all"] = set(hosts)
    roles = playbook.parent / "roles"
    total = 0
    for play in _read(playbook):
        members = {host for name in play["hosts"].split(":") for host in groups.get(name, ())}
        for host in members:
            total += sum(_role(roles / role["role"], hosts[host]) for role in play.get("roles", ()))
            for task in play.get("tasks", ()):
                wanted = _IN_GROUP.search(str(task.get("when", "")))
                total += 1
                if (included := task.get("ansible.builtin.include_role")) and (
                    wanted is None or host in groups.get(wanted[1], ())
                ):
                    total += _role(roles / included["name"], hosts[host])
    return total


def _role(role: Path, variables: Mapping[str, Any]) -> int:
    validation = int((role / "meta" / "argument_specs.yml").exists())
    return validation + _file(role / "tasks" / "main.yml", variables)


def _file(path: Path, variables: Mapping[str, Any]) -> int:
    total = 0
    for task in _read(path):
        included, imported = task.get("ansible.builtin.include_tasks"), task.get("ansible.builtin.import_tasks")
        if name := included or imported:
            name = _VARIABLE.sub(lambda found: str(variables.get(found[1], "")), name)
            total += int(bool(included)) + _file(path.parent / name, variables)
        elif "ansible.builtin.meta" not in task:
            total += 1
    return total


def _read(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load(path.read_text(encoding="utf-8")) or []) if path.is_file() else []
