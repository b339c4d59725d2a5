"""The integration gateway: NIK checks with the population registry, and callbacks from agencies."""

from __future__ import annotations

import hashlib

import asyncpg
import httpx
from pydantic import ValidationError
from starlette.responses import Response

from loadtests.target.models import Callback, CallbackTaken, NikIn, NikOut
from loadtests.target.security import is_callback
from loadtests.target.web import JSON, JSON_LIMIT, Call, Operations, Problem, read_body

operations = Operations()


@operations.add(
    "gateway.nik",
    "POST",
    "/integration/nik",
    body=NikIn,
    answer=NikOut,
    roles=("service",),
    problems=(429, 502),
)
async def nik(call: Call) -> NikOut:
    """Ask the population registry about a NIK, and note that it was asked."""
    context = call.context
    number = call.body(NikIn).nik
    try:
        answer = await context.upstream.post(f"{context.settings.registry_url}/registry/nik", json={"nik": number})
    except httpx.HTTPError:
        raise Problem(502, "registry-away", "Layanan kependudukan tidak menjawab.") from None
    if answer.status_code == 429:
        wait = int(answer.headers.get("retry-after", "1"))
        raise Problem(429, "registry-quota", "Kuota pemeriksaan NIK habis.", retry_after_s=wait)
    if answer.status_code != 200:
        raise Problem(502, "registry-away", f"Layanan kependudukan menjawab {answer.status_code}.")
    found = NikOut.model_validate_json(answer.content)
    await context.database.execute(
        "INSERT INTO nik_check (nik_hash, outcome) VALUES ($1, $2)",
        hashlib.sha256(f"{context.settings.secret}{number}".encode()).digest(),
        found.outcome,
    )
    return found


@operations.add(
    "gateway.callback",
    "POST",
    "/integration/callbacks",
    answer=CallbackTaken,
    status=202,
    headers=("X-OSS-Agency", "X-OSS-Timestamp", "X-OSS-Signature"),
    problems=(401, 413, 422),
)
async def callback(call: Call) -> Response:
    """An agency reports on a permit; signed, fresh, and taken once however often it is sent."""
    headers = call.request.headers
    raw = await read_body(call.request, JSON_LIMIT)
    signed = is_callback(
        call.context.settings.callback_key,
        headers.get("x-oss-timestamp", ""),
        raw,
        headers.get("x-oss-signature", ""),
    )
    if not signed:
        raise Problem(401, "bad-signature", "Tanda tangan salah atau kedaluwarsa.")
    try:
        given = Callback.model_validate_json(raw)
    except ValidationError as error:
        raise Problem(422, "invalid", f"{error.error_count()} isian salah.") from None
    try:
        tag = await call.context.database.execute(
            """INSERT INTO callback (event_id, agency, nib, permit, status) VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (event_id) DO NOTHING""",
            given.event_id,
            headers.get("x-oss-agency", "")[:60],
            given.nib,
            given.permit,
            given.status,
        )
    except asyncpg.ForeignKeyViolationError:
        raise Problem(422, "no-such-nib", "NIB tidak terdaftar.") from None
    taken = CallbackTaken(event_id=given.event_id, duplicate=tag.endswith(" 0"))
    return Response(taken.model_dump_json(), 202, media_type=JSON)
