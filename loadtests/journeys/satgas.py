"""A member of the task force: the board of projects, the newest messages, and one message of their own."""

from __future__ import annotations

from loadtests.client import Answer
from loadtests.journeys.mobile import session
from loadtests.visitor import Check, Visitor, bearer, must

ENDPOINTS = frozenset({"satgas.board", "satgas.messages", "satgas.post"})


def run(visitor: Visitor) -> None:
    """One look at the application; members stay signed in all day."""
    draw = visitor.draw
    visitor.connect("OSS-Satgas/1.0 oss-loadtest")
    signed_in = bearer(session(visitor, "satgas").token)
    project, newest = 1, 0
    for _ in range(visitor.times("satgas.board")):
        answer = visitor.call("satgas.board", _has_projects, headers=signed_in)
        project = int(draw.choice(answer.json()["projects"])["id"])
    for _ in range(visitor.times("satgas.post")):
        visitor.think()
        text = f"Laporan lapangan {draw.randrange(10**6):06d}: izin lokasi sudah diproses."
        given = {"project_id": project, "body": text}
        visitor.call("satgas.post", _is(text), expect=(201,), value=given, headers=signed_in)
    for _ in range(visitor.times("satgas.messages")):
        visitor.think()
        answer = visitor.call("satgas.messages", headers=signed_in, query=f"project={project}&after={newest}")
        newest = max([newest, *(int(item["id"]) for item in answer.json()["items"])])


def _has_projects(answer: Answer) -> None:
    must(answer.json()["projects"], "board without projects")


def _is(text: str) -> Check:
    def check(answer: Answer) -> None:
        must(answer.json()["body"] == text, "another message")

    return check
