"""The machine's own apt sources, narrowed to the main archive of its release: what servers of the rack install from.

Nothing here names an archive: the addresses are read from the machine each time and go into the image only.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from capacity.faults import MachineLacks

APT_FOLDER = Path("/etc/apt")
OS_RELEASE = Path("/etc/os-release")
POCKETS = ("", "-updates", "-security")
COMPONENT = "main"
# Settings of the machine that decide whether its archive is accepted at all, e.g. a frozen snapshot of it.
KEPT_SETTINGS = ("Acquire::Check-Valid-Until", "Acquire::Check-Date")


@dataclass(frozen=True, slots=True)
class Source:
    """One archive address and its suites."""

    uri: str
    suites: tuple[str, ...]
    keyring: str = ""

    @property
    def host(self) -> str:
        """The archive's host, with the port when it has one."""
        return str(urlsplit(self.uri).netloc)

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return str(urlsplit(self.uri).scheme)

    @property
    def plain_uri(self) -> str:
        """The address as servers use it: plain HTTP to the rack's cache, which speaks the archive's own scheme."""
        return "http:" + self.uri.split(":", 1)[1]

    def stanza(self) -> str:
        """The deb822 stanza for a server of the rack."""
        lines = [
            "Types: deb",
            f"URIs: {self.plain_uri}",
            f"Suites: {' '.join(self.suites)}",
            f"Components: {COMPONENT}",
        ]
        return "\n".join([*lines, *([f"Signed-By: {self.keyring}"] if self.keyring else [])]) + "\n"


def codename(os_release: Path = OS_RELEASE) -> str:
    """The release of the machine, e.g. `bookworm`. Raises MachineLacks when it is not a Debian."""
    text = os_release.read_text(encoding="utf-8") if os_release.exists() else ""
    values: dict[str, str] = dict(re.findall(r'^([A-Z_]+)="?([^"\n]*)"?$', text, re.MULTILINE))
    if values.get("ID") != "debian" or not values.get("VERSION_CODENAME"):
        raise MachineLacks(
            f"the rack builds its servers from Debian's archive, and this machine is {values.get('ID', 'unknown')}",
            "run the rack on a Debian 12 machine (a virtual one will do)",
        )
    return values["VERSION_CODENAME"]


def machine_sources(folder: Path = APT_FOLDER, release: str = "") -> tuple[Source, ...]:
    """The machine's sources of its own release's main archive. Raises MachineLacks when it has none."""
    release = release or codename()
    wanted = {release + pocket for pocket in POCKETS}
    found: dict[str, Source] = {}
    for uri, suites, components, keyring in _entries(folder):
        kept = tuple(suite for suite in suites if suite in wanted)
        plain = urlsplit(uri).scheme in ("http", "https") and "@" not in urlsplit(uri).netloc
        if kept and COMPONENT in components and plain:
            before = found.get(uri, Source(uri, ()))
            found[uri] = Source(uri, tuple(dict.fromkeys(before.suites + kept)), keyring or before.keyring)
    if not any(release in source.suites for source in found.values()):
        raise MachineLacks(
            f"the machine's apt sources have no {release} {COMPONENT} over http or https",
            f"add Debian's {release} archive to {folder}",
        )
    return tuple(found.values())


def kept_settings() -> str:
    """The lines of apt configuration that servers take over from the machine."""
    done = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False, timeout=30)
    lines = [line for line in done.stdout.splitlines() if line.split(" ")[0] in KEPT_SETTINGS]
    return "".join(f"{line}\n" for line in lines)


def machine_proxy() -> str:
    """The proxy through which the machine's apt reaches the archive; empty when it goes there directly."""
    done = subprocess.run(
        ["apt-config", "shell", "PROXY", "Acquire::http::Proxy"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    found = re.search(r"PROXY='([^']*)'", done.stdout)
    return found.group(1) if found and found.group(1) != "DIRECT" else ""


def _entries(folder: Path) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...], str]]:
    """(address, suites, components, keyring) of every enabled binary source."""
    for path in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        if path.suffix == ".list" and path.is_file():
            yield from _one_line_entries(path.read_text(encoding="utf-8"))
        elif path.suffix == ".sources" and path.is_file():
            yield from _deb822_entries(path.read_text(encoding="utf-8"))


def _one_line_entries(text: str) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...], str]]:
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]*)", line)
        if match:
            options = dict(word.split("=", 1) for word in (match[1] or "").split() if "=" in word)
            yield match[2], (match[3],), tuple(match[4].split()), options.get("signed-by", "")


def _deb822_entries(text: str) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...], str]]:
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", plain):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields[name] = f"{fields.get(name, '')}\n{line.strip()}"
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        keyring = fields.get("signed-by", "")
        for uri in fields.get("uris", "").split():
            suites, components = tuple(fields.get("suites", "").split()), tuple(fields.get("components", "").split())
            yield uri, suites, components, keyring if keyring.startswith("/") else ""
