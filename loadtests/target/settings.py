"""Settings of the permit service, from its environment. The whole contract with whoever deploys it.

| variable | default | meaning |
|---|---|---|
| OSS_SERVICE | all | portal, api, gateway, satgas, registry; `all` is one process on loopback for development |
| OSS_HOST, OSS_PORT | 127.0.0.1, 8000 | where to listen; the image sets 0.0.0.0 |
| OSS_PROCESSES | 1 | server processes that share the port |
| OSS_TLS_CERT, OSS_TLS_KEY | none | serve HTTPS; in an environment the edge ends TLS instead |
| OSS_SECRET | | key from which session, callback and service keys are derived; at least 16 characters |
| OSS_TEST_PASSWORD | derived | password of the seeded accounts; `derive(secret, "test accounts")` |
| OSS_CALLBACK_KEY | derived | key that agencies sign callbacks with; `derive(secret, "callbacks")` |
| OSS_SEED | 1 | 1 adds the test accounts and reference rows at start, 0 does not |
| DATABASE_URL | | postgresql://user:password@host:port/name; not needed by registry |
| DATABASE_CA_FILE | none | CA that the server's certificate is verified with; TLS is then required |
| DATABASE_POOL | 8 | most connections of one process |
| GATEWAY_URL | http://127.0.0.1:8000 | where portal and api reach the gateway |
| REGISTRY_URL | http://127.0.0.1:8000 | where the gateway reaches the population registry |
| UPSTREAM_CA_FILE | none | CA of those two, if they are https and private |
| REGISTRY_LATENCY_MS | 40 | median answer time of the registry stand-in (log-normal) |
| REGISTRY_LATENCY_SIGMA | 0.35 | its shape: standard deviation of the logarithm |
| REGISTRY_QUOTA_PER_S | 0 | calls a second before 429; 0 is no limit |
| REGISTRY_QUOTA_PER_DAY | 0 | calls a day before 429; 0 is no limit |

A secret may be given as a file instead: `OSS_SECRET_FILE=/run/secrets/oss` in place of `OSS_SECRET`, likewise
DATABASE_URL_FILE, OSS_TEST_PASSWORD_FILE and OSS_CALLBACK_KEY_FILE.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SERVICES = ("portal", "api", "gateway", "satgas", "registry")


class SettingsError(ValueError):
    """All that is wrong with the environment, one line each."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One process's settings; see the module's table. Secrets stay out of `repr`."""

    service: str = "all"
    host: str = "127.0.0.1"
    port: int = 8000
    processes: int = 1
    tls_cert: str = ""
    tls_key: str = ""
    secret: str = field(default="", repr=False)
    test_password: str = field(default="", repr=False)
    callback_key: str = field(default="", repr=False)
    seed: bool = True
    database_url: str = field(default="", repr=False)
    database_ca_file: str = ""
    database_pool: int = 8
    gateway_url: str = "http://127.0.0.1:8000"
    registry_url: str = "http://127.0.0.1:8000"
    upstream_ca_file: str = ""
    registry_latency_ms: float = 40.0
    registry_latency_sigma: float = 0.35
    registry_quota_per_s: float = 0.0
    registry_quota_per_day: int = 0

    @property
    def services(self) -> tuple[str, ...]:
        """The services that this process runs."""
        return SERVICES if self.service == "all" else (self.service,)

    @property
    def needs_database(self) -> bool:
        """The registry stand-in alone keeps nothing."""
        return self.services != ("registry",)

    def database_tls(self) -> ssl.SSLContext | None:
        """A context that verifies the database's certificate and name, or None for a plain local connection."""
        return ssl.create_default_context(cafile=self.database_ca_file) if self.database_ca_file else None


