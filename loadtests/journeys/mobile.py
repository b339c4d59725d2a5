"""The mobile application, Android and iOS: from sign-in to the NIB, with retries as the apps make them."""

from __future__ import annotations

from urllib.parse import quote

from loadtests import people
from loadtests.client import Answer
from loadtests.target.identity import is_nib
from loadtests.visitor import Check, Session, Visitor, bearer, must

ENDPOINTS = frozenset(
    f"api.{step}" for step in ("signin", "draft", "nik", "kbli", "document", "submit", "issue", "status", "search")
)
NEEDS = {
    "api.nik": "api.draft",
    "api.document": "api.draft",
    "api.submit": "api.nik",
    "api.issue": "api.submit",
}
VERSIONS = {
    "OSS/1.0.3 (Android 7.0)": 5,
    "OSS/1.0.4 (Android 8.1)": 6,
    "OSS/1.0.2 (iOS 10.3)": 1,
    "OSS/1.0.4 (iOS 11.4)": 2,
}
ATTEMPTS = 3


def sign_in(visitor: Visitor, username: str) -> str:
    """Sign in at the API; the session's token."""
    given = {"username": username, "password": visitor.world.password}
    answer = visitor.call("api.signin", _has_token, expect=(201,), value=given, attempts=ATTEMPTS)
    return str(answer.json()["token"])


def session(visitor: Visitor, kind: str) -> Session:
    """Somebody who signed in before."""
    return visitor.draw.choice(visitor.world.sessions[kind])


def run(visitor: Visitor) -> None:
    """One application. Its business is of low risk when the plan's journey issues the NIB in the same visit."""
    draw = visitor.draw
    visitor.connect(people.draw_weighted(draw, VERSIONS))
    number = people.draw_applicant(draw)
    if visitor.times("api.signin"):
        token = sign_in(visitor, people.applicant_name(number))
    else:
        number, token = (known := session(visitor, "applicant")).number, known.token
    signed_in = bearer(token)
    business = people.draw_business(draw)
    application = draw.choice(people.registered_of(number))
    name = ""
    if visitor.times("api.draft"):
        visitor.think()
        name = business.name
        given = {"business_name": name, "province": business.province}
        made = visitor.call("api.draft", expect=(201,), value=given, headers=signed_in, attempts=ATTEMPTS)
        application = int(made.json()["id"])
    if visitor.times("api.nik"):
        visitor.think()
        visitor.call(
            "api.nik", _matched, value={"nik": business.nik}, headers=signed_in, attempts=ATTEMPTS, id=application
        )
    for _ in range(visitor.times("api.kbli")):
        visitor.think()
        visitor.call("api.kbli", _has_items, query=f"q={quote(people.draw_search(draw))}")
    for part in range(visitor.times("api.document")):
        visitor.think()
        visitor.call(
            "api.document",
            expect=(201,),
            query=f"name=dokumen-{part + 1}.pdf",
            body=people.draw_document(draw),
            headers=f"{signed_in}Content-Type: application/pdf\r\n",
            attempts=ATTEMPTS,
            id=application,
        )
    issuing = visitor.times("api.issue") > 0
    if visitor.times("api.submit"):
        visitor.think()
        choice = {"kbli": people.draw_kbli(draw, low_risk=issuing), "statement": True}
        state = "approved" if issuing else "in_review"
        visitor.call("api.submit", _state(state), value=choice, headers=signed_in, attempts=ATTEMPTS, id=application)
    if issuing:
        visitor.think()
        key = f"Idempotency-Key: {people.draw_key(draw)}\r\n"
        visitor.call(
            "api.issue", _is_issued, expect=(200, 201), headers=signed_in + key, attempts=ATTEMPTS, id=application
        )
    for _ in range(visitor.times("api.status")):
        visitor.think()
        visitor.call("api.status", _is(application), headers=signed_in, attempts=ATTEMPTS, id=application)
    for _ in range(visitor.times("api.search")):
        visitor.think()
        search(visitor)


def search(visitor: Visitor) -> None:
    """Look one registered business up, by its NIB or by its name."""
    nib, name = people.draw_nib(visitor.draw)
    query = nib if visitor.draw.random() < 0.7 else name
    visitor.call("api.search", _found(nib), query=f"q={quote(query)}")


def _has_token(answer: Answer) -> None:
    must(len(answer.json()["token"]) > 20, "no token")


def _matched(answer: Answer) -> None:
    must(answer.json()["outcome"] == "matched", "NIK not matched")


def _has_items(answer: Answer) -> None:
    must(answer.json()["items"], "no business class found")


def _state(expected: str) -> Check:
    def check(answer: Answer) -> None:
        must(answer.json()["state"] == expected, f"state is not {expected}")

    return check


def _is_issued(answer: Answer) -> None:
    must(is_nib(answer.json()["nib"]), "NIB breaks its check rule")


def _is(application: int) -> Check:
    def check(answer: Answer) -> None:
        must(answer.json()["id"] == application, "another application")

    return check


def _found(nib: str) -> Check:
    def check(answer: Answer) -> None:
        must(any(item["nib"] == nib for item in answer.json()["items"]), "registered business not found")

    return check
