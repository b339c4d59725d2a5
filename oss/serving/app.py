"""The routes: the page, the question (a stream of progress and answers), reports and plans to download."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from capacity.faults import MachineLacks, OssError
from capacity.report.language import LANGUAGES, Lang
from capacity.report.sources import Sources
from capacity.whatif.changes import BadValues, Given, Variant
from capacity.whatif.export import packed, plan_text
from capacity.whatif.session import WhatIf
from oss.serving.documents import TYPES, report, report_policy
from oss.serving.guard import Guard
from oss.serving.pages import Pages
from oss.serving.solving import Solver

STATIC = Path(__file__).with_name("static")


def make_app(session: WhatIf, sources: Sources, port: int) -> Starlette:
    """The application for one plan; `port` is the one it is reached at. Raises BadInput when a text is missing."""
    return _Site(session, sources).app(port)


class _Site:
    def __init__(self, session: WhatIf, sources: Sources) -> None:
        self._session, self._sources = session, sources
        self._pages: dict[Lang, Pages] = {code: Pages(session, code) for code in LANGUAGES}
        self._solver = Solver(session)

    def app(self, port: int) -> Starlette:
        routes = [
            Route("/", self._home),
            Route("/what-if", self._ask, methods=["POST"]),
            Route("/report/{key:str}/{lang:str}.{form:str}", self._report),
            Route("/plan/{key:str}/{stem:str}.{form:str}", self._plan),
            Route("/favicon.ico", lambda _: Response(status_code=204)),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]
        app = Starlette(routes=routes, middleware=[Middleware(Guard, port=port)])
        app.state.close = self._solver.close
        return app

    async def _home(self, request: Request) -> Response:
        return HTMLResponse(self._in(request.query_params.get("lang")).page())

    async def _ask(self, request: Request) -> Response:
        asked = _question(await request.body())
        if asked is None:
            return PlainTextResponse("Not a question of this page.\n", 400)
        page, lang, given = asked
        pages = self._in(lang)
        try:
            changed = self._session.check(given)
        except BadValues as error:
            return JSONResponse({"faults": pages.faults(error.faults)}, 422)
        return StreamingResponse(self._answer(page, changed, pages), media_type="application/x-ndjson")

    async def _answer(self, page: str, changed: Variant, pages: Pages) -> AsyncIterator[str]:
        job = self._solver.begin(page, changed)
        key = _key(changed)
        async for event in job.events():
            said: dict[str, Any] = {"kind": event.kind}
            if event.kind == "progress":
                said |= {"what": pages.stage(event.what), "share": event.share}
            elif event.outcome is not None:
                if event.kind == "done":
                    self._solver.keep(key, event.outcome)
                said |= pages.result(event.outcome, key)
            elif event.error is not None:
                message, remedy, lang = pages.sentences(event.error.message, event.error.remedy)
                said |= {"message": message, "remedy": remedy, "lang": lang}
            yield json.dumps(said) + "\n"
        self._solver.forget(page, job)

    async def _report(self, request: Request) -> Response:
        form, lang = request.path_params["form"], request.path_params["lang"]
        outcome = self._solver.found(request.path_params["key"])
        if outcome is None or form not in TYPES or lang not in LANGUAGES:
            return _gone()
        words = self._pages[lang].words
        try:
            whole = await run_in_threadpool(self._session.whole, outcome)
            made = await run_in_threadpool(report, self._sources, outcome.variant, whole, words, form)
        except MachineLacks as error:
            return PlainTextResponse(f"{error}\n", 501)
        except OssError as error:
            return PlainTextResponse(f"{error}\n", 500)
        name = f"laporan-kebutuhan-sewa-{self._session.base.inputs.path.stem}-dicoba-{lang}.{form}"
        headers = {} if "show" in request.query_params else _as_file(name)
        if form == "html":
            headers["content-security-policy"] = report_policy(made)
        return Response(made, media_type=TYPES[form], headers=headers)

    async def _plan(self, request: Request) -> Response:
        outcome = self._solver.found(request.path_params["key"])
        base, stem = self._session.base, self._session.base.inputs.path.stem
        if outcome is None or request.path_params["stem"] != stem:
            return _gone()
        match request.path_params["form"]:
            case "yaml":
                text = plan_text(base, outcome.variant)
                return Response(text, media_type="application/yaml", headers=_as_file(f"{stem}.yaml"))
            case "zip":
                data = await run_in_threadpool(packed, base, outcome.variant)
                return Response(data, media_type="application/zip", headers=_as_file(f"{stem}.zip"))
        return _gone()

    def _in(self, lang: str | None) -> Pages:
        """The pages of a language, Indonesian when there is no such."""
        return self._pages["en" if lang == "en" else "id"]


def _question(body: bytes) -> tuple[str, str, Given] | None:
    """(page, language, changes) of a request, or None when it is not formed as the page forms it."""
    try:
        data = json.loads(body)
        page, lang, changes = data["page"], data["lang"], data["changes"]
    except (ValueError, KeyError, TypeError):
        return None
    if not (isinstance(page, str) and isinstance(lang, str) and isinstance(changes, dict)):
        return None
    for value in changes.values():
        if not isinstance(value, str) and not (isinstance(value, list) and all(isinstance(v, str) for v in value)):
            return None
    return page[:64], lang, changes


def _key(changed: Variant) -> str:
    """The same changes have the same key."""
    said = json.dumps(sorted((name, str(value)) for name, value in changed.values.items()))
    return hashlib.blake2b(said.encode(), digest_size=12).hexdigest()


def _as_file(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}


def _gone() -> Response:
    return PlainTextResponse("There is no such plan here any more; change a field to compute it again.\n", 404)
