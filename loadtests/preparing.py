"""Before the first arrival: see that the target answers, and sign in those visitors that come signed in."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from urllib.parse import urlencode

from gevent.pool import Pool

from capacity.faults import StepFailed
from loadtests import people
from loadtests.client import Answer, Connection, Failed
from loadtests.journeys import JOURNEYS
from loadtests.visitor import Session, World

SESSIONS = 4
AT_ONCE = 4
SIGN_IN = {"portal": "portal.signin", "applicant": "api.signin", "officer": "api.signin", "satgas": "api.signin"}

_COOKIE = re.compile(r"oss_session=([^;]+)")


def sessions_needed(world: World) -> tuple[str, ...]:
    """Kinds of sessions that must stand ready: those of classes whose visitors do not all sign in."""
    kinds = []
    for load in world.test.classes:
        journey = JOURNEYS.get(load.id)
        kind = journey.sessions if journey else ""
        if kind and load.visits.get(SIGN_IN[kind], 0.0) < 1:
            kinds.append(kind)
    return tuple(dict.fromkeys(kinds))


def prepare(world: World, draw: random.Random) -> None:
    """Fill `world.sessions`. Raises StepFailed, with the cause and the remedy, when the target does not let it."""
    people.warm()
    for kind in sessions_needed(world):
        accounts = [_account(kind, draw) for _ in range(SESSIONS)]
        pool = Pool(AT_ONCE)
        made = pool.map(_told(_signer(world, kind)), accounts)
        if failed := [outcome for outcome in made if isinstance(outcome, StepFailed)]:
            raise failed[0]
        world.sessions[kind] = tuple(outcome for outcome in made if isinstance(outcome, Session))
    if not world.sessions:
        _reach(world)


def _account(kind: str, draw: random.Random) -> tuple[int, str]:
    if kind == "officer":
        return 0, people.draw_officer(draw)
    if kind == "satgas":
        return 0, people.draw_satgas(draw)
    number = people.draw_applicant(draw)
    return number, people.applicant_name(number)


def _signer(world: World, kind: str) -> Callable[[tuple[int, str]], Session]:
    def sign_in(account: tuple[int, str]) -> Session:
        number, username = account
        spec = world.test.endpoints[SIGN_IN[kind]]
        given = {"username": username, "password": world.password}
        form = kind == "portal"
        body = urlencode(given).encode() if form else json.dumps(given).encode()
        media = "application/x-www-form-urlencoded" if form else "application/json"
        answer = _ask(world, spec.method, spec.path, body, f"Content-Type: {media}\r\n")
        token = _cookie(answer) if form else _token(answer)
        if not token:
            raise StepFailed(
                f"signing in at {world.target.base}{spec.path} was answered {answer.status}, without a session",
                "Give the test accounts' password in OSS_TEST_PASSWORD; see loadtests/target/settings.py.",
            )
        return Session(number, token)

    return sign_in


def _told(sign_in: Callable[[tuple[int, str]], Session]) -> Callable[[tuple[int, str]], Session | StepFailed]:
    """Errors as values: a greenlet's exception would be printed with its traceback."""

    def attempt(account: tuple[int, str]) -> Session | StepFailed:
        try:
            return sign_in(account)
        except StepFailed as error:
            return error

    return attempt


def _reach(world: World) -> None:
    """With no session to make, one call of any kind shows whether the target is there."""
    _ask(world, "GET", "/", b"", "")


def _ask(world: World, method: str, path: str, body: bytes, headers: str) -> Answer:
    connection = Connection(world.target)
    try:
        return connection.send(method, path, body, headers)
    except Failed as failure:
        raise StepFailed(f"the target {world.target.base} cannot be used: {failure}", _remedy(str(failure))) from None
    finally:
        connection.close()


def _remedy(message: str) -> str:
    if "certificate" in message or "TLS" in message:
        return (
            "Give the authority that signed the target's certificate with --ca, and the name that stands in it as host."
        )
    if "not found" in message:
        return "Check the host name."
    return "See that the target is up: `oss rack status`, `kubectl get pods -A`, or start it by hand."


def _cookie(answer: Answer) -> str:
    found = _COOKIE.search(answer.header("set-cookie"))
    return found.group(1) if found else ""


def _token(answer: Answer) -> str:
    try:
        return str(answer.json()["token"])
    except (ValueError, KeyError, TypeError):
        return ""
