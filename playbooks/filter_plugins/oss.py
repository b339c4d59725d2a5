"""Filters of the playbooks."""

from __future__ import annotations

from typing import Any


class FilterModule:
    """Ansible finds the filters here."""

    def filters(self) -> dict[str, Any]:
        """Name → filter."""
        return {"oss_private_file": private_file}


def private_file(item: dict[str, str]) -> dict[str, str]:
    """A file that only its owner reads, from `{key: name, value: content, folder, owner}`, as `host_files` takes it."""
    return {
        "path": f"{item['folder']}/{item['key']}",
        "content": item["value"],
        "mode": "0600",
        "owner": item["owner"],
        "group": item["owner"],
    }
