"""Queueing: from arrival rates and service demands to waits, response-time percentiles and numbers of servers.

Units: rates a second, times seconds, load in erlangs (CPU servers kept busy). Everything broadcasts over numpy
arrays (draws, hours, stations). The number of servers `c` is real: a pod limited to 300 m counts 0.3.
The mathematics, numbered as in the docstrings: docs/model/queueing.md.
"""

from capacity.queueing.erlang import ErlangA, erlang_a, erlang_a_tail, erlang_b, erlang_c, mmc_wait
from capacity.queueing.ggc import (
    Wait,
    ggc_response_mean,
    ggc_response_quantile,
    ggc_response_tail,
    ggc_wait,
    ggc_wait_mean,
)
from capacity.queueing.network import Leg, Moments, network_response_moments, network_response_quantile
from capacity.queueing.shapes import SHAPES, Shape
from capacity.queueing.staffing import Slo, max_rate, meets, min_servers, square_root_staffing

__all__ = [
    "SHAPES",
    "ErlangA",
    "Leg",
    "Moments",
    "Shape",
    "Slo",
    "Wait",
    "erlang_a",
    "erlang_a_tail",
    "erlang_b",
    "erlang_c",
    "ggc_response_mean",
    "ggc_response_quantile",
    "ggc_response_tail",
    "ggc_wait",
    "ggc_wait_mean",
    "max_rate",
    "meets",
    "min_servers",
    "mmc_wait",
    "network_response_moments",
    "network_response_quantile",
    "square_root_staffing",
]
