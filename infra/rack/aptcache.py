"""The apt cache: a forward proxy for the archives of the machine's own sources, and for nothing else.

Servers of the rack have no way out; their apt asks this process, which keeps what it fetched under
`<cache>/apt/<host>/…` for all racks and checkouts. Packages and by-hash indexes never change under their names and are
served from the cache for good. Release files are asked for again when older than `FRESH_SECONDS`, and served as
they are when the archive cannot be reached, so that a rehearsal whose packages are cached needs no network.

    python -m infra.rack.aptcache --cache DIR --archive HOST=SCHEME … --listen IP:PORT [--inside NAMESPACE=IP:PORT]
"""

from __future__ import annotations

import argparse
import asyncio
import email.utils
import logging
import os
import re
import signal
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import httpx

from infra.rack.namespace import listening_socket

FRESH_SECONDS = 1800.0
CHUNK = 1 << 18
IDLE_SECONDS = 120.0
MAX_HEADERS = 100

log = logging.getLogger("aptcache")

_IMMUTABLE = re.compile(r"/by-hash/|\.(deb|udeb|dsc|tar\.[a-z0-9]+)$")


class Refused(Exception):
    """A request that is not served: the status, and a sentence for the client."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked for: method, archive host, path, and the modification time it already has (or None)."""

    method: str
    host: str
    path: str
    since: float | None
    keep_alive: bool

    @property
    def immutable(self) -> bool:
        """Whether the file behind this name can never change."""
        return bool(_IMMUTABLE.search(self.path))


def parse_request(line: str, headers: dict[str, str], archives: dict[str, str]) -> Request:
    """The request, or Refused when it is not a GET or HEAD of a plain path on a known archive."""
    words = line.split()
    if len(words) != 3 or words[0] not in ("GET", "HEAD"):
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD")
    method, target, version = words
    url = urlsplit(target)
    if url.scheme != "http" or url.netloc not in archives:
        raise Refused(HTTPStatus.FORBIDDEN, "this host is not among the machine's apt sources")
    path = unquote(url.path)
    if url.query or "\0" in path or ".." in path.split("/") or not path.startswith("/") or path.endswith("/"):
        raise Refused(HTTPStatus.FORBIDDEN, "not a plain file of the archive")
    stamp = headers.get("if-modified-since")
    since = email.utils.parsedate_to_datetime(stamp).timestamp() if stamp else None
    closing = headers.get("connection", headers.get("proxy-connection", "")).lower() == "close"
    return Request(method, url.netloc, path, since, version != "HTTP/1.0" and not closing)


class Cache:
    """Files of the archives below `folder`; fetches what is missing or stale."""

    def __init__(self, folder: Path, archives: dict[str, str], proxy: str = "") -> None:
        self._folder = folder
        self._archives = archives
        self._locks: defaultdict[Path, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._checked: dict[Path, float] = {}
        self._client = httpx.AsyncClient(proxy=proxy or None, timeout=httpx.Timeout(30.0), follow_redirects=True)

    async def file(self, request: Request) -> Path:
        """The local file that answers the request. Raises Refused with the archive's own status, or 502."""
        path = self._folder / request.host / quote(request.path.lstrip("/"), safe="/+~:-_.")
        async with self._locks[path]:
            if path.is_file() and (request.immutable or time.time() - self._checked.get(path, 0.0) < FRESH_SECONDS):
                return path
            try:
                await self._fetch(request, path)
            except httpx.HTTPError as error:
                if not path.is_file():
                    raise Refused(HTTPStatus.BAD_GATEWAY, f"{request.host} does not answer: {error}") from None
                log.warning("%s%s: stale, as the archive does not answer (%s)", request.host, request.path, error)
            self._checked[path] = time.time()
        return path

    async def _fetch(self, request: Request, path: Path) -> None:
        headers = {}
        if path.is_file():
            headers["If-Modified-Since"] = email.utils.formatdate(path.stat().st_mtime, usegmt=True)
        url = f"{self._archives[request.host]}://{request.host}{quote(request.path, safe='/+~:-_.')}"
        async with self._client.stream("GET", url, headers=headers) as response:
            if response.status_code == HTTPStatus.NOT_MODIFIED:
                return
            if response.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN, HTTPStatus.GONE):
                raise Refused(HTTPStatus(response.status_code), "the archive has no such file")
            response.raise_for_status()
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=".part-")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    async for chunk in response.aiter_bytes(CHUNK):
                        file.write(chunk)
                if modified := response.headers.get("last-modified"):
                    stamp = email.utils.parsedate_to_datetime(modified).timestamp()
                    os.utime(beside, (stamp, stamp))
                os.chmod(beside, 0o644)
                os.replace(beside, path)
            except BaseException:
                Path(beside).unlink(missing_ok=True)
                raise
        log.info("fetched %s", url)


