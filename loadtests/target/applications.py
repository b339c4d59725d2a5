"""The NIB application in the database: each step one statement or one transaction, shared by portal and API.

A step moves the state only from where the table of transitions allows (`states.py`), in the UPDATE's own WHERE
clause, so that two requests at once cannot both succeed.
"""

from __future__ import annotations

import hashlib
from typing import Any

from loadtests.target.database import Database
from loadtests.target.identity import make_nib
from loadtests.target.kbli import table
from loadtests.target.models import Application, Document, Nib, NibEntry
from loadtests.target.security import Account
from loadtests.target.states import DECISIONS, Outcome, after_submit, sources
from loadtests.target.web import Problem

DOCUMENT_LIMIT = 2 * 1024 * 1024
MAGIC = {"application/pdf": b"%PDF-", "image/jpeg": b"\xff\xd8\xff"}
COLUMNS = "id, business_name, province, state, priority, kbli"


def not_found() -> Problem:
    """The same answer for what does not exist and for what belongs to somebody else."""
    return Problem(404, "no-such-application", "Permohonan tidak ditemukan.")


async def create(database: Database, account: Account, channel: str, business_name: str, province: str) -> Application:
    """A new draft."""
    query = f"""INSERT INTO application (account_id, channel, business_name, province)
                VALUES ($1, $2, $3, $4) RETURNING {COLUMNS}"""  # noqa: S608 - constant columns
    return _application(await database.row(query, account.id, channel, business_name, province))


async def create_priority(
    database: Database, account: Account, business_name: str, province: str, nik: str, kbli: str, investment_idr: int
) -> Application:
    """A priority project: complete at once, and at the head of the officers' queue."""
    query = f"""INSERT INTO application (account_id, channel, priority, business_name, province, nik, kbli,
                                         investment_idr, state, submitted_at)
                VALUES ($1, 'priority', true, $2, $3, $4, $5, $6, $7, now()) RETURNING {COLUMNS}"""  # noqa: S608
    state = after_submit(table()[kbli].risk, priority=True)
    return _application(
        await database.row(query, account.id, business_name, province, nik, kbli, investment_idr, state)
    )


async def get(database: Database, account: Account, number: int) -> Application:
    """The application with its NIB and the count of its documents: one's own, or for officers one of their province.

    Raises Problem 404.
    """
    officer = account.role == "officer"
    row = await database.row(
        """SELECT a.id, a.business_name, a.province, a.state, a.priority, a.kbli, n.nib,
                  (SELECT count(*) FROM document d WHERE d.application_id = a.id) AS documents
           FROM application a LEFT JOIN nib n ON n.application_id = a.id
           WHERE a.id = $1 AND (a.account_id = $2 OR a.province = $3)""",
        number,
        account.id,
        account.province if officer else None,
    )
    if row is None:
        raise not_found()
    return Application(**dict(row))


async def nik_matched(database: Database, account: Account, number: int, nik: str) -> None:
    """Keep the NIK that the registry confirmed. Raises Problem 404 or 409."""
    await _move(
        database,
        account,
        number,
        """UPDATE application SET state = 'nik_checked', nik = $3, updated_at = now()
           WHERE id = $1 AND account_id = $2 AND state = ANY($4) RETURNING id""",
        nik,
        sources("nik_checked"),
    )


async def add_document(
    database: Database, account: Account, number: int, name: str, media_type: str, body: bytes
) -> Document:
    """Store a PDF or JPEG; the same bytes again are the same document. Raises Problem 404, 409, 413 or 415."""
    if media_type not in MAGIC or not body.startswith(MAGIC[media_type]):
        raise Problem(415, "not-a-document", "Kirim PDF atau JPEG.")
    if len(body) > DOCUMENT_LIMIT:
        raise Problem(413, "too-large", f"Dokumen paling besar {DOCUMENT_LIMIT // 1024} KiB.")
    digest = hashlib.sha256(body).digest()
    row = await database.row(
        """INSERT INTO document (application_id, name, media_type, sha256, size, body)
           SELECT id, $3, $4, $5, $6, $7 FROM application
           WHERE id = $1 AND account_id = $2 AND state IN ('draft', 'nik_checked', 'returned')
           ON CONFLICT (application_id, sha256) DO UPDATE SET name = EXCLUDED.name
           RETURNING id, name, size""",
        number,
        account.id,
        name,
        media_type,
        digest,
        len(body),
        body,
    )
    if row is None:
        await _refuse(database, account, number)
    return Document(id=row["id"], name=row["name"], size=row["size"], sha256=digest.hex())


async def submit(database: Database, account: Account, number: int, kbli: str) -> Application:
    """Hand the application in; the risk of its business class says whether an officer must see it."""
    state = after_submit(table()[kbli].risk, priority=False)
    row = await _move(
        database,
        account,
        number,
        f"""UPDATE application SET state = $3, kbli = $4, submitted_at = now(), updated_at = now()
            WHERE id = $1 AND account_id = $2 AND state = ANY($5) RETURNING {COLUMNS}""",  # noqa: S608
        state,
        kbli,
        sources(state),
    )
    return _application(row)


