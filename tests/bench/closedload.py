"""The peer in the same process layout: plain FastHttpUser, which asks again as soon as it has its answer.

`python -m tests.bench.closedload URL USERS SECONDS` prints throughput and CPU microseconds a request.
"""

from __future__ import annotations

import json
import os
import sys
import time

import gevent
from locust import FastHttpUser, constant, events, task
from locust.env import Environment


class Closed(FastHttpUser):
    """One user."""

    wait_time = constant(0)

    @task
    def hit(self) -> None:
        """One call."""
        self.client.get("/")


def main(url: str, users: int, seconds: float) -> None:
    """Run and print one JSON line."""
    Closed.host = url
    environment = Environment(user_classes=[Closed], events=events)
    runner = environment.create_local_runner()
    runner.start(users, spawn_rate=users)
    gevent.sleep(1.0)
    before, cpu, at = environment.stats.total.num_requests, time.process_time(), time.perf_counter()
    gevent.sleep(seconds)
    calls = environment.stats.total.num_requests - before
    spent, passed = time.process_time() - cpu, time.perf_counter() - at
    print("CLOSED " + json.dumps({"achieved_per_s": calls / passed, "cpu_us": spent / max(1, calls) * 1e6}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
