"""People in a browser: look at the home page, some sign in, some fill the form in, some look how their case stands."""

from __future__ import annotations

import random
import re
from urllib.parse import urlencode

from loadtests import people
from loadtests.client import Answer
from loadtests.journeys.mobile import session
from loadtests.visitor import Check, Visitor, Wrong, must

ENDPOINTS = frozenset(f"portal.{step}" for step in ("home", "asset", "signin", "form", "apply", "status"))
NEEDS = {"portal.asset": "portal.home", "portal.apply": "portal.form"}
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) oss-loadtest",
    "Mozilla/5.0 (Linux; Android 8.1.0) oss-loadtest",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 11_4 like Mac OS X) oss-loadtest",
)
# Of those who apply at the portal, so many have a business that an officer must see.
REVIEW_SHARE = 0.3
FORM_LINE = "Content-Type: application/x-www-form-urlencoded\r\n"

_ASSET = re.compile(r'(?:href|src)="/assets/([A-Za-z0-9._-]+)"')
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')
_COOKIE = re.compile(r"oss_session=([^;]+)")
_APPLICATION = re.compile(r"^/permohonan/(\d+)$")


def sign_in(visitor: Visitor, number: int) -> str:
    """Sign in with the form of the home page; the session cookie's value."""
    given = {"username": people.applicant_name(number), "password": visitor.world.password}
    answer = visitor.call(
        "portal.signin", _has_cookie, expect=(303,), body=urlencode(given).encode(), headers=FORM_LINE
    )
    found = _COOKIE.search(answer.header("set-cookie"))
    return found.group(1) if found else ""


def run(visitor: Visitor) -> None:
    """One visit."""
    draw = visitor.draw
    visitor.connect(draw.choice(AGENTS))
    if visitor.times("portal.home"):
        page = visitor.call("portal.home", _is_page("Nomor Induk Berusaha"))
        _load_assets(visitor, page)
    number = people.draw_applicant(draw)
    if visitor.times("portal.signin"):
        visitor.think()
        token = sign_in(visitor, number)
    else:
        number, token = (known := session(visitor, "portal")).number, known.token
    cookie = f"Cookie: oss_session={token}\r\n"
    application, words = draw.choice(people.registered_of(number)), "NIB terbit"
    csrf = ""
    for _ in range(visitor.times("portal.form")):
        visitor.think()
        page = visitor.call("portal.form", _has_csrf, headers=cookie)
        csrf = _first(_CSRF, page.text)
    for _ in range(visitor.times("portal.apply")):
        visitor.think()
        review = draw.random() < REVIEW_SHARE
        body, kind = _form(draw, csrf, review)
        answer = visitor.call("portal.apply", _has_place, expect=(303,), body=body, headers=cookie + kind)
        application = int(_first(_APPLICATION, answer.header("location")))
        words = "Menunggu keputusan petugas" if review else "NIB terbit"
    for _ in range(visitor.times("portal.status")):
        visitor.think()
        visitor.call("portal.status", _is_page(words), headers=cookie, id=application)


def _load_assets(visitor: Visitor, page: Answer) -> None:
    """What a page refers to; what was loaded before is asked for again with its tag, as a browser's reload does."""
    names = sorted(set(_ASSET.findall(page.text)))
    tags: dict[str, str] = {}
    for count in range(visitor.times("portal.asset")):
        if not names:
            raise Wrong("page without assets")
        name = names[count % len(names)]
        known = f"If-None-Match: {tags[name]}\r\n" if name in tags else ""
        answer = visitor.call("portal.asset", expect=(304,) if known else (200,), headers=known, name=name)
        tags[name] = answer.header("etag")


def _form(draw: random.Random, csrf: str, review: bool) -> tuple[bytes, str]:
    business = people.draw_business(draw)
    fields = {
        "csrf": csrf,
        "business_name": business.name,
        "province": business.province,
        "nik": business.nik,
        "kbli": people.draw_kbli(draw, low_risk=not review),
        "statement": "ya",
    }
    boundary = f"oss{draw.getrandbits(64):016x}"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    file = f'--{boundary}\r\nContent-Disposition: form-data; name="document"; filename="akta.pdf"\r\n'
    parts += [f"{file}Content-Type: application/pdf\r\n\r\n".encode(), people.draw_document(draw)]
    parts.append(f"\r\n--{boundary}--\r\n".encode())
    return b"".join(parts), f"Content-Type: multipart/form-data; boundary={boundary}\r\n"


def _is_page(words: str) -> Check:
    def check(answer: Answer) -> None:
        must(answer.header("content-type").startswith("text/html"), "not HTML")
        must(words in answer.text, f"page without {words!r}")

    return check


def _has_cookie(answer: Answer) -> None:
    must(_COOKIE.search(answer.header("set-cookie")), "no session cookie")


def _has_csrf(answer: Answer) -> None:
    _first(_CSRF, answer.text)


def _has_place(answer: Answer) -> None:
    _first(_APPLICATION, answer.header("location"))


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    if found is None:
        raise Wrong("page without what the next step needs")
    return found.group(1)
