"""Typed operations over Starlette: a request is checked against a model before the handler sees it, and what
the handler returns is serialised from a model. The OpenAPI document is made from the same table, so it is true.

Errors are problem details (RFC 9457) in the JSON services.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from loadtests.target.context import Context
from loadtests.target.database import UNREACHABLE, Busy
from loadtests.target.security import Account

JSON_LIMIT = 64 * 1024
JSON = "application/json"
COOKIE = "oss_session"

ModelT = TypeVar("ModelT", bound=BaseModel)
Answer = BaseModel | Response | None
Handler = Callable[["Call"], Awaitable[Answer]]


class Problem(Exception):
    """An answer that is not the wished one: status, a stable `kind` for programs and a sentence for people."""

    def __init__(self, status: int, kind: str, detail: str, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.retry_after_s = retry_after_s

    def response(self) -> Response:
        """As `application/problem+json`."""
        headers = {"Retry-After": str(self.retry_after_s)} if self.retry_after_s is not None else {}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        content = {"type": f"urn:oss:problem:{self.kind}", "status": self.status, "detail": self.detail}
        return JSONResponse(content, self.status, headers, media_type="application/problem+json")


class Call:
    """One request as a handler sees it: who asks, the checked body, the path's number, the service's context."""

    __slots__ = ("_account", "_body", "context", "request")

    def __init__(self, request: Request, context: Context, account: Account | None, body: BaseModel | None) -> None:
        self.request = request
        self.context = context
        self._account = account
        self._body = body

    @property
    def account(self) -> Account:
        """Who is signed in; operations with `roles` have checked it."""
        if self._account is None:
            raise Problem(401, "not-signed-in", "Silakan masuk lebih dahulu.")
        return self._account

    @property
    def maybe_account(self) -> Account | None:
        """Who is signed in, on pages that anyone may see."""
        return self._account

    def body(self, model: type[ModelT]) -> ModelT:
        """The checked body; `model` is the one that the operation was declared with."""
        return cast(ModelT, self._body)

    @property
    def number(self) -> int:
        """The `{id}` of the path."""
        return int(self.request.path_params["id"])


@dataclass(frozen=True, slots=True)
class Operation:
    """One endpoint: its id in the capacity model, where it is, what goes in and what comes out."""

    id: str
    method: str
    path: str
    summary: str
    handler: Handler
    body: type[BaseModel] | None
    answer: type[BaseModel] | None
    status: int
    roles: tuple[str, ...]
    binary_body: tuple[str, ...]
    query: tuple[str, ...]
    headers: tuple[str, ...]
    problems: tuple[int, ...]


class Operations:
    """The operations of one service. `show` renders a problem; pages show it in HTML and know people by cookie."""

    def __init__(self, show: Callable[[Request, Problem], Response] | None = None) -> None:
        self.all: list[Operation] = []
        self._show = show

    def add(
        self,
        identity: str,
        method: str,
        path: str,
        *,
        body: type[BaseModel] | None = None,
        answer: type[BaseModel] | None = None,
        status: int = 200,
        roles: tuple[str, ...] = (),
        binary_body: tuple[str, ...] = (),
        query: tuple[str, ...] = (),
        headers: tuple[str, ...] = (),
        problems: tuple[int, ...] = (),
    ) -> Callable[[Handler], Handler]:
        """Declare an operation; the first line of the handler's docstring is its summary."""

        def declare(handler: Handler) -> Handler:
            summary = (handler.__doc__ or identity).splitlines()[0]
            self.all.append(
                Operation(
                    identity,
                    method,
                    path,
                    summary,
                    handler,
                    body,
                    answer,
                    status,
                    roles,
                    binary_body,
                    query,
                    headers,
                    problems,
                )
            )
            return handler

        return declare

    def routes(self) -> list[Route]:
        """Starlette routes; `{id}` in a path is a whole number."""
        return [
            Route(o.path.replace("{id}", "{id:int}"), self._endpoint(o), methods=[o.method], name=o.id)
            for o in self.all
        ]

    def _endpoint(self, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
        token_of = _bearer if self._show is None else _cookie

        async def endpoint(request: Request) -> Response:
            request.scope["oss.endpoint"] = operation.id
            context: Context = request.app.state.context
            try:
                account = authenticate(token_of(request), context, operation.roles)
                body = await _checked(request, operation.body) if operation.body else None
                answer = await operation.handler(Call(request, context, account, body))
            except Problem as problem:
                return self._problem(request, problem)
            except (Busy, *UNREACHABLE):
                busy = Problem(503, "busy", "Layanan sedang penuh, coba lagi sebentar.", retry_after_s=2)
                return self._problem(request, busy)
            except ClientDisconnect:
                return Response(status_code=499)
            if isinstance(answer, Response):
                return answer
            content = answer.model_dump_json(exclude_none=True) if answer is not None else ""
            return Response(content, operation.status, media_type=JSON)

        return endpoint

    def _problem(self, request: Request, problem: Problem) -> Response:
        return self._show(request, problem) if self._show else problem.response()


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def _cookie(request: Request) -> str:
    return request.cookies.get(COOKIE, "")


def authenticate(token: str, context: Context, roles: tuple[str, ...]) -> Account | None:
    """The account behind a token. Raises Problem 401 without one, 403 when its role may not do this."""
    if "service" in roles:
        if not context.sessions.is_service(token):
            raise Problem(401, "not-a-service", "Hanya untuk layanan internal.")
        return None
    account = context.sessions.account(token) if token else None
    if roles and account is None:
        raise Problem(401, "not-signed-in", "Silakan masuk lebih dahulu.")
    if roles and account is not None and account.role not in roles:
        raise Problem(403, "not-allowed", "Akun ini tidak berwenang untuk tindakan ini.")
    return account


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises Problem 413 as soon as it grows beyond `limit` bytes."""
    if int(request.headers.get("content-length") or 0) > limit:
        raise Problem(413, "too-large", f"Paling besar {limit // 1024} KiB.")
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise Problem(413, "too-large", f"Paling besar {limit // 1024} KiB.")
        parts.append(part)
    return b"".join(parts)


async def _checked(request: Request, model: type[BaseModel]) -> BaseModel:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise Problem(415, "not-json", "Kirim isi sebagai application/json.")
    raw = await read_body(request, JSON_LIMIT)
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise Problem(422, "invalid", json.dumps(_words(error), ensure_ascii=False)) from None


def _words(error: ValidationError) -> list[dict[str, Any]]:
    return [{"field": ".".join(map(str, e["loc"])), "problem": e["msg"]} for e in error.errors(include_url=False)]
