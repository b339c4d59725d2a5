"""Counters where satgas members help visitors in person: how many stand open, and how many visitors a day fit.

Formulas (S11) and (S12) of docs/model/staffing.md. Published: 300 visitors a day at 30–60 minutes each (August 2018)
and 100 a day at 20 minutes each (June 2020), capacity/data/oss_usage.csv, metric counter_queue_cap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from capacity.queueing import erlang_c


@dataclass(frozen=True)
class Counters:
    """`counters` open; `wait_share`: visitors of the busiest hour served within the time promised; `visitors_per_day`:
    most that these counters serve at full occupancy (the cap a queue number machine would hand out)."""

    counters: int
    wait_share: float
    occupancy: float
    visitors_per_day: int


def counters_needed(
    visitors_per_day: float,
    minutes: float,
    open_h: float,
    busiest_hour_share: float | None = None,
    wait_min: float = 30.0,
    wait_share: float = 0.8,
) -> Counters:
    """Fewest counters that serve `wait_share` of the visitors of the busiest hour within `wait_min` (Erlang C).

    `busiest_hour_share`: part of the day's visitors who come in it (None: evenly over the open hours). Raises
    ValueError for a duration that is not above 0.
    """
    if min(minutes, open_h, wait_min) <= 0 or visitors_per_day < 0:
        raise ValueError("minutes, open hours and wait must be above 0, visitors 0 or more")
    share = 1 / open_h if busiest_hour_share is None else busiest_hour_share
    load = visitors_per_day * share * minutes / 60
    if load == 0:
        return Counters(0, 1.0, 0.0, 0)
    counters = math.floor(load) + 1
    while (served := _served(counters, load, wait_min / minutes)) < wait_share:
        counters += 1
    return Counters(counters, served, load / counters, math.floor(counters * open_h * 60 / minutes))


def _served(counters: int, load: float, wait: float) -> float:
    """Formula (S11): share served within the wait, in units of the mean duration."""
    return float(1 - erlang_c(counters, load) * np.exp(-(counters - load) * wait))