def derive(secret: str, purpose: str) -> str:
    """A key for one purpose from the one secret: HMAC-SHA256 as a one-block HKDF-Expand (RFC 5869), base64url."""
    block = hmac.digest(secret.encode(), purpose.encode() + b"\x01", hashlib.sha256)
    return base64.urlsafe_b64encode(block).rstrip(b"=").decode()


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Settings from variables. Raises SettingsError with every fault at once; a secret's value is never shown."""
    faults: list[str] = []
    given = with_secret_files(environment, faults)
    read = _Reader(given, faults)
    values: dict[str, Any] = {
        "service": read.one_of("OSS_SERVICE", (*SERVICES, "all"), "all"),
        "host": given.get("OSS_HOST", "127.0.0.1"),
        "port": read.number("OSS_PORT", 8000, int, 1, 65535),
        "processes": read.number("OSS_PROCESSES", 1, int, 1, 64),
        "tls_cert": read.file("OSS_TLS_CERT"),
        "tls_key": read.file("OSS_TLS_KEY"),
        "secret": given.get("OSS_SECRET", ""),
        "seed": read.one_of("OSS_SEED", ("0", "1"), "1") == "1",
        "database_url": given.get("DATABASE_URL", ""),
        "database_ca_file": read.file("DATABASE_CA_FILE"),
        "database_pool": read.number("DATABASE_POOL", 8, int, 1, 500),
        "gateway_url": read.url("GATEWAY_URL", "http://127.0.0.1:8000"),
        "registry_url": read.url("REGISTRY_URL", "http://127.0.0.1:8000"),
        "upstream_ca_file": read.file("UPSTREAM_CA_FILE"),
        "registry_latency_ms": read.number("REGISTRY_LATENCY_MS", 40.0, float, 0, 60_000),
        "registry_latency_sigma": read.number("REGISTRY_LATENCY_SIGMA", 0.35, float, 0, 3),
        "registry_quota_per_s": read.number("REGISTRY_QUOTA_PER_S", 0.0, float, 0, 1e9),
        "registry_quota_per_day": read.number("REGISTRY_QUOTA_PER_DAY", 0, int, 0, 10**12),
    }
    secret = values["secret"]
    values["test_password"] = given.get("OSS_TEST_PASSWORD") or derive(secret, "test accounts")
    values["callback_key"] = given.get("OSS_CALLBACK_KEY") or derive(secret, "callbacks")
    settings = Settings(**values)
    if settings.needs_database:
        if not settings.database_url.startswith(("postgresql://", "postgres://")):
            faults.append("DATABASE_URL: needed, as postgresql://user:password@host:port/name")
        if len(secret) < 16:
            faults.append("OSS_SECRET: needed, at least 16 characters")
    if bool(settings.tls_cert) != bool(settings.tls_key):
        faults.append("OSS_TLS_CERT and OSS_TLS_KEY: give both or neither")
    if faults:
        raise SettingsError("\n".join(faults))
    return settings


class _Reader:
    """Typed access to variables that notes faults instead of raising."""

    def __init__(self, given: Mapping[str, str], faults: list[str]) -> None:
        self._given = given
        self._faults = faults

    def one_of(self, name: str, choices: tuple[str, ...], default: str) -> str:
        value = self._given.get(name, default)
        if value not in choices:
            self._faults.append(f"{name}: {value!r} is none of {', '.join(choices)}")
            return default
        return value

    def number(self, name: str, default: float, kind: Callable[[str], float], lowest: float, highest: float) -> float:
        text = self._given.get(name, "")
        if not text:
            return default
        try:
            value = kind(text)
        except ValueError:
            value = float("nan")
        if not lowest <= value <= highest:
            self._faults.append(f"{name}: {text!r} is not a number from {lowest:g} to {highest:g}")
            return default
        return value

    def file(self, name: str) -> str:
        value = self._given.get(name, "")
        if value and not Path(value).is_file():
            self._faults.append(f"{name}: there is no file {value!r}")
        return value

    def url(self, name: str, default: str) -> str:
        value = self._given.get(name, "") or default
        if not value.startswith(("http://", "https://")):
            self._faults.append(f"{name}: {value!r} is not an http or https address")
        return value.rstrip("/")


def with_secret_files(environment: Mapping[str, str], faults: list[str]) -> dict[str, str]:
    """The variables, with those secrets filled in that are given as files; a file that cannot be read is a fault."""
    given = dict(environment)
    for name in ("OSS_SECRET", "OSS_TEST_PASSWORD", "OSS_CALLBACK_KEY", "DATABASE_URL"):
        if path := environment.get(f"{name}_FILE"):
            try:
                given[name] = Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                faults.append(f"{name}_FILE: {path!r} cannot be read ({error.strerror})")
    return given
