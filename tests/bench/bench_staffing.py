"""Desk seats by Erlang C for many weeks of half hours: ours against pyworkforce, and how far the answers agree."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import Any

import numpy as np
from pyworkforce.queuing import ErlangC

from capacity.staffing import Target, WorkRules, desk_seats, weekly_roster

HANDLING_S = 600.0
TARGET = Target(answer_share=0.8, answer_within_s=60.0, max_occupancy=0.85)


def week(seed: int) -> np.ndarray[Any, Any]:
    """Contacts (days, half hours) of a desk open from 08:00 to 17:00, busiest at ten."""
    rng = np.random.default_rng(seed)
    hours = np.arange(48)
    shape = np.where((hours >= 16) & (hours < 34), np.exp(-(((hours - 20) / 6) ** 2)) + 0.3, 0.0)
    days = np.array([1.3, 1.1, 1.0, 1.0, 0.8, 0.2, 0.0])
    return np.asarray(60 * np.outer(days, shape) * rng.lognormal(0, 0.3, (7, 48)))


def rows() -> list[dict[str, Any]]:
    """Half hours sized a CPU second, and the roster of one week."""
    weeks = np.array([week(seed) for seed in range(20)])
    desk_seats(weeks[0], HANDLING_S, TARGET)
    before = time.process_time()
    seats = np.array([desk_seats(w, HANDLING_S, TARGET).seats for w in weeks])
    ours = time.process_time() - before
    asked = weeks[weeks > 0]
    before = time.process_time()
    theirs = np.array(
        [
            ErlangC(float(n), HANDLING_S / 60, TARGET.answer_within_s / 60, 30).required_positions(
                TARGET.answer_share, TARGET.max_occupancy
            )["raw_positions"]
            for n in asked
        ]
    )
    peer = time.process_time() - before
    fewer = int((seats[weeks > 0] < theirs).sum())
    more = int((seats[weeks > 0] > theirs).sum())
    before = time.process_time()
    roster = weekly_roster(seats[0], WorkRules(paid_h=7.5), 0.1, 2)
    spent = time.process_time() - before
    return [
        {
            "name": f"desk seats, {asked.size} half hours ({fewer} with fewer seats than the peer, {more} with more)",
            "ours": round(asked.size / ours),
            "unit": "half hours/CPU s",
            "peer": f"pyworkforce {version('pyworkforce')}",
            "peer_value": round(asked.size / peer),
            "ratio": round(peer / ours, 1),
            "bar": "no more seats than the peer",
            "holds": more == 0,
        },
        {
            "name": f"weekly roster, {roster.at_work} people at work (proven: at least {roster.bound})",
            "ours": round(spent, 2),
            "unit": "CPU s",
            "peer": None,
            "peer_value": None,
            "ratio": None,
            "bar": "within one person of the bound",
            "holds": roster.at_work <= roster.bound + 1,
        },
    ]


if __name__ == "__main__":
    import json

    print(json.dumps(rows(), indent=2))
