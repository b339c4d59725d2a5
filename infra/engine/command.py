"""Running the Pulumi CLI so that Ctrl-C ends it in order: what is under way is finished and written down first."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import IO, Any

from pulumi.automation import CommandResult, PulumiCommand
from pulumi.automation.errors import create_command_error


class EngineCommand(PulumiCommand):
    """The CLI of one toolchain. The first interrupt asks it to stop, the second to stop at once, the third kills it.

    It runs in a session of its own: a terminal's Ctrl-C reaches this process alone, which passes it on once.
    """

    def __init__(self, program: Path, on_interrupt: Callable[[str], None]) -> None:
        super().__init__(root=str(program.parent.parent))
        self.command = str(program)
        self._on_interrupt = on_interrupt

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], Any] | None = None,
        on_error: Callable[[str], Any] | None = None,
    ) -> CommandResult:
        """Run it to its end. Raises the Automation API's CommandError, or KeyboardInterrupt after an interrupt."""
        environment = {**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        process = subprocess.Popen(
            [self.command, "--non-interactive", *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=environment,
            encoding="utf-8",
            start_new_session=True,
        )
        with _Interrupts(process, self._on_interrupt) as interrupts:
            out, err = _Lines(process.stdout, on_output), _Lines(process.stderr, on_error)
            process.wait()
            out.join()
            err.join()
        result = CommandResult(stdout=out.text, stderr=err.text, code=process.returncode)
        if interrupts.count:
            raise KeyboardInterrupt
        if process.returncode != 0:
            raise create_command_error(result)
        return result


class _Lines(threading.Thread):
    def __init__(self, stream: IO[str] | None, callback: Callable[[str], Any] | None) -> None:
        super().__init__(daemon=True)
        self._stream, self._callback, self._lines = stream, callback, list[str]()
        self.start()

    def run(self) -> None:
        for line in self._stream or ():
            self._lines.append(line.rstrip())
            if self._callback:
                self._callback(line.rstrip())

    @property
    def text(self) -> str:
        return "\n".join(self._lines)


class _Interrupts:
    """Passes SIGINT and SIGTERM on to a child while it runs; outside the main thread it leaves signals alone."""

    _WORDS = (
        "stopping: what is under way is finished first (Ctrl-C again stops at once)",
        "stopping at once; the next run continues from what is written down",
    )

    def __init__(self, process: subprocess.Popen[str], tell: Callable[[str], None]) -> None:
        self._process, self._tell = process, tell
        self._before: dict[int, Any] = {}
        self.count = 0

    def __enter__(self) -> _Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count > len(self._WORDS):
            self._process.kill()
            return
        self._tell(self._WORDS[self.count - 1])
        self._process.send_signal(signal.SIGINT)
