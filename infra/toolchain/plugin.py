"""Runs one of our modules as a Pulumi plugin process: `python -m infra.toolchain.plugin MODULE ARGUMENTS`.

The engine keeps a plugin's standard input open for as long as it lives. When it closes, the engine is gone, even
by SIGKILL, and the plugin must not outlive it.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import sys
import threading
from collections.abc import Callable

_last_acts: list[Callable[[], None]] = []


def before_the_end(act: Callable[[], None]) -> None:
    """Have `act` called when the engine is gone, before this process ends: to end children, to remove files."""
    _last_acts.append(act)


def end_with_engine() -> None:
    """End this process once standard input closes."""

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        perform_last_acts()
        os._exit(0)

    threading.Thread(target=watch, name="end-with-engine", daemon=True).start()


def perform_last_acts() -> None:
    """Do what was registered with `before_the_end`, once each; one that fails does not keep the others from running."""
    while _last_acts:
        with contextlib.suppress(Exception):
            _last_acts.pop()()


def main() -> None:
    module, sys.argv = sys.argv[1], sys.argv[1:]
    end_with_engine()
    try:
        # After Ctrl-C the engine reports and stops its plugins; a traceback of ours would only hide its words.
        with contextlib.suppress(KeyboardInterrupt):
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        perform_last_acts()


if __name__ == "__main__":
    # Under this name the module would exist twice, and a plugin would register its last acts with the other one.
    from infra.toolchain import plugin

    plugin.main()
