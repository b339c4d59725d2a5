"""The restore drill's script against a real PostgreSQL: a copy that is the same, in a place that is left clean."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.drills.restore import SCRIPT, VERSION, differing

PROGRAMS = Path(f"/usr/lib/postgresql/{VERSION}/bin")
WAIT_S = 120

pytestmark = [
    pytest.mark.toolchain,
    pytest.mark.skipif(
        os.geteuid() != 0 or not (PROGRAMS / "pg_basebackup").exists(), reason="needs root and PostgreSQL 15"
    ),
]


@dataclass(frozen=True, slots=True)
class Live:
    """A cluster with the services' database, reached over a socket of its own."""

    folder: Path
    environment: dict[str, str]

    def sql(self, statements: str, database: str = "oss") -> str:
        """What a statement gives."""
        return run(["psql", "-X", "-q", "-A", "-t", "-d", database, "-c", statements], self.environment)

    def drill(self) -> subprocess.Popen[str]:
        """The script, begun as the drill begins it."""
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT)],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        given = {"version": VERSION, "database": "oss", "timeout_s": 60, "folder": str(self.folder)}
        assert process.stdin
        process.stdin.write(json.dumps(given) + "\n")
        process.stdin.flush()
        return process

    def left_behind(self) -> list[str]:
        """What a drill should have taken away."""
        return [p.name for p in self.folder.glob("oss-drill-*")] + self.sql("\\dt", "postgres").splitlines()


def run(command: list[str], environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        ["runuser", "-u", "postgres", "--", *command],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    folder = Path(tempfile.mkdtemp(prefix="oss-restore-"))
    shutil.chown(folder, "postgres", "postgres")
    made = Live(folder, {**os.environ, "PGHOST": str(folder)})
    data = str(folder / "live")
    run([str(PROGRAMS / "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--data-checksums"])
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
    run([str(PROGRAMS / "pg_ctl"), "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start"])
    try:
        made.sql("CREATE DATABASE oss", "postgres")
        made.sql("CREATE TABLE permits (id int PRIMARY KEY, nib text, at timestamptz DEFAULT now(), share float8)")
        made.sql("INSERT INTO permits SELECT n, 'nib|' || n, now(), n / 7.0 FROM generate_series(1, 20000) n")
        made.sql('CREATE SCHEMA "Odd name"; CREATE TABLE "Odd name"."a ""table""" (x bytea)')
        yield made
    finally:
        run([str(PROGRAMS / "pg_ctl"), "-D", data, "-m", "immediate", "stop"])
        shutil.rmtree(folder)


def events(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    assert process.stdout
    told = [json.loads(line) for line in process.stdout]
    assert process.wait(WAIT_S) == 0, process.stderr.read() if process.stderr else ""
    return told


def result_of(told: list[dict[str, Any]]) -> dict[str, Any]:
    found = [event for event in told if event["event"] == "result"]
    assert len(found) == 1, told
    return found[0]


def test_a_backup_comes_back_to_the_last_row(live: Live) -> None:
    told = events(live.drill())
    result = result_of(told)
    assert result["restored"] == result["before"] == result["after"]
    assert {name: rows for name, (rows, _) in result["restored"].items()} == {
        "public.permits": 20000,
        '"Odd name"."a ""table"""': 0,
    }
    assert 0 < result["rto_s"] < WAIT_S
    assert 0 <= result["rpo_s"] < WAIT_S
    steps = [event["name"] for event in told if event["event"] == "step"]
    assert steps[0] == "read the live database"
    assert steps[-1] == "compare rows and checksums"
    assert live.left_behind() == []


def test_somebody_writes_meanwhile(live: Live) -> None:
    writer = subprocess.Popen(
        ["runuser", "-u", "postgres", "--", "psql", "-X", "-q", "-d", "oss"],
        env=live.environment,
        cwd="/",
        stdin=subprocess.PIPE,
        text=True,
    )
    assert writer.stdin
    process = live.drill()
    assert process.stdout
    told = []
    for line in process.stdout:
        told.append(json.loads(line))
        writer.stdin.write("INSERT INTO permits SELECT max(id) + 1, 'meanwhile' FROM permits;\n")
        writer.stdin.flush()
    writer.stdin.close()
    writer.wait(WAIT_S)
    result = result_of(told)
    assert result["before"]["public.permits"] != result["after"]["public.permits"]
    assert differing(result["before"], result["after"], result["restored"]) == ()


@pytest.mark.parametrize("step", ["take a base backup", "start the restored cluster"])
def test_when_the_caller_goes_nothing_stays(live: Live, step: str) -> None:
    process = live.drill()
    assert process.stdout
    for line in process.stdout:
        if json.loads(line).get("what") == step:
            break
    assert process.stdin
    process.stdin.close()
    process.stdout.close()
    assert process.wait(WAIT_S) == 130
    end = time.monotonic() + WAIT_S
    while live.left_behind():
        assert time.monotonic() < end, live.left_behind()
        time.sleep(0.1)


def test_what_is_missing_is_said_with_a_remedy(live: Live) -> None:
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT)],
        env={**live.environment, "PGHOST": "/nowhere"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    process.stdin.write(json.dumps({"version": VERSION, "database": "oss", "timeout_s": 5}) + "\n")
    process.stdin.flush()
    (error,) = events(process)
    assert error["event"] == "error"
    assert "psql failed" in error["problem"]
    assert error["remedy"]
