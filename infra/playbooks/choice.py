"""What of a run is wanted: some servers, some roles, or only to be told what would change."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from capacity.faults import BadInput, Fault

_SEPARATORS = re.compile(r"[,:]")


@dataclass(frozen=True, slots=True)
class Choice:
    """All by default. `limit` and `tags` are lists as Ansible takes them; `check` only says what would change."""

    check: bool = False
    limit: str = ""
    tags: str = ""

    def options(self) -> list[str]:
        """As Ansible's own options."""
        out = ["--check", "--diff"] if self.check else []
        out += ["--limit", shlex.quote(self.limit)] if self.limit else []
        return out + (["--tags", shlex.quote(self.tags)] if self.tags else [])

    @property
    def whole(self) -> bool:
        """Whether all servers and roles are meant."""
        return not self.limit and not self.tags

    def check_against(self, inventory: Mapping[str, Any], playbook: Path) -> None:
        """Raise BadInput for every server, group and tag that there is not: Ansible would do nothing, in silence."""
        known = {*inventory["all"]["hosts"], *inventory["all"]["children"], "all"}
        faults = [*_unknown("--limit", self.limit, known), *_unknown("--tags", self.tags, set(_tags(playbook)))]
        if faults:
            raise BadInput(faults)


def _unknown(option: str, value: str, known: set[str]) -> Iterator[Fault]:
    for word in filter(None, _SEPARATORS.split(value)):
        name = word.strip().lstrip("!&")
        if not any(fnmatchcase(each, name) for each in known):
            yield Fault(
                "command line", option, word, "there is no such name here", f"Use one of {', '.join(sorted(known))}."
            )


def _tags(playbook: Path) -> Iterator[str]:
    for play in yaml.safe_load(playbook.read_text(encoding="utf-8")):
        for part in (play, *play.get("roles", ()), *play.get("tasks", ())):
            tags: Iterable[str] | str = part.get("tags", ())
            yield from [tags] if isinstance(tags, str) else tags
