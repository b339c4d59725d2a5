"""The pipe through which a generator tells the process that started it how it goes: one JSON object a line."""

from __future__ import annotations

import json
import os
from typing import Any

STATUS_FD = "OSS_LOADTEST_STATUS_FD"


class StatusPipe:
    """The writing end, when somebody listens."""

    def __init__(self) -> None:
        number = os.environ.get(STATUS_FD, "")
        self._fd = int(number) if number.isdigit() else None
        if self._fd is not None:
            os.set_blocking(self._fd, False)

    @property
    def open(self) -> bool:
        """Whether somebody listens."""
        return self._fd is not None

    def say(self, what: dict[str, Any]) -> bool:
        """Tell a line; False when the listener is gone. A full pipe drops the line: the next one says more."""
        if self._fd is None:
            return True
        try:
            os.write(self._fd, (json.dumps(what) + "\n").encode())
        except BlockingIOError:
            return True
        except OSError:
            self._fd = None
            return False
        return True
