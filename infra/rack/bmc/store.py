"""What controllers remember through a restart: boot override, media, asset tag, indicator, and what they were asked.

One SQLite row a system, written through; reads come from memory. The controllers' process is the only writer.
"""

from __future__ import annotations

import copy
import json
import sqlite3
from pathlib import Path
from typing import Any

DEFAULTS: dict[str, Any] = {
    "power": "Off",  # as last commanded: all there is of a paper server's power, while a real server is asked
    "boot_target": "None",
    "boot_enabled": "Disabled",
    "boot_mode": "UEFI",
    "http_boot_uri": "",
    "last_boot": "",  # what the latest power-on booted from
    "secure_boot": False,
    "indicator": "Off",
    "asset_tag": None,  # None: what the vendor wrote on it
    "bios": {"BootMode": "Uefi", "ProcTurboMode": "Enabled", "ProcHyperthreading": "Enabled"},
    "versions": {},
    "media": {},  # device → image, inserted, write_protected, user name
    "requests": {},  # reset type → how often it was asked for
    "boots": 0,  # how often it really started
    "erased": {},  # drive → how often its data was erased
}


class Store:
    """Settings of every system, by id. An unknown id has the defaults."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        path.chmod(0o600)
        self._database.execute("pragma journal_mode=wal")
        self._database.execute("pragma synchronous=off")  # a crash of the machine may forget, one of the process not
        self._database.execute("create table if not exists systems (id text primary key, settings text not null)")
        rows = self._database.execute("select id, settings from systems")
        self._systems: dict[str, dict[str, Any]] = {row[0]: json.loads(row[1]) for row in rows}

    def get(self, system: str) -> dict[str, Any]:
        """The settings of a system; change them through `update` only."""
        found = self._systems.get(system)
        if found is None or found.keys() != DEFAULTS.keys():
            found = self._systems[system] = {**copy.deepcopy(DEFAULTS), **(found or {})}
        return found

    def update(self, system: str, **changes: Any) -> None:
        """Change settings and write them."""
        settings = self.get(system)
        settings.update(changes)
        text = json.dumps(settings)
        self._database.execute("insert or replace into systems values (?, ?)", (system, text))

    def count(self, system: str, request: str) -> None:
        """Note that a reset was asked for."""
        requests = dict(self.get(system)["requests"])
        requests[request] = requests.get(request, 0) + 1
        self.update(system, requests=requests)

    def erased(self, system: str, drive: str) -> None:
        """Note that a drive's data are gone."""
        done = dict(self.get(system)["erased"])
        done[drive] = done.get(drive, 0) + 1
        self.update(system, erased=done)

    def booted(self, system: str) -> None:
        """Note a start: what it booted from, and that a boot override meant for one boot is used up."""
        settings = self.get(system)
        override = settings["boot_enabled"] != "Disabled" and settings["boot_target"] != "None"
        used_up = {"boot_enabled": "Disabled", "boot_target": "None"} if settings["boot_enabled"] == "Once" else {}
        self.update(
            system,
            power="On",
            boots=settings["boots"] + 1,
            last_boot=settings["boot_target"] if override else "Hdd",
            **used_up,
        )

    def forget(self, keep: set[str]) -> None:
        """Drop what is known of systems that the rack no longer has."""
        for system in [s for s in self._systems if s not in keep]:
            del self._systems[system]
            self._database.execute("delete from systems where id = ?", (system,))

    def close(self) -> None:
        """Close the file."""
        self._database.close()
