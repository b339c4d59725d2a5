"""A process for the tests of daemons: says that it waits, and waits; `fail` ends at once, `deaf` ignores SIGTERM."""

import signal
import sys

if __name__ == "__main__":
    if "fail" in sys.argv:
        print("cannot go on")
        sys.exit(3)
    if "deaf" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("waiting")
    while True:
        signal.pause()
