"""Runs the generator in processes of its own, reads the stations' CPU meanwhile, and joins both to evidence.

The generator is Locust with `locustfile.py`: whatever happens to it, this process lives on and tells the verdict.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from capacity.documents import REPOSITORY, load
from capacity.evidence import Evidence
from capacity.faults import BadInput, Exit, Fault, MachineLacks, OssError, StepFailed
from loadtests.engine_status import STATUS_FD
from loadtests.keeping import keep
from loadtests.machine import MACHINE, SPEED, Speed, WholeMachine, this_machine
from loadtests.outcome import Course, evidence, exit_of
from loadtests.profiles import LoadTest
from loadtests.recorder import Tally
from loadtests.stations import Source, Stations

LOCUSTFILE = REPOSITORY / "loadtests" / "locustfile.py"
START_S = 90.0
# After the last stage: draining, and making the evidence.
END_S = 60.0
STOP_S = 15.0

Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Request:
    """One run: the test, where it goes, and how. Secrets reach the generator through its environment only."""

    test: LoadTest
    run: str
    plan: Path
    profile: str
    phase: int
    scale: str
    host: str
    evidence_folder: Path
    log_file: Path
    password: str = field(repr=False, default="")
    callback_key: str = field(repr=False, default="")
    ca_file: Path | None = None
    classes: tuple[str, ...] = ()
    think_factor: float | None = None
    seed: int = 2018
    workers: int = 1
    trace: Path | None = None
    lateness_bound_ms: float = 0.0
    metrics_port: int = 0
    timeout_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run ended in: the evidence and where it is; the error when the target or a step failed."""

    evidence: Evidence
    path: Path
    error: OssError | None = None

    @property
    def exit_code(self) -> Exit:
        """That of the error, or else of the verdict (`loadtests.outcome.exit_of`)."""
        return self.error.exit_code if self.error is not None else exit_of(self.evidence)


def run(request: Request, sources: Sequence[Source], servers: Mapping[str, float], tell: Tell) -> Outcome:
    """Run the load test to its end. Ctrl-C ends it early and still gives evidence, with the verdict `interrupted`.

    `tell` receives the generator's status lines. Raises StepFailed when the evidence cannot be written.
    """
    with (
        tempfile.TemporaryDirectory(prefix="oss-loadtest-") as folder,
        Stations([*sources, WholeMachine(), *_speed(request, sources)]) as stations,
    ):
        generator = _Generator(request, Path(folder))
        try:
            generator.follow(tell)
            if generator.bounds:
                stations.settle(min(generator.bounds[-1], time.time()))
        finally:
            generator.stop()
        made = generator.evidence()
        result = made if made is not None else _without_generator(request, generator)
        result = with_stations(result, stations, generator.bounds, servers)
        path = keep(result, generator.timeline(), request.evidence_folder)
    return Outcome(result, path, generator.error(made))


def with_stations(
    result: Evidence, stations: Stations, bounds: Sequence[float], servers: Mapping[str, float]
) -> Evidence:
    """The evidence with the CPU of each stage. `bounds` are the stages' starts and the last one's end."""
    stages = []
    asked = {**servers, MACHINE: result.machine.cores}
    for number, stage in enumerate(result.stages):
        if number < len(bounds):
            found = stations.result(bounds[number], bounds[number] + stage.duration_s, asked)
            own = tuple(r for r in found if r.station != MACHINE)
            busy = next((r.cpu_seconds / stage.duration_s for r in found if r.station == MACHINE), None)
            cpu_s, pieces = stations.counted(SPEED, bounds[number], bounds[number] + stage.duration_s)
            work_ms = cpu_s * 1e3 / pieces if pieces >= 1 else None
            told = {"stations": own, "machine_busy_cores": busy, "fixed_work_ms": work_ms}
            stage = stage.model_copy(update=told)
        stages.append(stage)
    missing = tuple(f"CPU of {name} could not be read: {why}" for name, why in stations.problems.items())
    return result.model_copy(update={"stages": tuple(stages), "reasons": result.reasons + missing})


def _speed(request: Request, sources: Sequence[Source]) -> list[Source]:
    """What times the machine, where stations on it are read (those of a rack) and the caller brings none of its own."""
    beside = request.scale == "rack" and bool(sources)
    return [Speed()] if beside and all(SPEED not in source.stations for source in sources) else []


