"""A process for the tests of daemons: says that it waits, and waits; `fail` ends at once, `deaf` ignores SIGTERM.

`--gate FIFO` first waits until somebody opens the pipe, and then says when it is told to reload.
"""

import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    if "fail" in sys.argv:
        print("cannot go on")
        sys.exit(3)
    if "deaf" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("waiting")
    if "--gate" in sys.argv:
        Path(sys.argv[sys.argv.index("--gate") + 1]).read_bytes()
        signal.signal(signal.SIGHUP, lambda *_: print("told"))
    while True:
        signal.pause()