async def serve(
    cache: Cache, archives: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer one connection's requests in order (apt sends several before it reads an answer)."""
    try:
        while True:
            line, headers = await asyncio.wait_for(_read_head(reader), IDLE_SECONDS)
            if not line:
                break
            try:
                request = parse_request(line, headers, archives)
                await _answer(request, await cache.file(request), writer)
            except Refused as refusal:
                await _refuse(refusal, writer)
                break
            if not request.keep_alive:
                break
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        log.debug("connection ended: %r", error)
    finally:
        writer.close()


async def _read_head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    line = (await reader.readline()).decode("latin-1").strip()
    headers: dict[str, str] = {}
    while line and (header := (await reader.readline()).decode("latin-1").strip()):
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
        if len(headers) > MAX_HEADERS:
            raise ValueError("too many headers")
    return line, headers


async def _answer(request: Request, path: Path, writer: asyncio.StreamWriter) -> None:
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        modified = int(found.st_mtime)
        unchanged = request.since is not None and modified <= request.since
        status = HTTPStatus.NOT_MODIFIED if unchanged else HTTPStatus.OK
        head = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            f"Last-Modified: {email.utils.formatdate(modified, usegmt=True)}",
            f"Connection: {'keep-alive' if request.keep_alive else 'close'}",
            *([] if unchanged else [f"Content-Length: {found.st_size}", "Content-Type: application/octet-stream"]),
        ]
        writer.write("\r\n".join([*head, "", ""]).encode("latin-1"))
        if request.method == "GET" and not unchanged:
            while chunk := file.read(CHUNK):
                writer.write(chunk)
                await writer.drain()
        await writer.drain()


async def _refuse(refusal: Refused, writer: asyncio.StreamWriter) -> None:
    body = f"{refusal}\n".encode()
    status = f"HTTP/1.1 {refusal.status.value} {refusal.status.phrase}"
    head = "\r\n".join([status, "Connection: close", f"Content-Length: {len(body)}", "", ""])
    writer.write(head.encode("latin-1") + body)
    await writer.drain()


async def _main(options: argparse.Namespace) -> None:
    archives = dict(word.split("=", 1) for word in options.archive)
    cache = Cache(options.cache, archives, options.proxy)
    places = [("", options.listen)] if options.listen else []
    if options.inside:
        namespace, address = options.inside.split("=", 1)
        places.append((namespace, address))
    for namespace, place in places:
        address, port = place.rsplit(":", 1)
        made = listening_socket(address, int(port), namespace)
        await asyncio.start_server(lambda r, w: serve(cache, archives, r, w), sock=made, limit=1 << 16)
        log.info("listening on %s%s", place, f" in {namespace}" if namespace else "")
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m infra.rack.aptcache", description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--archive", action="append", default=[], metavar="HOST=SCHEME")
    parser.add_argument("--proxy", default="", help="through which the machine reaches its archives")
    parser.add_argument("--listen", default="", metavar="IP:PORT")
    parser.add_argument("--inside", default="", metavar="NAMESPACE=IP:PORT")
    parser.add_argument("--rack", default="", help="whose process this is; shown in the process list")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    asyncio.run(_main(options))


if __name__ == "__main__":
    main()
