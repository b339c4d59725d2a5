"""The open-model engine inside Locust: one user a process walks the schedule, a coordinator keeps processes in step.

Glossary. *Local*: one process, no workers. *Master*: starts workers together and adds their samples up. *Worker*:
offers every n-th arrival. *Begin*: the common start of all workers, by the wall clock, announced once all are
prepared. *Flush*: a worker's samples so far, sent to the master. *Done*: a worker's last flush.

Messages, worker → master: `oss_ready`, `oss_flush`, `oss_done`, `oss_failed`; master → worker: `oss_begin`.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent.event import AsyncResult, Event
from locust import LoadTestShape, User, task
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from capacity.evidence import Evidence
from capacity.faults import OssError, StepFailed
from loadtests.arrivals import RateSchedule, Replay, Schedule, share
from loadtests.client import Target
from loadtests.engine_status import StatusPipe
from loadtests.machine import this_machine
from loadtests.outcome import Course, evidence
from loadtests.preparing import prepare
from loadtests.profiles import LoadTest, run_name
from loadtests.recorder import Recorder, Tally
from loadtests.visitor import Visitor, World
from loadtests.walker import Walker, bounds_of, draw_for, wait_until

LEAD_S = 0.5
FLUSH_S = 2.0
STATUS_S = 1.0
ATTACH_S = 60.0
DRAIN_S = 20.0
PRIORITY = -10

log = logging.getLogger("oss.loadtest")


@dataclass(slots=True)
class Settings:
    """What the command line gave, beside the test itself. `run`: empty for a name by time and profile."""

    run: str
    seed: int
    lateness_bound_ms: float
    password: str = field(repr=False)
    callback_key: str = field(repr=False)
    trace: Replay | None = None
    journeys: Sequence[Callable[[Visitor], None]] | None = None
    machine_connections: int = 64


@dataclass(slots=True)
class _Peer:
    """A worker as the master sees it."""

    ready: bool = False
    done: bool = False
    lost: bool = False
    in_flight: int = 0


class Coordinator:
    """Runs one load test in this process, whatever its part in it is."""

    def __init__(self, environment: Environment, test: LoadTest, where: Target, settings: Settings) -> None:
        self.environment = environment
        self.result: Evidence | None = None
        self.finished = Event()
        self._status = StatusPipe()
        self._driving: gevent.Greenlet | None = None
        self.walker: Walker | None = None
        self._runs = 0
        self._asked_by_start = False
        self.configure(test, where, settings)
        self.reset()

    def configure(self, test: LoadTest, where: Target, settings: Settings) -> None:
        """What the next run offers, and where to."""
        self.test = test
        self.where = where
        self.settings = settings
        self.schedule: Schedule = settings.trace or RateSchedule(test.rates, settings.seed)
        self.bounds = bounds_of(stage.duration_s for stage in test.stages)

    def asked_again(self) -> None:
        """A new run is asked for: neither the end of the last one nor the workers that it had count any more.

        Locust wants the number of users before it says that the test starts, and cannot raise a fixed number later.
        Its master asks a second time after the start.
        """
        if self._asked_by_start:
            self._asked_by_start = False
            return
        self.finished.clear()
        self._peers.clear()

    def begin_run(self) -> None:
        """Forget the last run and give the next one its name."""
        self.reset()
        self._asked_by_start = isinstance(self.environment.runner, MasterRunner)
        self._runs += 1
        again = f"-{self._runs}" if self._runs > 1 else ""
        self.run = f"{self.settings.run}{again}" if self.settings.run else run_name(self.test)

    def reset(self) -> None:
        """Forget the last run."""
        self.cease()
        self.run = self.settings.run
        self.recorder = Recorder([stage.warmup for stage in self.test.stages])
        self.tally = Tally(len(self.test.stages))
        self.walker = None
        self.problems: list[str] = []
        self.error: OssError | None = None
        self.cut_journeys = 0
        self.began_at = 0.0
        self.finished.clear()
        self.result = None
        self._begin: AsyncResult[dict[str, Any]] = AsyncResult()
        self._peers: dict[str, _Peer] = {}
        self._cpu_at_start = time.process_time()
        self._worker_cpu_s = 0.0
        self._live_ms: list[float] = []

    # ---- one process's share -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Offer this process's share of the load, in a greenlet of its own. Once a run, whoever calls again.

        It is not the calling user's: Locust moves users from worker to worker when one joins or leaves during a run.
        """
        if self._driving is None:
            self._driving = gevent.spawn(self._guarded)

    def cease(self) -> None:
        """Offer nothing more."""
        driving, self._driving = self._driving, None
        if driving is not None and driving is not gevent.getcurrent():
            driving.kill(timeout=5)
        if self.walker is not None:
            self.walker.cut()

    def _guarded(self) -> None:
        try:
            self._drive()
        except Exception as error:
            log.exception("the generator failed")
            self.refuse(StepFailed(f"the generator failed: {error!r}", "Its log has the details."))

    def _drive(self) -> None:
        """Prepare, wait for the common start, offer the load, let it drain."""
        world = World(
            test=self.test,
            target=self.where,
            recorder=self.recorder,
            seed=self.settings.seed,
            password=self.settings.password,
            callback_key=self.settings.callback_key,
            observe=self._observe,
            machine_connections=self.settings.machine_connections,
        )
        runner = self.environment.runner
        try:
            prepare(world, draw_for(self.settings.seed, getattr(runner, "worker_index", 0)))
        except OssError as error:
            self.refuse(error)
            return
        if isinstance(runner, WorkerRunner):
            runner.send_message("oss_ready", {"plan": self.test.plan_hash})
            begin = self._begin.get()
        else:
            begin = {"part": 0, "parts": 1, "at": time.time() + LEAD_S}
        world.started = time.perf_counter() + (begin["at"] - time.time())
        self._announce(world.started)
        _raise_priority()
        self.walker = Walker(
            world, share(self.schedule, begin["part"], begin["parts"]), self.bounds, self.settings.journeys
        )
        flushing = gevent.spawn(self._flush_often) if isinstance(runner, WorkerRunner) else None
        try:
            wait_until(world.started)
            self._cpu_at_start = time.process_time()  # of offering the load; preparing is the same for any load
            self.walker.walk(begin["part"], begin["parts"])
            wait_until(world.started + self.schedule.duration_s)
            self.cut_journeys = self.walker.drain(DRAIN_S)
        finally:
            if flushing is not None:
                flushing.kill()
        if isinstance(runner, WorkerRunner):
            cpu_s = time.process_time() - self._cpu_at_start
            message = {"tally": self.recorder.take().plain(), "cpu_s": cpu_s, "cut": self.cut_journeys}
            runner.send_message("oss_done", message)
        else:
            self.finish()

    def _observe(self, method: str, endpoint: str, latency_ms: float, length: int, error: str | None) -> None:
        self._live_ms.append(latency_ms)
        self.environment.events.request.fire(  # type: ignore[no-untyped-call]
            request_type=method,
            name=endpoint,
            response_time=latency_ms,
            response_length=length,
            exception=Exception(error) if error else None,
            context={},
        )

    def _flush_often(self) -> None:
        runner = self.environment.runner
        while True:
            gevent.sleep(FLUSH_S)
            if isinstance(runner, WorkerRunner):
                under_way = self.walker.in_flight if self.walker else 0
                runner.send_message("oss_flush", {"tally": self.recorder.take().plain(), "in_flight": under_way})
            self._live_ms.clear()

    def refuse(self, error: OssError) -> None:
        """End the run before it began, or within it: what is said becomes the evidence's reason."""
        runner = self.environment.runner
        if isinstance(runner, WorkerRunner):
            runner.send_message("oss_failed", {"message": error.message, "remedy": error.remedy})
            return
        self.error = error
        self.problems.append(error.message)
        self.finish()

    # ---- the master ------------------------------------------------------------------------------------------------

    def register(self) -> None:
        """Listen to the other processes, as master or as worker."""
        runner = self.environment.runner
        if isinstance(runner, MasterRunner):
            runner.register_message("oss_ready", self._on_ready)
            runner.register_message("oss_flush", self._on_flush)
            runner.register_message("oss_done", self._on_done)
            runner.register_message("oss_failed", self._on_failed)
        elif isinstance(runner, WorkerRunner):
            runner.register_message("oss_begin", lambda environment, msg, **_: self._begin.set(msg.data))

    def expect_workers(self) -> None:
        """Note which workers take part; called when the test starts at the master."""
        runner = self.environment.runner
        if isinstance(runner, MasterRunner):
            present = (client for client in runner.clients.values() if client.state != "missing")
            self._peers = {client.id: _Peer() for client in present}

    def _on_ready(self, environment: Environment, msg: Any, **_: Any) -> None:
        if self.began_at or msg.node_id not in self._peers:
            log.warning("worker %s came too late for this run; it takes part in the next one", msg.node_id)
            return
        if msg.data["plan"] != self.test.plan_hash:
            remedy = "Give master and workers the same lease plan."
            self.refuse(StepFailed(f"worker {msg.node_id} has another lease plan than the master", remedy))
            return
        self._peers[msg.node_id].ready = True
        if all(peer.ready or peer.lost for peer in self._peers.values()):
            parts = [name for name, peer in self._peers.items() if not peer.lost]
            at = time.time() + LEAD_S
            for part, name in enumerate(parts):
                data = {"part": part, "parts": len(parts), "at": at}
                self.environment.runner.send_message("oss_begin", data, client_id=name)  # type: ignore[union-attr]
            self._announce(time.perf_counter() + (at - time.time()))

    def _on_flush(self, environment: Environment, msg: Any, **_: Any) -> None:
        if (peer := self._peers.get(msg.node_id)) is not None:
            self.tally.add(msg.data["tally"])
            peer.in_flight = msg.data["in_flight"]

    def _on_done(self, environment: Environment, msg: Any, **_: Any) -> None:
        if (peer := self._peers.get(msg.node_id)) is not None:
            self.tally.add(msg.data["tally"])
            self._worker_cpu_s += msg.data["cpu_s"]
            self.cut_journeys += msg.data["cut"]
            peer.done, peer.in_flight = True, 0

    def _on_failed(self, environment: Environment, msg: Any, **_: Any) -> None:
        self.error = OssError(msg.data["message"], msg.data["remedy"])
        self.problems.append(msg.data["message"])
        self.finish()

    def watch_workers(self) -> None:
        """See which workers are gone; end the run when all others are done."""
        runner = self.environment.runner
        if not isinstance(runner, MasterRunner) or not self._peers:
            return
        present = {c.id for c in runner.clients.values() if c.state != "missing"}
        for name, peer in self._peers.items():
            if name not in present and not peer.done and not peer.lost:
                peer.lost = True
                log.error("worker %s was lost", name)
        if all(peer.done or peer.lost for peer in self._peers.values()):
            self.finish()

    def processes(self) -> int:
        """How many processes offer load, or will when the test starts."""
        runner = self.environment.runner
        if isinstance(runner, MasterRunner) and not self._peers:
            return max(1, runner.worker_count)
        return max(1, len(self._peers))

    @property
    def workers(self) -> tuple[int, int]:
        """Generator processes, and how many of them were lost."""
        return max(1, len(self._peers)), sum(peer.lost for peer in self._peers.values())

    # ---- beginning and end -----------------------------------------------------------------------------------------

    def _announce(self, started: float) -> None:
        if self.began_at:
            return
        self.began_at = started
        stages = [[stage.label, stage.duration_s] for stage in self.test.stages]
        self.say({"event": "begin", "at": started, "stages": stages})

    def finish(self, interrupted: bool = False) -> None:
        """Make the evidence, once."""
        if self.result is not None:
            return
        now = time.perf_counter()
        elapsed = min(now - self.began_at, self.test.duration_s) if self.began_at else 0.0
        if self.walker is not None and interrupted:
            self.cut_journeys = self.walker.in_flight
            self.cease()
        if not isinstance(self.environment.runner, MasterRunner):
            self.tally = self.recorder.take()
        began = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=(now - self.began_at) if self.began_at else 0.0)
        workers, lost = self.workers
        course = Course(
            run=self.run,
            started=began,
            finished=dt.datetime.now(dt.UTC),
            target=self.where.base,
            seed=self.settings.seed,
            machine=this_machine(),
            workers=workers,
            lost_workers=lost,
            cpu_seconds=time.process_time() - self._cpu_at_start + self._worker_cpu_s,
            elapsed_s=elapsed,
            interrupted=interrupted,
            cut_journeys=self.cut_journeys,
            lateness_bound_ms=self.settings.lateness_bound_ms,
            problems=tuple(self.problems),
        )
        self.result = evidence(self.test, self.tally, course)
        self.finished.set()

    @property
    def told(self) -> bool:
        """Whether the process that started this one listens to its status lines."""
        return self._status.open

    # ---- telling how it goes ---------------------------------------------------------------------------------------

    def say(self, what: dict[str, Any]) -> None:
        """A line to whoever started this process, if anybody listens. A listener that is gone ends the run."""
        if isinstance(self.environment.runner, WorkerRunner):
            return
        if not self._status.say(what):
            self.finish(interrupted=True)

    def current(self) -> Tally:
        """What is counted so far, of this process or of all its workers."""
        return self.tally if isinstance(self.environment.runner, MasterRunner) else self.recorder.fold()

    def status(self) -> dict[str, Any]:
        """How it goes now: cumulative counts, and the last second's response times."""
        master = isinstance(self.environment.runner, MasterRunner)
        stages = self.tally.stages if master else self.recorder.stages
        live, self._live_ms = sorted(self._live_ms), []
        p95_ms = live[min(len(live) - 1, int(len(live) * 0.95))] if live else None
        if master:
            p95_ms = self.environment.stats.total.get_current_response_time_percentile(0.95)
        own = self.walker.in_flight if self.walker else 0
        return {
            "event": "status",
            "elapsed_s": time.perf_counter() - self.began_at if self.began_at else 0.0,
            "journeys": sum(s.journeys for s in stages),
            "journeys_done": sum(s.journeys_done for s in stages),
            "unsent": sum(s.journeys_unsent for s in stages),
            "calls": sum(s.calls for s in stages),
            "calls_done": sum(s.calls_done for s in stages),
            "in_flight": own + sum(peer.in_flight for peer in self._peers.values()),
            "p95_ms": p95_ms,
        }

    def watch(self) -> None:
        """Once a second: tell how it goes, look after the workers."""
        while not self.finished.is_set():
            self.watch_workers()
            if self.began_at:
                self.say(self.status())
            gevent.sleep(STATUS_S)


