"""Plans solved beside the server: a thread each, progress as events, and a newer question ends an older one."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from capacity.faults import OssError
from capacity.whatif.changes import Variant
from capacity.whatif.session import Outcome, WhatIf

KEPT = 32
"""Solved plans that can still be shown and downloaded."""


class Superseded(Exception):
    """A newer question of the same page came in, or the page went away."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a question. `share` of a stage that counts its steps."""

    kind: Literal["progress", "early", "done", "failed", "superseded"]
    what: str = ""
    share: float | None = None
    outcome: Outcome | None = None
    error: OssError | None = None


class _Job:
    """One question being answered; it is the `Progress` of its own planner."""

    def __init__(self, session: WhatIf, changed: Variant) -> None:
        self._session, self._changed = session, changed
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._ended = threading.Event()

    def start(self) -> None:
        """Begin in a thread of its own. It dies with the process: it has nothing to leave behind."""
        threading.Thread(target=self._run, name="what-if", daemon=True).start()

    def cancel(self) -> None:
        """End at the next stage or step."""
        self._ended.set()

    def update(self, what: str, done: float | None = None, total: float | None = None) -> None:
        """Report a stage; raises Superseded when nobody waits any more."""
        if self._ended.is_set():
            raise Superseded
        self._tell(Event("progress", what, done / total if done is not None and total else None))

    def note(self, message: str) -> None:
        """Nothing of interest to the page."""

    async def events(self) -> AsyncIterator[Event]:
        """Until the question is answered or dropped."""
        try:
            while True:
                event = await self._events.get()
                yield event
                if event.kind not in ("progress", "early"):
                    return
        finally:
            self.cancel()

    def _run(self) -> None:
        try:
            found = self._session.solve(
                self._changed, self, lambda at_once: self._tell(Event("early", outcome=at_once))
            )
        except Superseded:
            self._tell(Event("superseded"))
        except OssError as error:
            self._tell(Event("failed", error=error))
        except Exception as error:  # a fault of ours: the page says so, the log has the details
            self._tell(Event("failed", error=OssError(f"the model failed: {error}", "Report this as a fault.")))
            raise
        else:
            self._tell(Event("done", outcome=found))

    def _tell(self, event: Event) -> None:
        try:
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)
        except RuntimeError:  # the server has ended
            self._ended.set()


class Solver:
    """Answers the questions of any number of open pages, and keeps the last answers."""

    def __init__(self, session: WhatIf) -> None:
        self.session = session
        self._running: dict[str, _Job] = {}
        self._kept: OrderedDict[str, Outcome] = OrderedDict()

    def begin(self, page: str, changed: Variant) -> _Job:
        """Start on a question; an unanswered one of the same page ends."""
        if older := self._running.pop(page, None):
            older.cancel()
        job = _Job(self.session, changed)
        self._running[page] = job
        job.start()
        return job

    def keep(self, key: str, outcome: Outcome) -> None:
        """Hold an answer for reports and downloads."""
        self._kept[key] = outcome
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def found(self, key: str) -> Outcome | None:
        """An answer that is still held."""
        return self._kept.get(key)

    def forget(self, page: str, job: _Job) -> None:
        """A page has its answer."""
        if self._running.get(page) is job:
            del self._running[page]

    def close(self) -> None:
        """End everything that runs."""
        for job in self._running.values():
            job.cancel()
        self._running.clear()
