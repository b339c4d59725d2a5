"""A quota as upstream agencies set it: so many calls a second and so many a day."""

from __future__ import annotations

import math


class Quota:
    """A token bucket that holds one second's calls, and a counter that starts anew each day (UTC). Zero is no limit."""

    def __init__(self, per_s: float, per_day: int) -> None:
        self._per_s = per_s
        self._per_day = per_day
        self._most = max(per_s, 1.0)
        self._tokens = self._most
        self._filled = 0.0
        self._day = -1
        self._today = 0

    def refusal(self, now: float) -> int | None:
        """Take one call at `now` (seconds since the epoch): None when allowed, else whole seconds to wait."""
        day = int(now // 86400)
        if day != self._day:
            self._day, self._today = day, 0
        if self._per_day and self._today >= self._per_day:
            return math.ceil((day + 1) * 86400 - now)
        if self._per_s:
            self._tokens = min(self._most, self._tokens + max(0.0, now - self._filled) * self._per_s)
            self._filled = now
            if self._tokens < 1:
                return math.ceil((1 - self._tokens) / self._per_s)
            self._tokens -= 1
        self._today += 1
        return None
