"""A ministry's or local government's machine reports on a permit, signed."""

from __future__ import annotations

import json
import time

from loadtests import people
from loadtests.client import Answer
from loadtests.target.security import sign_callback
from loadtests.visitor import Check, Visitor, must

ENDPOINTS = frozenset({"gateway.callback"})
AGENCIES = ("kemenkumham", "kemenperin", "klhk", "atr-bpn", "pemda")
PERMITS = ("izin lokasi", "izin lingkungan", "izin mendirikan bangunan", "sertifikat laik fungsi")


def run(visitor: Visitor) -> None:
    """One report."""
    draw = visitor.draw
    visitor.connect_as_machine()
    for _ in range(visitor.times("gateway.callback")):
        nib, _ = people.draw_nib(draw)
        event = people.draw_key(draw)
        given = {"event_id": event, "nib": nib, "permit": draw.choice(PERMITS), "status": "fulfilled"}
        body, now = json.dumps(given).encode(), int(time.time())
        signature = sign_callback(visitor.world.callback_key, now, body)
        headers = (
            f"Content-Type: application/json\r\nX-OSS-Agency: {draw.choice(AGENCIES)}\r\n"
            f"X-OSS-Timestamp: {now}\r\nX-OSS-Signature: {signature}\r\n"
        )
        visitor.call("gateway.callback", _taken(event), expect=(202,), body=body, headers=headers, attempts=2)


def _taken(event: str) -> Check:
    def check(answer: Answer) -> None:
        must(answer.json()["event_id"] == event, "another event")

    return check
