"""What the page refuses before any of its code runs, and the headers of every answer.

The server listens on loopback, yet a web page of somebody else in the same browser could speak to it: by a name that it
points at 127.0.0.1 (DNS rebinding; refused by the Host header) or by a form or script of its own (refused by Origin and
Sec-Fetch-Site). No answer allows another origin to read it.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY = 64 * 1024
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": PAGE_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Middleware around the whole application; `port` is the one that the server listens on."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        if port == 80:
            self._hosts |= {"127.0.0.1", "localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on and add the headers that the answer has not set itself."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    found.setdefault(name, value)
            await send(message)

        if refused := self._refusal(scope["method"], Headers(scope=scope)):
            status, words = refused
            await PlainTextResponse(words + "\n", status)(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)

    def _refusal(self, method: str, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if host not in self._hosts:
            return 421, "This page answers on the loopback address only."
        if method in ("GET", "HEAD"):
            return None
        if method != "POST":
            return 405, "No such method."
        if headers.get("origin") != f"http://{host}" or headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return 403, "Only the page itself may ask for this."
        if headers.get("content-type", "").split(";")[0].strip() != "application/json":
            return 415, "Send JSON."
        if not headers.get("content-length", "").isdigit():
            return 411, "State the length."
        if int(headers["content-length"]) > MOST_BODY:
            return 413, "Too much."
        return None
