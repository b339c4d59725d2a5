"""Waits, each with an end: for an object to be ready, to be gone, or for what another resource is about to make."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from infra.kubernetes_provider import readiness
from infra.kubernetes_provider.cluster import ApiError, Cluster, NoSuchKind, NoSuchObject, Unreachable, Where

_RETRY_SECONDS = 30.0  # for a namespace or a definition that another resource is about to make
_FIRST_POLL_SECONDS = 0.2
_LONGEST_POLL_SECONDS = 2.0


class Log(Protocol):
    """Where messages to the user go; `status` is overwritten by the next one of the same resource."""

    def info(self, message: str, urn: str = "") -> None: ...

    def warning(self, message: str, urn: str = "") -> None: ...

    def status(self, message: str, urn: str) -> None: ...


class Waits:
    """The waits of one provider. `cancel` ends all of them at once."""

    def __init__(self, cluster: Cluster, log: Log) -> None:
        self._cluster = cluster
        self._log = log
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        self._cancelled.set()

    def until_ready(self, urn: str, where: Where, live: dict[str, Any], limit_s: float) -> tuple[dict[str, Any], str]:
        """The object as it last was, and why it is not ready; an empty reason when it is."""
        end = time.monotonic() + limit_s
        pause_s = _FIRST_POLL_SECONDS
        while True:
            try:
                live = self._cluster.get(where)
                verdict = readiness.judge(live, self._cluster)
            except (ApiError, Unreachable) as error:
                verdict = readiness.waiting(f"the cluster does not answer: {error}")
            if verdict.state is not readiness.State.WAITING:
                return live, verdict.reason
            if ending := self._ending(end, f"not ready after {limit_s:.0f} s"):
                return live, f"{ending}: {verdict.reason}"
            pause_s = self._pause(urn, f"waiting: {verdict.reason}", pause_s)

    def until_gone(self, urn: str, where: Where, limit_s: float) -> str:
        """Why the object is still there; an empty reason when it is gone."""
        end = time.monotonic() + limit_s
        pause_s = _FIRST_POLL_SECONDS
        while True:
            try:
                live = self._cluster.get(where)
            except (NoSuchObject, NoSuchKind):
                return ""
            reason = _held_by(live)
            if ending := self._ending(end, f"not gone after {limit_s:.0f} s"):
                return f"{ending}: {reason}"
            pause_s = self._pause(urn, f"waiting for its end: {reason}", pause_s)

    def patiently(self, act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Do `act`, again while the namespace or the kind is missing that another resource may be making."""
        end = time.monotonic() + _RETRY_SECONDS
        while True:
            try:
                return act()
            except (NoSuchObject, NoSuchKind):
                if time.monotonic() > end or self._cancelled.wait(_LONGEST_POLL_SECONDS):
                    raise

    def _ending(self, end: float, otherwise: str) -> str:
        if self._cancelled.is_set():
            return "the run was cancelled"
        return otherwise if time.monotonic() > end else ""

    def _pause(self, urn: str, status: str, seconds: float) -> float:
        self._log.status(status, urn)
        self._cancelled.wait(seconds)
        return min(seconds * 1.5, _LONGEST_POLL_SECONDS)


def timeout_s(obj: Mapping[str, Any], custom_s: float) -> float:
    """Seconds to wait: the resource's customTimeouts, else its annotation, else ten minutes."""
    noted = str(readiness.notes_of(obj).get(readiness.TIMEOUT, ""))
    return custom_s or (float(noted) if noted.isdigit() else readiness.DEFAULT_TIMEOUT_SECONDS)


def _held_by(live: Mapping[str, Any]) -> str:
    finalizers = live["metadata"].get("finalizers") or (live.get("spec") or {}).get("finalizers") or []
    return f"finalizers hold it: {', '.join(finalizers)}" if finalizers else "its dependents are ending"
