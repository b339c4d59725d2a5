"""Certificates for tests, of a throw-away authority."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from infra.pki.certificates import Leaf, Pair, Usage, issue_authority, issue_leaf, new_key


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority whose files lie in a folder."""

    folder: Path
    pair: Pair

    @property
    def file(self) -> Path:
        """Its certificate."""
        return self.folder / "ca.crt"

    def server(self, name: str, address: str) -> tuple[Path, Path]:
        """Certificate and key of a server at an address, as files."""
        leaf = issue_leaf(Leaf(name, name, Usage.SERVER, (address,)), self.pair, dt.datetime.now(dt.UTC))
        files = (self.folder / f"{name}.crt", self.folder / f"{name}.key")
        files[0].write_bytes(leaf.certificate)
        files[1].write_bytes(leaf.key)
        return files


def new_authority(folder: Path) -> Authority:
    """A new authority with its files in `folder`, which is made."""
    folder.mkdir()
    made = Authority(folder, issue_authority("test", new_key(), dt.datetime.now(dt.UTC)))
    made.file.write_bytes(made.pair.certificate)
    return made
