"""Filters that turn what the roles are given into what the module `host_files` takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class FilterModule:
    """Ansible finds the filters here."""

    def filters(self) -> dict[str, Any]:
        """Name → filter."""
        return {"as_private_files": as_private_files, "as_links": as_links}


def as_private_files(contents: Mapping[str, str], folder: str, owner: str = "root") -> list[dict[str, str]]:
    """File name → content, as files of `folder` that only `owner` can read."""
    return [
        {"path": f"{folder}/{name}", "content": content, "mode": "0400", "owner": owner, "group": "root"}
        for name, content in sorted(contents.items())
    ]


def as_links(names: Iterable[str], folder: str, target: str) -> list[dict[str, str]]:
    """Names, as links in `folder` to the files of those names in `target`."""
    return [{"path": f"{folder}/{name}", "target": f"{target}/{name}"} for name in names]