def _raise_priority() -> None:
    """Run before the target where both share a machine, as a generator on a machine of its own would."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)


def attach(environment: Environment, coordinator: Coordinator) -> None:
    """Let the user and the shape of this environment find their coordinator."""
    _place(environment).set(coordinator)


def coordinator_of(environment: Environment) -> Coordinator:
    """The coordinator that was attached, or will be: a master may order a worker to begin while it still reads."""
    found: Coordinator = _place(environment).get(timeout=ATTACH_S)
    return found


def _place(environment: Environment) -> AsyncResult[Coordinator]:
    place: AsyncResult[Coordinator] = environment.__dict__.setdefault("oss_coordinator", AsyncResult())
    return place


class ArrivalUser(User):
    """The one user of a process: it stands for all visitors, and walks the schedule."""

    fixed_count = 1

    @task
    def drive(self) -> None:
        """See that this process's share of the load is offered, then wait to be stopped."""
        coordinator_of(self.environment).start()
        while True:
            gevent.sleep(3600)


class ScheduleShape(LoadTestShape):
    """As many users as there are processes, until the schedule has ended: the load itself is the schedule's.

    Users of other classes, which a further locustfile brought, come on top: closed loops beside the open arrivals.
    """

    abstract = False

    def reset_time(self) -> None:
        """A new run is asked for."""
        super().reset_time()  # type: ignore[no-untyped-call]
        if self.runner is not None:
            coordinator_of(self.runner.environment).asked_again()

    def tick(self) -> tuple[int, float] | None:
        """(users, spawn rate), or None at the end."""
        runner = self.runner
        if runner is None:
            return None
        coordinator = coordinator_of(runner.environment)
        if coordinator.finished.is_set():
            return None
        ArrivalUser.fixed_count = coordinator.processes()
        users = ArrivalUser.fixed_count + int(getattr(runner.environment.parsed_options, "closed_users", 0))
        return users, float(users)
