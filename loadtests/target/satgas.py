"""The task force's communication application: the board of projects, and their messages."""

from __future__ import annotations

import asyncpg

from loadtests.target.models import Board, Message, Messages, NewMessage, Project
from loadtests.target.web import Call, Operations, Problem

operations = Operations()
MEMBERS = ("satgas", "officer")


@operations.add("satgas.board", "GET", "/satgas/projects", answer=Board, roles=MEMBERS)
async def board(call: Call) -> Board:
    """Priority projects with the number of their messages."""
    rows = await call.context.database.rows(
        """SELECT p.id, p.name, p.sector, p.province, p.value_idr, p.status,
                  (SELECT count(*) FROM (SELECT 1 FROM message m WHERE m.project_id = p.id LIMIT 100) few) AS messages
           FROM project p ORDER BY p.value_idr DESC LIMIT 50"""
    )
    return Board(projects=[Project(**dict(row)) for row in rows])


def _whole(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else default


@operations.add(
    "satgas.messages", "GET", "/satgas/messages", answer=Messages, roles=MEMBERS, query=("project", "after")
)
async def messages(call: Call) -> Messages:
    """The newest messages of a project, or those after a known one."""
    given = call.request.query_params
    rows = await call.context.database.rows(
        """SELECT id, project_id, author, body, sent_at FROM message
           WHERE project_id = $1 AND id > $2 ORDER BY id DESC LIMIT 50""",
        _whole(given.get("project", ""), 1),
        _whole(given.get("after", ""), 0),
    )
    return Messages(items=[Message(**dict(row)) for row in rows])


@operations.add(
    "satgas.post",
    "POST",
    "/satgas/messages",
    body=NewMessage,
    answer=Message,
    status=201,
    roles=MEMBERS,
    problems=(404,),
)
async def post(call: Call) -> Message:
    """Write to a project's members."""
    given = call.body(NewMessage)
    try:
        row = await call.context.database.row(
            """INSERT INTO message (project_id, account_id, author, body) VALUES ($1, $2, $3, $4)
               RETURNING id, project_id, author, body, sent_at""",
            given.project_id,
            call.account.id,
            call.account.name,
            given.body,
        )
    except asyncpg.ForeignKeyViolationError:
        raise Problem(404, "no-such-project", "Proyek tidak ditemukan.") from None
    return Message(**dict(row))
