"""A PostgreSQL of one's own for tests: in a temporary folder, on a loopback port, as a user that is not root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from capacity.faults import MachineLacks, StepFailed

START_S = 60.0
PASSWORD = "only-for-tests"  # noqa: S105 - a throw-away server on loopback


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: where it is, and its main process."""

    port: int
    pid: int
    folder: Path

    def url(self, database: str) -> str:
        """Connection address of one database, as the superuser."""
        return f"postgresql://oss:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> str:
        """Make an empty database and return its address."""
        self.run(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def run(self, *statements: str) -> None:
        """Run statements as the superuser, each on its own."""
        words = [word for statement in statements for word in ("-c", statement)]
        subprocess.run(
            [binary("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", *words, self.url("postgres")],
            check=True,
            capture_output=True,
            timeout=30,
        )


def binary(name: str) -> str:
    """A PostgreSQL program, from its Debian folder or PATH. Raises MachineLacks."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / name).exists():
            return str(folder / name)
    if found := shutil.which(name):
        return found
    raise MachineLacks(f"PostgreSQL's {name} is not installed", "Install it: apt-get install postgresql-15")


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def private_postgres(settings: tuple[str, ...] = ()) -> Iterator[Server]:
    """Start a server, hand it over, and stop and remove it whatever happens.

    `settings` are further lines of postgresql.conf. Durability is off: nothing here outlives the test.
    """
    folder = Path(tempfile.mkdtemp(prefix="oss-postgres-"))
    user = _unprivileged()
    data = folder / "data"
    process: subprocess.Popen[bytes] | None = None
    try:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if user is not None:
            for path in (folder, secret):
                os.chown(path, user.pw_uid, user.pw_gid)
        run_as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user is not None else {}
        initialise = [binary("initdb"), "-D", str(data), "-U", "oss", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C"]
        subprocess.run(
            [*initialise, f"--pwfile={secret}", "--no-sync"],
            check=True,
            capture_output=True,
            timeout=60,
            cwd=folder,
            **run_as,  # type: ignore[call-overload]
        )
        port = free_port()
        lines = [
            "listen_addresses = '127.0.0.1'",
            f"port = {port}",
            f"unix_socket_directories = '{folder}'",
            "fsync = off",
            "synchronous_commit = off",
            "shared_buffers = 64MB",
            "max_connections = 60",
            *settings,
        ]
        with (data / "postgresql.conf").open("a") as configuration:
            configuration.write("\n".join(lines) + "\n")
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [binary("postgres"), "-D", str(data)],
                stdout=log,
                stderr=log,
                cwd=folder,
                start_new_session=True,
                **run_as,  # type: ignore[call-overload]
            )
        _wait(process, port, folder / "log")
        yield Server(port, process.pid, folder)
    finally:
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)  # fast shutdown
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        ready = [binary("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        if subprocess.run(ready, check=False, timeout=10).returncode == 0:
            return
        time.sleep(0.1)
    raise StepFailed(f"PostgreSQL did not start: {log.read_text(errors='replace')[-800:]}")


def _unprivileged() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root; then somebody else runs it."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise MachineLacks("there is no user but root", "Add a user `nobody`.")
