"""A priority project: hand it in whole, and watch it."""

from __future__ import annotations

from loadtests import people
from loadtests.client import Answer
from loadtests.journeys.mobile import session, sign_in
from loadtests.visitor import Visitor, bearer, must

ENDPOINTS = frozenset({"api.signin", "api.priority", "api.status"})
NEEDS = {"api.status": "api.priority"}


def run(visitor: Visitor) -> None:
    """One project."""
    draw = visitor.draw
    visitor.connect("Mozilla/5.0 (Windows NT 10.0; Win64; x64) oss-loadtest")
    if visitor.times("api.signin"):
        token = sign_in(visitor, people.applicant_name(people.draw_applicant(draw)))
    else:
        token = session(visitor, "applicant").token
    signed_in = bearer(token)
    project = 0
    for _ in range(visitor.times("api.priority")):
        visitor.think()
        business = people.draw_business(draw)
        given = {
            "business_name": business.name,
            "province": business.province,
            "nik": business.nik,
            "kbli": people.draw_kbli(draw, low_risk=False),
            "investment_idr": draw.randrange(1, 50) * 100_000_000_000,
        }
        answer = visitor.call("api.priority", _is_first, expect=(201,), value=given, headers=signed_in)
        project = int(answer.json()["id"])
    for _ in range(visitor.times("api.status")):
        visitor.think()
        visitor.call("api.status", headers=signed_in, id=project)


def _is_first(answer: Answer) -> None:
    made = answer.json()
    must(made["priority"] and made["state"] == "in_review", "not in the officers' queue as a priority")
