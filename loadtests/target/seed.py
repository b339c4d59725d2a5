"""Adds the rows that load tests rely on (`samples.py`). Runs under the migration's lock, and does nothing once done."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from loadtests.target.database import LOCK
from loadtests.target.identity import PROVINCES, make_nib
from loadtests.target.kbli import table
from loadtests.target.samples import (
    APPLICANTS,
    BACKLOG_PER_PROVINCE,
    OFFICERS_PER_PROVINCE,
    PROJECTS,
    REGISTERED,
    SATGAS,
    SECTORS,
    applicant,
    officer,
    registered_name,
    satgas,
)
from loadtests.target.security import hash_password, verify_password

log = logging.getLogger("oss.seed")


async def seed(connection: Any, password: str) -> bool:
    """Add what is missing; returns whether anything was. A changed password is taken over."""
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
    try:
        stored = await connection.fetchval("SELECT password_hash FROM account WHERE username = $1", applicant(0))
        if stored is not None and verify_password(password, stored):
            return False
        # One salted hash for all test accounts: a hash each would cost a minute of CPU and test nothing more.
        hashed = hash_password(password)
        async with connection.transaction():
            if stored is not None:
                await connection.execute("UPDATE account SET password_hash = $1", hashed)
                return True
            await _accounts(connection, hashed)
            await _registered(connection)
            await _backlog(connection)
            await _projects(connection)
        await connection.execute("ANALYZE")
        log.info("seeded test accounts, registered businesses, officers' backlog and projects")
        return True
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)


async def _accounts(connection: Any, hashed: str) -> None:
    rows = [
        *((applicant(n), "applicant", PROVINCES[n % 34], f"Pemohon {n}", hashed) for n in range(APPLICANTS)),
        *(
            (officer(p, n), "officer", p, f"Petugas {p} {n}", hashed)
            for p in PROVINCES
            for n in range(OFFICERS_PER_PROVINCE)
        ),
        *((satgas(n), "satgas", PROVINCES[n % 34], f"Anggota Satgas {n}", hashed) for n in range(SATGAS)),
    ]
    columns = ("username", "role", "province", "name", "password_hash")
    await connection.copy_records_to_table("account", records=rows, columns=columns)


async def _applicants(connection: Any) -> list[int]:
    rows = await connection.fetch("SELECT id FROM account WHERE role = 'applicant' ORDER BY id")
    return [row["id"] for row in rows]


async def _registered(connection: Any) -> None:
    owners = await _applicants(connection)
    classes = list(table())
    now = dt.datetime.now(dt.UTC)
    columns = ("id", "account_id", "channel", "business_name", "province", "nik", "kbli", "state", "submitted_at")
    rows = [
        (
            n,
            owners[n % len(owners)],
            "portal",
            registered_name(n),
            PROVINCES[n % 34],
            f"{PROVINCES[n % 34]}0101010180{n % 9999 + 1:04d}",
            classes[n % len(classes)],
            "issued",
            now,
        )
        for n in range(1, REGISTERED + 1)
    ]
    await connection.copy_records_to_table("application", records=rows, columns=columns)
    made = await connection.fetch("SELECT id, business_name, province, kbli FROM application ORDER BY id")
    numbers = [
        (make_nib(n), row["id"], f"seed-{n}", row["business_name"], row["province"], row["kbli"])
        for n, row in enumerate(made, start=1)
    ]
    nib_columns = ("nib", "application_id", "idempotency_key", "business_name", "province", "kbli")
    await connection.copy_records_to_table("nib", records=numbers, columns=nib_columns)
    await connection.execute("SELECT setval('nib_sequence', $1)", REGISTERED)
    await connection.execute("SELECT setval(pg_get_serial_sequence('application', 'id'), $1)", REGISTERED)


async def _backlog(connection: Any) -> None:
    owners = await _applicants(connection)
    waiting = [entry.code for entry in table().values() if entry.risk != "low"]
    start = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
    columns = ("account_id", "channel", "priority", "business_name", "province", "nik", "kbli", "state", "submitted_at")
    rows = [
        (
            owners[n % len(owners)],
            "portal",
            n % 20 == 0,
            f"PT Antrean {province} {n:04d}",
            province,
            f"{province}0101010180{n + 1:04d}",
            waiting[n % len(waiting)],
            "in_review",
            start + dt.timedelta(minutes=n),
        )
        for province in PROVINCES
        for n in range(BACKLOG_PER_PROVINCE)
    ]
    await connection.copy_records_to_table("application", records=rows, columns=columns)


async def _projects(connection: Any) -> None:
    rows = [
        (
            f"Proyek prioritas {n:03d}",
            SECTORS[n % len(SECTORS)],
            PROVINCES[n % 34],
            (n + 1) * 250_000_000_000,
            ("perizinan", "konstruksi", "operasi")[n % 3],
        )
        for n in range(PROJECTS)
    ]
    columns = ("name", "sector", "province", "value_idr", "status")
    await connection.copy_records_to_table("project", records=rows, columns=columns)
