"""A local-government officer: look at the queue, read a case, decide it."""

from __future__ import annotations

from loadtests import people
from loadtests.client import Answer
from loadtests.journeys.mobile import search, session, sign_in
from loadtests.visitor import Visitor, bearer, must

ENDPOINTS = frozenset(f"api.{step}" for step in ("signin", "queue", "status", "decide", "search"))
NEEDS = {"api.status": "api.queue", "api.decide": "api.queue"}
OUTCOMES = {"approve": 7, "return": 2, "reject": 1}


def run(visitor: Visitor) -> None:
    """One session. A case that a colleague decided first (409) is no error."""
    draw = visitor.draw
    visitor.connect("Mozilla/5.0 (Windows NT 6.1) oss-loadtest")
    if visitor.times("api.signin"):
        token = sign_in(visitor, people.draw_officer(draw))
    else:
        token = session(visitor, "officer").token
    signed_in = bearer(token)
    left = {name: visitor.times(name) for name in ("api.queue", "api.status", "api.decide")}
    while any(left.values()):
        cases: list[int] = []
        if left["api.queue"]:
            left["api.queue"] -= 1
            visitor.think()
            answer = visitor.call("api.queue", _is_queue, headers=signed_in)
            cases = [int(item["id"]) for item in answer.json()["items"]]
        if not cases:
            if not left["api.queue"]:
                break
            continue
        case = draw.choice(cases)
        if left["api.status"]:
            left["api.status"] -= 1
            visitor.think()
            visitor.call("api.status", headers=signed_in, id=case)
        if left["api.decide"]:
            left["api.decide"] -= 1
            visitor.think()
            given = {"outcome": people.draw_weighted(draw, OUTCOMES), "reason": "Diperiksa sesuai berkas."}
            visitor.call("api.decide", expect=(200, 409), value=given, headers=signed_in, id=case)
    for _ in range(visitor.times("api.search")):
        visitor.think()
        search(visitor)


def _is_queue(answer: Answer) -> None:
    items = answer.json()["items"]
    order = [(not item["priority"], item["submitted_at"]) for item in items]
    must(order == sorted(order), "queue out of order")