class _Generator:
    """The generator's process group, seen through its status lines."""

    def __init__(self, request: Request, folder: Path) -> None:
        self._request = request
        self._folder = folder
        self._read, write = os.pipe()
        self._began = time.monotonic()
        self.bounds: list[float] = []
        self.interrupted = False
        request.log_file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with request.log_file.open("wb") as log:
                self._process = subprocess.Popen(
                    command(request, folder),
                    cwd=REPOSITORY,
                    env=_environment(request, write),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[write],
                    start_new_session=True,
                )
        finally:
            os.close(write)

    def follow(self, tell: Tell) -> None:
        """Read status lines until the generator ends. A generator that hangs is ended."""
        buffered = b""
        with selectors.DefaultSelector() as ready:
            ready.register(self._read, selectors.EVENT_READ)
            try:
                while True:
                    if ready.select(timeout=1.0):
                        part = os.read(self._read, 65536)
                        if not part:
                            break
                        *lines, buffered = (buffered + part).split(b"\n")
                        for line in lines:
                            self._take(json.loads(line), tell)
                    if time.monotonic() > self._deadline():
                        self._kill()
                        return
                self._process.wait(timeout=STOP_S)
            except KeyboardInterrupt:
                self.interrupted = True
                self.stop()
            except subprocess.TimeoutExpired:
                self._kill()

    def _take(self, line: dict[str, Any], tell: Tell) -> None:
        if line["event"] == "begin":
            at = time.time() + (line["at"] - time.perf_counter())
            self.bounds = [at]
            for _, duration in line["stages"]:
                self.bounds.append(self.bounds[-1] + duration)
        tell(line)

    def _deadline(self) -> float:
        if not self.bounds:
            return self._began + START_S
        return time.monotonic() + (self.bounds[-1] - time.time()) + END_S

    def stop(self) -> None:
        """Ask the generator to end and to tell what it has; end it when it does not."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                self._kill()
        with contextlib.suppress(OSError):
            os.close(self._read)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def evidence(self) -> Evidence | None:
        """What the generator wrote, if it came so far."""
        path = self._folder / f"{self._request.run}.json"
        return load(Evidence, path) if path.exists() else None

    def timeline(self) -> str:
        """The timeline that it wrote, or an empty one."""
        path = self._folder / f"{self._request.run}.timeline.csv"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def problem(self) -> str:
        """Why there is no evidence of its own."""
        code = self._process.returncode
        if code is not None and code < 0:
            return f"the generator was ended by {signal.Signals(-code).name}"
        return f"the generator ended with exit code {code} and no result; see {self._request.log_file}"

    def error(self, made: Evidence | None) -> OssError | None:
        """The error that a generator's exit code stands for, given the evidence that it made; None for a verdict."""
        code = self._process.returncode
        if self.interrupted or code in (Exit.GO, Exit.NO_GO, Exit.INTERRUPTED):
            return None
        if made is not None and made.stages and code == exit_of(made):
            return None
        # where nothing was offered, the evidence says why in better words than the log's last line
        said = "; ".join(made.reasons) if made and made.reasons else _last_words(self._request.log_file)
        if code == Exit.BAD_INPUT:
            return BadInput([Fault("load test", "", "", said, "Mend it and run again.")])
        if code == Exit.MACHINE_LACKS:
            return MachineLacks(said)
        return StepFailed(said, f"The generator's log: {self._request.log_file}")


def command(request: Request, folder: Path) -> list[str]:
    """The generator's command line; it carries no secret."""
    test = request.test
    words = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary"]
    words += ["--host", request.host, "--plan", str(request.plan), "--load-profile", request.profile]
    words += ["--phase", str(request.phase), "--scale", request.scale, "--seed", str(request.seed)]
    words += ["--run-id", request.run, "--evidence", str(folder), "--think-time", repr(test.think_factor)]
    words += ["--timeout", repr(request.timeout_s)]
    if request.ca_file:
        words += ["--ca-file", str(request.ca_file)]
    if request.classes:
        words += ["--class-ids", *request.classes]
    if request.trace:
        words += ["--trace", str(request.trace)]
    if request.lateness_bound_ms:
        words += ["--lateness-bound", repr(request.lateness_bound_ms)]
    if request.metrics_port:
        words += ["--metrics-port", str(request.metrics_port)]
    if request.workers > 1:
        words += ["--processes", str(request.workers)]
    return words


def _environment(request: Request, status: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    secrets = {"OSS_TEST_PASSWORD": request.password, "OSS_CALLBACK_KEY": request.callback_key}
    return kept | {name: value for name, value in secrets.items() if value} | {STATUS_FD: str(status)}


def _without_generator(request: Request, generator: _Generator) -> Evidence:
    """Evidence for a run whose generator left none: nothing measured, and why."""
    now = dt.datetime.now(dt.UTC)
    course = Course(
        run=request.run,
        started=now - dt.timedelta(seconds=time.monotonic() - generator._began),
        finished=now,
        target=request.host,
        seed=request.seed,
        machine=this_machine(),
        workers=request.workers,
        lost_workers=request.workers,
        cpu_seconds=0.0,
        elapsed_s=0.0,
        interrupted=generator.interrupted,
        problems=(generator.problem(),),
    )
    return evidence(request.test, Tally(len(request.test.stages)), course)


def _last_words(log: Path) -> str:
    try:
        lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    told = [line.removeprefix("locust: ") for line in lines if line.startswith("locust: ")]
    return (told or lines or ["the generator said nothing"])[-1]
