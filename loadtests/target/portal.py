"""The portal: HTML pages that work without scripts, for people in a browser. Sessions live in a cookie."""

from __future__ import annotations

import hashlib
import mimetypes
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartParser
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from loadtests.target import applications, kbli
from loadtests.target.accounts import sign_in
from loadtests.target.identity import PROVINCES
from loadtests.target.integration import check_nik
from loadtests.target.models import Draft, NikIn, Submit
from loadtests.target.security import SESSION_S
from loadtests.target.web import COOKIE, Call, Operations, Problem

HERE = Path(__file__).parent
FORM_LIMIT = applications.DOCUMENT_LIMIT + 64 * 1024
# A document stays in memory: the container's file system is read-only.
MultiPartParser.spool_max_size = FORM_LIMIT

WORDS = {
    "draft": "Konsep",
    "nik_checked": "NIK sudah diperiksa",
    "in_review": "Menunggu keputusan petugas",
    "returned": "Dikembalikan untuk diperbaiki",
    "approved": "Disetujui",
    "rejected": "Ditolak",
    "issued": "NIB terbit",
}
SAFE = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_templates = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True, auto_reload=False)


def _page(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    return HTMLResponse(_templates.get_template(template).render(**values), status, SAFE)


def _problem(request: Request, problem: Problem) -> Response:
    if problem.status == 401 and request.method == "GET":
        return RedirectResponse("/?masuk=perlu", 303, SAFE)
    response = _page("problem.html", problem.status, problem=problem.detail)
    if problem.retry_after_s is not None:
        response.headers["Retry-After"] = str(problem.retry_after_s)
    return response


operations = Operations(show=_problem)


@operations.add("portal.home", "GET", "/")
async def home(call: Call) -> Response:
    """The home page, with the sign-in form for guests."""
    asked = "Silakan masuk lebih dahulu." if "masuk" in call.request.query_params else ""
    return _page("home.html", account=call.maybe_account, problem=asked)


@cache
def _assets() -> dict[str, tuple[bytes, str, str]]:
    found = {}
    for path in sorted((HERE / "assets").iterdir()):
        content = path.read_bytes()
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        found[path.name] = (content, kind, f'"{hashlib.sha256(content).hexdigest()[:16]}"')
    return found


@operations.add("portal.asset", "GET", "/assets/{name}", problems=(404,))
async def asset(call: Call) -> Response:
    """A style sheet or picture; browsers keep it for a day and then ask whether it changed."""
    known = _assets().get(call.request.path_params["name"])
    if known is None:
        raise Problem(404, "no-such-asset", "Berkas tidak ditemukan.")
    content, kind, tag = known
    headers = {"Cache-Control": "public, max-age=86400", "ETag": tag}
    if call.request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=kind, headers=headers)


@operations.add("portal.signin", "POST", "/masuk")
async def signin(call: Call) -> Response:
    """Sign in; the session cookie is out of scripts' reach and not sent from other sites' forms."""
    async with call.request.form(max_files=0, max_fields=4) as form:
        username, password = _field(form, "username"), _field(form, "password")
    try:
        account = await sign_in(call.context, username, password[:200], "portal.signin")
    except Problem as problem:
        if problem.status != 401:
            raise
        return _page("home.html", 401, account=None, problem=problem.detail)
    response = RedirectResponse("/permohonan/baru", 303, SAFE)
    secure = "https" in (call.request.url.scheme, call.request.headers.get("x-forwarded-proto", ""))
    token = call.context.sessions.issue(account)
    response.set_cookie(COOKIE, token, SESSION_S, secure=secure, httponly=True, samesite="lax")
    return response


@operations.add("portal.form", "GET", "/permohonan/baru", roles=("applicant",))
async def form(call: Call) -> Response:
    """The application form."""
    return _form(call, {}, {}, 200)


@operations.add("portal.apply", "POST", "/permohonan", roles=("applicant",), problems=(403, 409))
async def apply(call: Call) -> Response:
    """The whole application at once: check, store, submit, and issue the NIB where no officer need see it."""
    if int(call.request.headers.get("content-length") or 0) > FORM_LIMIT:
        raise Problem(413, "too-large", "Isian terlalu besar; dokumen paling besar 2 MiB.")
    async with call.request.form(max_files=1, max_fields=10) as given:
        if not call.context.sessions.is_form_token(_field(given, "csrf"), call.account):
            raise Problem(403, "stale-form", "Formulir kedaluwarsa; muat ulang halaman formulir.")
        draft, nik, chosen, errors = _check(given)
        upload = given.get("document")
        body = await upload.read() if isinstance(upload, UploadFile) else b""
        name = (upload.filename or "dokumen") if isinstance(upload, UploadFile) else ""
        kind = (upload.content_type or "") if isinstance(upload, UploadFile) else ""
        values = {key: str(value) for key, value in given.items() if isinstance(value, str)}
    if not body.startswith(applications.MAGIC.get(kind, b"\0")):
        errors["document"] = "Dokumen harus PDF atau JPEG."
    if errors or draft is None or nik is None or chosen is None:
        return _form(call, errors, values, 422)
    if (await check_nik(call.context, nik.nik)).outcome != "matched":
        return _form(call, {"nik": "NIK tidak ditemukan pada data kependudukan."}, values, 422)
    database, account = call.context.database, call.account
    made = await applications.create(database, account, "portal", draft.business_name, draft.province)
    await applications.nik_matched(database, account, made.id, nik.nik)
    await applications.add_document(database, account, made.id, name[:120], kind, body)
    handed_in = await applications.submit(database, account, made.id, chosen.kbli)
    if handed_in.state == "approved":
        await applications.issue(database, account, made.id, f"portal-{made.id}")
    return RedirectResponse(f"/permohonan/{made.id}", 303, SAFE)


@operations.add("portal.status", "GET", "/permohonan/{id}", roles=("applicant",))
async def status(call: Call) -> Response:
    """Where an application stands."""
    application = await applications.get(call.context.database, call.account, call.number)
    return _page("status.html", application=application, words=WORDS[application.state])


def _form(call: Call, errors: dict[str, str], given: dict[str, str], status: int) -> Response:
    return _page(
        "form.html",
        status,
        csrf=call.context.sessions.form_token(call.account),
        errors=errors,
        given=given,
        provinces=PROVINCES,
        classes=kbli.table().values(),
    )


def _field(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""


def _check(form: FormData) -> tuple[Draft | None, NikIn | None, Submit | None, dict[str, str]]:
    """The form's fields by the same models as the API's, or a sentence for each that is wrong."""
    errors: dict[str, str] = {}

    def attempt(model: Any, **values: object) -> Any:
        try:
            return model(**values)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                cause = (detail.get("ctx") or {}).get("error")
                errors[str(detail["loc"][0])] = f"{LABELS[str(detail['loc'][0])]}: {cause or 'isian tidak sah'}."
            return None

    draft = attempt(Draft, business_name=_field(form, "business_name"), province=_field(form, "province"))
    nik = attempt(NikIn, nik=_field(form, "nik"))
    chosen = attempt(Submit, kbli=_field(form, "kbli"), statement=_field(form, "statement") == "ya")
    return draft, nik, chosen, errors


LABELS = {
    "business_name": "Nama usaha",
    "province": "Provinsi",
    "nik": "NIK",
    "kbli": "KBLI",
    "statement": "Pernyataan",
}
