"""Certificates on disk: `<folder>/<authority>/{ca,<leaf>}.{crt,key}`, mode 0600, made once and renewed in time."""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.pki.certificates import (
    Leaf,
    Pair,
    authority_fault,
    issue_authority,
    issue_leaf,
    leaf_fault,
    new_key,
    public_key,
)


class Store:
    """A folder of authorities and their certificates. Use it inside `locked`, which keeps other processes out.

    `changes` lists what was issued, with the reason, for the progress display.
    """

    def __init__(self, folder: Path, now: dt.datetime | None = None) -> None:
        self._folder = folder
        self._now = now or dt.datetime.now(dt.UTC)
        self.changes: list[str] = []

    def authority(self, name: str, common_name: str) -> Pair:
        """The authority `name`, made on first use; near its end it is issued again over the same key."""
        found = self._read(name, "ca")
        reason = "new" if found is None else authority_fault(found, self._now)
        if found is not None and not reason:
            return found
        pair = issue_authority(common_name, found.key if found else new_key(), self._now)
        self._write(name, "ca", pair, reason)
        return pair

    def leaf(self, authority: str, leaf: Leaf) -> Pair:
        """The certificate `leaf` of an authority, issued again when it lacks something or expires soon."""
        issuer = self._read(authority, "ca")
        if issuer is None:
            raise LookupError(f"authority {authority} was not made")
        found = self._read(authority, leaf.name)
        reason = "new" if found is None else leaf_fault(found, leaf, issuer, self._now)
        if found is not None and not reason:
            return found
        pair = issue_leaf(leaf, issuer, self._now)
        self._write(authority, leaf.name, pair, reason)
        return pair

    def signing_key(self, authority: str, name: str) -> Pair:
        """A bare key pair (public key, private key) that signs tokens; it has no certificate and does not expire."""
        path = self._folder / authority / f"{name}.key"
        if not path.exists():
            write_private(path, new_key())
            self.changes.append(f"{authority}/{name}: new")
        key = path.read_bytes()
        return Pair(public_key(key), key)

    def secret(self, authority: str, name: str, size: int = 32) -> bytes:
        """`size` random bytes, made once."""
        path = self._folder / authority / f"{name}.secret"
        if not path.exists():
            write_private(path, secrets.token_bytes(size))
            self.changes.append(f"{authority}/{name}: new")
        return path.read_bytes()

    def _read(self, authority: str, name: str) -> Pair | None:
        folder = self._folder / authority
        try:
            return Pair((folder / f"{name}.crt").read_bytes(), (folder / f"{name}.key").read_bytes())
        except FileNotFoundError:
            return None

    def _write(self, authority: str, name: str, pair: Pair, reason: str) -> None:
        folder = self._folder / authority
        # The key first: killed between the two, the next run finds no certificate, or one that does not fit, and
        # issues both again. An authority keeps its key either way.
        write_private(folder / f"{name}.key", pair.key)
        write_private(folder / f"{name}.crt", pair.certificate)
        self.changes.append(f"{authority}/{name}: {reason}")


def write_private(path: Path, content: bytes) -> bool:
    """Write `content` with mode 0600, whole or not at all; True when the file was not so already."""
    if path.exists() and path.read_bytes() == content and path.stat().st_mode & 0o777 == 0o600:
        return False
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return True


@contextmanager
def locked(folder: Path) -> Iterator[Store]:
    """The store at `folder`, held by this process alone. The kernel frees the lock when the process ends."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield Store(folder)
