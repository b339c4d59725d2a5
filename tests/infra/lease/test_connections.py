"""The wire to a controller: what is taken for an answer, what connection is used again, and what is not sent at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from infra.lease.errors import BmcNonsense, BmcRejected, BmcUnreachable, BmcUntrusted
from infra.lease.redfish import Bmc, pool
from tests.infra.lease.wire import ONCE, bmc, reply, wire

HEAD = b"HTTP/1.1 200 OK\r\n"
SIZED = reply(200, {})
Work = Callable[[Bmc], Coroutine[Any, Any, None]]


def served(folder: Path, answers: list[bytes], work: Work, closes: bool = False) -> int:
    """Answer each request with the next of `answers`; returns how many connections were made."""

    async def run() -> int:
        async with wire(folder, lambda *_: answers.pop(0), closes) as at, at.pool() as http:
            await work(bmc(http, at.place))
            return at.made

    return asyncio.run(run())


def test_answers_of_every_framing_over_one_connection(tmp_path: Path) -> None:
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
    later = b"HTTP/1.1 102 Processing\r\n\r\n" + SIZED
    empty = b"HTTP/1.1 204 No Content\r\n\r\n"

    async def work(asked: Bmc) -> None:
        assert [await asked.get("/redfish/v1") for _ in range(4)] == [{}, {}, {}, {}]

    assert served(tmp_path, [SIZED, chunked, later, empty], work) == 1


def test_an_answer_without_length_ends_with_its_connection(tmp_path: Path) -> None:
    async def work(asked: Bmc) -> None:
        assert await asked.get("/redfish/v1") == {}

    assert served(tmp_path, [HEAD + b"\r\n{}"], work, closes=True) == 1


@pytest.mark.parametrize("answer", [HEAD + b"Content-Length: 9\r\n\r\n{", b"220 mail.example ESMTP\r\n"])
def test_what_is_no_answer_ends_the_connection_and_the_next_has_its_own(tmp_path: Path, answer: bytes) -> None:
    async def work(asked: Bmc) -> None:
        with pytest.raises(BmcUnreachable, match="dropped the connection"):
            await asked.get("/redfish/v1")
        assert await asked.get("/redfish/v1") == {}

    assert served(tmp_path, [answer, SIZED], work, closes=True) == 2


def test_an_order_whose_answer_is_lost_is_not_sent_again_by_the_wire(tmp_path: Path) -> None:
    async def run() -> list[str]:
        async with wire(tmp_path, lambda *_: None) as at, at.pool() as http:
            with pytest.raises(BmcUnreachable, match="dropped the connection"):
                await bmc(http, at.place).send("POST", "/redfish/v1/Actions", {})
            return at.heard

    assert asyncio.run(run()) == ["POST /redfish/v1/Actions"]


def test_an_answer_without_end_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.lease.redfish.LARGEST_ANSWER", 10)

    async def work(asked: Bmc) -> None:
        with pytest.raises(BmcNonsense, match="more than 10 bytes"):
            await asked.get("/redfish/v1")

    served(tmp_path, [HEAD + b"Content-Length: 11\r\n\r\n" + b" " * 11], work)


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    async def work(asked: Bmc) -> None:
        with pytest.raises(BmcRejected, match="307"):
            await asked.send("POST", "/redfish/v1/Actions", {})

    assert served(tmp_path, [reply(307, Location="/redfish/v1")], work) == 1


def test_a_controller_that_the_authority_does_not_know_hears_nothing(tmp_path: Path) -> None:
    async def run() -> list[str]:
        async with wire(tmp_path, lambda *_: SIZED) as at, pool("a", "b", "", ONCE) as trusting_others:
            with pytest.raises(BmcUntrusted, match="certificate"):
                await bmc(trusting_others, at.place).get("/redfish/v1")
            return at.heard

    assert asyncio.run(run()) == []
