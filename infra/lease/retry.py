"""How long to try, and how long to wait in between. All times in seconds, by the monotonic clock."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from infra.lease.errors import LeaseError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """Limits of one provider. A BMC is a small computer: it is asked seldom, and given time to answer."""

    connect_s: float = 10.0
    answer_s: float = 60.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 15.0
    request_s: float = 180.0
    read_s: float = 60.0  # a refresh asks the whole fleet, and says of which server it learnt nothing
    power_s: float = 600.0
    confirm_s: float = 2.0
    erase_s: float = 12 * 3600.0
    graceful_off_s: float = 60.0
    resend_s: float = 30.0
    per_bmc: int = 8


def pause_s(attempt: int, patience: Patience, share: float) -> float:
    """The wait before repeat number `attempt` (from 1): doubling, capped, spread over its upper half.

    `share` in [0, 1) is random, so that servers that failed together do not come back together ("full jitter" halved:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """
    whole = min(patience.longest_pause_s, patience.first_pause_s * 2.0 ** min(attempt - 1, 30))
    return whole * (0.5 + 0.5 * share)


async def persist(
    work: Callable[[], Awaitable[T]], patience: Patience, limit_s: float, say: Callable[[str], None]
) -> T:
    """The result of `work`, tried again after retryable LeaseErrors until `limit_s` has passed; then the last error."""
    end = time.monotonic() + limit_s
    attempt = 0
    while True:
        try:
            return await work()
        except LeaseError as error:
            attempt += 1
            wait = pause_s(attempt, patience, random.random())
            if not error.retryable or time.monotonic() + wait > end:
                raise
            say(f"{error.problem}; trying again in {wait:.1f} s")
            await asyncio.sleep(wait)
