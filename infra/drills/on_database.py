"""Runs on a database server as root, with Python's own library alone: backs up, loses, restores beside it, compares.

The live cluster is read, and keeps a small table of its own for the time of the drill (`postgres.oss_drill`, a row
every half second), by which the age of the newest restored row is known. Everything else happens in a scratch folder.

Reads one line of JSON from standard input; when that closes, or on SIGTERM, it cleans up and ends. Writes lines of
JSON: {"event": "doing" | "step" | "result" | "error", …}.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

MIB = 1 << 20
HEARTBEAT_S = 0.5
NIGHTLY = "/var/backups/postgresql"  # playbooks/roles/postgresql
SCRATCH_PORT = "5999"  # it names the socket's file: the copy listens on no network
TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1
"""


class Problem(Exception):
    """Something that the operator can act on."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


def tell(event: str, **values: Any) -> None:
    """Say something to the caller, who may have gone."""
    line = json.dumps({"event": event, **values}) + "\n"
    with contextlib.suppress(OSError):
        os.write(1, line.encode())


def as_postgres(*command: str, text: str | None = None, check: bool = True) -> str:
    """Run a program as the database's own user; what it wrote. Raises Problem with its last words."""
    done = subprocess.run(
        ["runuser", "-u", "postgres", "--", *command],
        input=text,
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    if check and done.returncode:
        words = " ".join((done.stderr or done.stdout).split())[-500:]
        raise Problem(f"{os.path.basename(command[0])} failed: {words}", "Look at the database's log on the server.")
    return done.stdout


def psql(statements: str, database: str = "postgres", socket: str = "", check: bool = True) -> list[str]:
    """Rows as text, one line each."""
    where = ["--host", socket, "--port", SCRATCH_PORT] if socket else []
    words = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"]
    said = as_postgres(*words, *where, "--dbname", database, "--file", "-", text=statements, check=check)
    return [line for line in said.splitlines() if line]


def fingerprint(database: str, socket: str = "") -> dict[str, list[Any]]:
    """Table -> [rows, sum of the rows' hashes], seen in one snapshot. The sum does not depend on the rows' order."""
    tables = psql(TABLES, database, socket)
    reads = [
        f"SELECT '{name}', count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM {name} t;"  # noqa: S608 - quoted by format('%I')
        for name in tables
    ]
    begin = "SET statement_timeout = 0; SET extra_float_digits = 3; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\n"
    rows = psql(begin + "\n".join(reads) + "\nCOMMIT;", database, socket)
    return {name: [int(count), total] for name, count, total in (row.rsplit("|", 2) for row in rows)}


@contextlib.contextmanager
def step(name: str) -> Iterator[list[str]]:
    """A named step and its time; what is added to the list is what came of it."""
    tell("doing", what=name)
    began, clock = time.monotonic(), time.time()
    said: list[str] = []
    yield said
    tell("step", name=name, started=clock, seconds=time.monotonic() - began, result=" ".join(said) or "done")


class Heartbeat:
    """A row every half second in the live cluster, so that the newest restored row has a known age."""

    def __enter__(self) -> Heartbeat:
        """Begin."""
        psql("DROP TABLE IF EXISTS oss_drill; CREATE TABLE oss_drill (at timestamptz NOT NULL);")
        self.psql = subprocess.Popen(
            ["runuser", "-u", "postgres", "--", "psql", "--no-psqlrc", "--quiet", "--dbname", "postgres"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd="/",
        )
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.beat, daemon=True)
        self.thread.start()
        return self

    def beat(self) -> None:
        """Write until the end."""
        while (pipe := self.psql.stdin) is not None:
            try:
                pipe.write("INSERT INTO oss_drill VALUES (clock_timestamp());\n")
                pipe.flush()
            except OSError:
                return
            if self.stop.wait(HEARTBEAT_S):
                return

    def end(self) -> None:
        """Write no more."""
        self.stop.set()
        self.thread.join(10)
        with contextlib.suppress(OSError, ValueError):
            if self.psql.stdin:
                self.psql.stdin.close()
        try:
            self.psql.wait(10)
        except subprocess.TimeoutExpired:
            self.psql.kill()

    def __exit__(self, *error: object) -> None:
        """Remove the table."""
        self.end()
        psql("DROP TABLE IF EXISTS oss_drill;", check=False)


def drill(given: dict[str, Any]) -> None:
    """The whole drill; the scratch folder is removed whatever happens."""
    programs = f"/usr/lib/postgresql/{given['version']}/bin"
    database = given["database"]
    size = int(psql("SELECT sum(pg_database_size(oid)) FROM pg_database;")[0])
    home = given.get("folder") or pwd.getpwnam("postgres").pw_dir
    free = shutil.disk_usage(home).free
    if free < 3 * size + 256 * MIB:
        raise Problem(
            f"a drill needs {(3 * size) // MIB + 256} MiB below {home}, and {free // MIB} MiB are free",
            "Make room there; the backup and its restored copy are removed afterwards.",
        )
    for left in os.listdir(home):  # of a drill that was killed; one drill of a server runs at a time
        if left.startswith("oss-drill-"):
            end_cluster(programs, os.path.join(home, left))
            shutil.rmtree(os.path.join(home, left), ignore_errors=True)
    scratch = tempfile.mkdtemp(prefix="oss-drill-", dir=home)
    shutil.chown(scratch, "postgres", "postgres")
    store, data, socket = (os.path.join(scratch, name) for name in ("backup", "data", "socket"))
    for folder in (data, socket):
        os.mkdir(folder, 0o700)
        shutil.chown(folder, "postgres", "postgres")
    try:
        with Heartbeat() as heartbeat:
            with step("read the live database") as said:
                before = fingerprint(database)
                said.append(f"{len(before)} tables, {sum(rows for rows, _ in before.values())} rows")
            with step("take a base backup") as said:
                as_postgres(
                    f"{programs}/pg_basebackup", "--pgdata", store, "--format=tar", "--gzip", "--checkpoint=fast"
                )
                packed = sum(entry.stat().st_size for entry in os.scandir(store))
                said.append(f"{size / MIB:.1f} MiB in {packed / MIB:.1f} MiB")
            lost = time.time()
            heartbeat.end()
            after = fingerprint(database)
        began = time.monotonic()
        with step("unpack and check the backup") as said:
            as_postgres("tar", "--extract", "--gzip", "--file", f"{store}/base.tar.gz", "--directory", data)
            as_postgres(
                "tar", "--extract", "--gzip", "--file", f"{store}/pg_wal.tar.gz", "--directory", f"{data}/pg_wal"
            )
            manifest = f"{store}/backup_manifest"
            as_postgres(f"{programs}/pg_verifybackup", "--quiet", f"--manifest-path={manifest}", data)
            said.append("every file has the checksum of the manifest")
        with step("start the restored cluster") as said:
            configure(data, socket)
            as_postgres(
                f"{programs}/pg_ctl",
                "start",
                "--wait",
                f"--timeout={given['timeout_s']}",
                "--pgdata",
                data,
                "--log",
                f"{scratch}/log",
            )
            newest = float(psql("SELECT extract(epoch FROM max(at)) FROM oss_drill;", "postgres", socket)[0])
            said.append("recovered to a consistent state and answers")
        rto = time.monotonic() - began
        with step("compare rows and checksums") as said:
            restored = fingerprint(database, socket)
            said.append(f"{len(restored)} tables")
        loss = lost - newest
        tell(
            "result",
            before=before,
            after=after,
            restored=restored,
            rto_s=rto,
            rpo_s=loss,
            bytes=size,
            nightly=nightly(),
        )
    finally:
        tell("doing", what="removing the copy")
        end_cluster(programs, scratch)
        shutil.rmtree(scratch, ignore_errors=True)


def nightly() -> str:
    """The newest backup that the server made by itself, by its name, which is its time; empty without any."""
    with contextlib.suppress(OSError):
        return max((name for name in os.listdir(NIGHTLY) if name.endswith("Z")), default="")
    return ""


def configure(data: str, socket: str) -> None:
    """A cluster that nobody but its own user reaches, and that archives and vacuums nothing."""
    settings: dict[str, Any] = {
        "listen_addresses": "''",
        "unix_socket_directories": f"'{socket}'",
        "port": SCRATCH_PORT,
        "hba_file": f"'{data}/drill_hba.conf'",
        "max_connections": 10,
        "shared_buffers": "'64MB'",
        "autovacuum": "off",
        "statement_timeout": 0,
        "timezone": "'Etc/UTC'",
    }
    texts = {
        "postgresql.conf": "".join(f"{key} = {value}\n" for key, value in settings.items()),
        "drill_hba.conf": "local all postgres peer\n",
        "pg_ident.conf": "",
    }
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{data}/postgresql.auto.conf")
    for name, text in texts.items():
        path = f"{data}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        shutil.chown(path, "postgres", "postgres")


def end_cluster(programs: str, scratch: str) -> None:
    """Stop the restored cluster, if it runs."""
    data = os.path.join(scratch, "data")
    if os.path.exists(os.path.join(data, "postmaster.pid")):
        as_postgres(f"{programs}/pg_ctl", "stop", "--mode=immediate", "--pgdata", data, check=False)


def end_with_caller() -> None:
    """Nobody listens any more, so the drill ends and removes what it made."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def stop(*_: object) -> None:
    """Let `finally` clean up, once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(130)


def main() -> None:
    """Read what is wanted, do it, and say what went wrong."""
    given = json.loads(sys.stdin.buffer.readline())
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, stop)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    threading.Thread(target=end_with_caller, daemon=True).start()
    try:
        drill(given)
    except Problem as problem:
        tell("error", problem=str(problem), remedy=problem.remedy)
    except OSError as error:
        tell("error", problem=str(error), remedy="Look at the server; the drill needs PostgreSQL and root there.")


if __name__ == "__main__":
    main()