async def issue(database: Database, account: Account, number: int, key: str) -> tuple[Nib, bool]:
    """Issue the NIB exactly once; returns it and whether it is new.

    The same idempotency key gets the same number again, another key is a Problem 409, and so is a state that may not
    lead to a NIB. The row lock orders concurrent requests; the unique constraint stands behind it.
    """
    async with database.connection() as connection, connection.transaction():
        row = await connection.fetchrow(
            """SELECT a.state, a.business_name, a.province, a.kbli, n.nib, n.idempotency_key, n.issued_at
               FROM application a LEFT JOIN nib n ON n.application_id = a.id
               WHERE a.id = $1 AND a.account_id = $2 FOR UPDATE OF a""",
            number,
            account.id,
        )
        if row is None:
            raise not_found()
        if row["nib"] is not None:
            if row["idempotency_key"] != key:
                raise Problem(409, "already-issued", f"NIB {row['nib']} sudah terbit untuk permohonan ini.")
            return _nib(row, number), False
        if row["state"] not in sources("issued"):
            raise Problem(409, "wrong-state", f"Permohonan berstatus {row['state']}; NIB belum dapat terbit.")
        nib = make_nib(await connection.fetchval("SELECT nextval('nib_sequence')"))
        made = await connection.fetchrow(
            """WITH moved AS (UPDATE application SET state = 'issued', updated_at = now() WHERE id = $2)
               INSERT INTO nib (nib, application_id, idempotency_key, business_name, province, kbli)
               VALUES ($1, $2, $3, $4, $5, $6) RETURNING nib, business_name, issued_at""",
            nib,
            number,
            key,
            row["business_name"],
            row["province"],
            row["kbli"],
        )
        return _nib(made, number), True


async def search(database: Database, query: str, limit: int = 20) -> list[NibEntry]:
    """Registered businesses by the whole NIB, or by the beginning of their name."""
    if query.isascii() and query.isdigit():
        rows = await database.rows("SELECT nib, business_name, province, kbli FROM nib WHERE nib = $1", query)
    else:
        pattern = query.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        rows = await database.rows(
            """SELECT nib, business_name, province, kbli FROM nib WHERE lower(business_name) LIKE $1
               ORDER BY lower(business_name) LIMIT $2""",
            pattern,
            limit,
        )
    return [NibEntry(**dict(row)) for row in rows]


async def queue(database: Database, province: str, limit: int = 20) -> list[Any]:
    """What waits for a province's officers: priority projects first, then the oldest."""
    return await database.rows(
        """SELECT id, business_name, kbli, priority, submitted_at FROM application
           WHERE state = 'in_review' AND province = $1 ORDER BY priority DESC, submitted_at, id LIMIT $2""",
        province,
        limit,
    )


async def decide(database: Database, officer: Account, number: int, outcome: Outcome, reason: str) -> Application:
    """An officer's decision, once. Raises Problem 404, or 409 when a colleague was faster."""
    target = DECISIONS[outcome]
    row = await database.row(
        f"""WITH moved AS (UPDATE application SET state = $3, updated_at = now()
                           WHERE id = $1 AND province = $2 AND state = ANY($4) RETURNING {COLUMNS}),
                 noted AS (INSERT INTO decision (application_id, officer_id, outcome, reason)
                           SELECT id, $5, $6, $7 FROM moved)
            SELECT {COLUMNS} FROM moved""",  # noqa: S608 - constant columns
        number,
        officer.province,
        target,
        sources(target),
        officer.id,
        outcome,
        reason,
    )
    if row is None:
        known = await database.row(
            "SELECT state FROM application WHERE id = $1 AND province = $2", number, officer.province
        )
        if known is None:
            raise not_found()
        raise Problem(409, "already-decided", f"Permohonan sudah berstatus {known['state']}.")
    return _application(row)


async def _move(database: Database, account: Account, number: int, update: str, *values: object) -> Any:
    row = await database.row(update, number, account.id, *values)
    if row is None:
        await _refuse(database, account, number)
    return row


async def _refuse(database: Database, account: Account, number: int) -> None:
    """Say why an update found no row: there is no such application, or its state forbids the step."""
    known = await database.row("SELECT state FROM application WHERE id = $1 AND account_id = $2", number, account.id)
    if known is None:
        raise not_found()
    raise Problem(409, "wrong-state", f"Permohonan berstatus {known['state']}; langkah ini tidak berlaku.")


def _application(row: Any) -> Application:
    return Application(**dict(row))


def _nib(row: Any, number: int) -> Nib:
    return Nib(nib=row["nib"], application_id=number, business_name=row["business_name"], issued_at=row["issued_at"])
