"""The mobile API: sessions, the application from draft to NIB, search, the officers' queue and priority projects."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from loadtests.target import applications, kbli
from loadtests.target.accounts import sign_in
from loadtests.target.integration import check_nik
from loadtests.target.models import (
    Application,
    Decision,
    Document,
    Draft,
    KbliEntry,
    KbliList,
    Nib,
    NibList,
    NikIn,
    NikOut,
    PriorityProject,
    Queue,
    QueueEntry,
    Session,
    SignIn,
    Submit,
)
from loadtests.target.openapi import document
from loadtests.target.security import SESSION_S
from loadtests.target.web import JSON, Call, Operations, Problem, read_body

operations = Operations()
APPLICATION = "/api/v1/applications/{id}"


@operations.add("api.signin", "POST", "/api/v1/sessions", body=SignIn, answer=Session, status=201, problems=(401,))
async def signin(call: Call) -> Session:
    """Sign in with user name and password."""
    given = call.body(SignIn)
    account = await sign_in(call.context, given.username, given.password, "api.signin")
    return Session(
        token=call.context.sessions.issue(account),
        role=account.role,
        province=account.province,
        name=account.name,
        expires_in_s=SESSION_S,
    )


@operations.add(
    "api.draft",
    "POST",
    "/api/v1/applications",
    body=Draft,
    answer=Application,
    status=201,
    roles=("applicant",),
)
async def draft(call: Call) -> Application:
    """Begin an application."""
    given = call.body(Draft)
    return await applications.create(call.context.database, call.account, "mobile", given.business_name, given.province)


@operations.add(
    "api.nik", "POST", f"{APPLICATION}/nik", body=NikIn, answer=NikOut, roles=("applicant",), problems=(409,)
)
async def nik(call: Call) -> NikOut:
    """Check the applicant's NIK with the population registry."""
    given = call.body(NikIn)
    found = await check_nik(call.context, given.nik)
    if found.outcome == "matched":
        await applications.nik_matched(call.context.database, call.account, call.number, given.nik)
    return found


@operations.add("api.kbli", "GET", "/api/v1/kbli", answer=KbliList, query=("q",))
async def business_classes(call: Call) -> Response:
    """Find business classes by words of their title or the beginning of their code."""
    found = kbli.search(call.request.query_params.get("q", "")[:60])
    items = [KbliEntry(code=e.code, title=e.title, risk=e.risk) for e in found]
    content = KbliList(items=items).model_dump_json()
    return Response(content, media_type=JSON, headers={"Cache-Control": "public, max-age=3600"})


@operations.add(
    "api.document",
    "POST",
    f"{APPLICATION}/documents",
    answer=Document,
    status=201,
    roles=("applicant",),
    binary_body=tuple(applications.MAGIC),
    query=("name",),
    problems=(409,),
)
async def upload(call: Call) -> Document:
    """Upload a document, PDF or JPEG, at most 2 MiB."""
    media_type = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in applications.MAGIC:
        raise Problem(415, "not-a-document", "Kirim PDF atau JPEG.")
    body = await read_body(call.request, applications.DOCUMENT_LIMIT)
    name = call.request.query_params.get("name", "dokumen")[:120]
    return await applications.add_document(call.context.database, call.account, call.number, name, media_type, body)


@operations.add(
    "api.submit",
    "POST",
    f"{APPLICATION}/submit",
    body=Submit,
    answer=Application,
    roles=("applicant",),
    problems=(409,),
)
async def submit(call: Call) -> Application:
    """Hand the application in."""
    return await applications.submit(call.context.database, call.account, call.number, call.body(Submit).kbli)


@operations.add(
    "api.issue",
    "POST",
    f"{APPLICATION}/nib",
    answer=Nib,
    status=201,
    roles=("applicant",),
    headers=("Idempotency-Key",),
    problems=(400, 409),
)
async def issue(call: Call) -> Response:
    """Issue the NIB, exactly once; repeat with the same Idempotency-Key to get it again."""
    key = call.request.headers.get("idempotency-key", "")
    if not 8 <= len(key) <= 64:
        raise Problem(400, "no-idempotency-key", "Kepala Idempotency-Key wajib, 8 sampai 64 huruf.")
    made, new = await applications.issue(call.context.database, call.account, call.number, key)
    return Response(made.model_dump_json(), 201 if new else 200, media_type=JSON)


@operations.add("api.status", "GET", APPLICATION, answer=Application, roles=("applicant", "officer"))
async def status(call: Call) -> Application:
    """Where an application stands."""
    return await applications.get(call.context.database, call.account, call.number)


@operations.add("api.search", "GET", "/api/v1/nib", answer=NibList, query=("q",), problems=(400,))
async def search(call: Call) -> NibList:
    """Find registered businesses by NIB or by the beginning of their name."""
    query = call.request.query_params.get("q", "").strip()
    if not 3 <= len(query) <= 60:
        raise Problem(400, "bad-query", "Parameter q: 3 sampai 60 huruf.")
    return NibList(items=await applications.search(call.context.database, query))


@operations.add("api.queue", "GET", "/api/v1/officer/queue", answer=Queue, roles=("officer",))
async def queue(call: Call) -> Queue:
    """What waits for the officers of one's province, priority projects first."""
    rows = await applications.queue(call.context.database, call.account.province)
    return Queue(items=[QueueEntry(**dict(row)) for row in rows])


@operations.add(
    "api.decide",
    "POST",
    "/api/v1/officer/applications/{id}/decision",
    body=Decision,
    answer=Application,
    roles=("officer",),
    problems=(409,),
)
async def decide(call: Call) -> Application:
    """Approve, reject or return an application."""
    given = call.body(Decision)
    return await applications.decide(call.context.database, call.account, call.number, given.outcome, given.reason)


@operations.add(
    "api.priority",
    "POST",
    "/api/v1/priority/applications",
    body=PriorityProject,
    answer=Application,
    status=201,
    roles=("applicant",),
)
async def priority(call: Call) -> Application:
    """Hand a priority project in: complete at once, first in the officers' queue."""
    given = call.body(PriorityProject)
    return await applications.create_priority(
        call.context.database,
        call.account,
        given.business_name,
        given.province,
        given.nik,
        given.kbli,
        given.investment_idr,
    )


_described = document("OSS mobile API", operations.all)


@operations.add("api.openapi", "GET", "/api/v1/openapi.json")
async def openapi(call: Call) -> Response:
    """This API's description."""
    return JSONResponse(_described, headers={"Cache-Control": "public, max-age=3600"})
