"""Queueing: from arrival rates and service demands to waits, response-time percentiles and numbers of servers.

Units: rates a second, times seconds, load in erlangs (CPU servers kept busy). Everything broadcasts over numpy
arrays (draws, hours, stations). The number of servers `c` is real. The mathematics, numbered as in the docstrings, and
how far it can be trusted: docs/model/queueing.md.

    erlang        B, C and A                          network       several stations in series
    ggc           waits and response times            timevarying   rates that change: modified offered load
    staffing      servers for an SLO, and back        pools         closed networks, thread and connection pools
    quota         containers with a CPU quota         scalability   the Universal Scalability Law, fitted
    phase         PH/PH/c exactly: the reference      corrections   what simulation adds to the formulas
    sharing       calls served interleaved, not in turn
    quotasharing  interleaved, in containers with a CPU quota
"""

from capacity.queueing.erlang import ErlangA, erlang_a, erlang_a_tail, erlang_b, erlang_c, mmc_wait
from capacity.queueing.ggc import (
    NO_WAIT,
    Wait,
    ggc_response_mean,
    ggc_response_quantile,
    ggc_response_tail,
    ggc_wait,
    ggc_wait_mean,
    response_quantile,
    response_tail,
    wait_quantile,
    wait_tail,
)
from capacity.queueing.network import (
    NOT_SLOWED,
    Leg,
    Moments,
    Slowing,
    departure_scv,
    network_response_moments,
    network_response_quantile,
    network_response_tail,
)
from capacity.queueing.pools import Closed, Pool, closed_network, pool
from capacity.queueing.quota import QuotaWait, quota_response_quantile, quota_wait
from capacity.queueing.quotasharing import SharedQuota, quota_sharing
from capacity.queueing.scalability import Scalability, fit_usl, usl
from capacity.queueing.shapes import SHAPES, Shape
from capacity.queueing.sharing import Sharing, sharing, sharing_moments, sharing_response_quantile, sharing_slowdown
from capacity.queueing.staffing import Slo, max_rate, meets, min_servers, square_root_staffing
from capacity.queueing.timevarying import modified_offered_load

__all__ = [
    "NOT_SLOWED",
    "NO_WAIT",
    "SHAPES",
    "Closed",
    "ErlangA",
    "Leg",
    "Moments",
    "Pool",
    "QuotaWait",
    "Scalability",
    "Shape",
    "SharedQuota",
    "Sharing",
    "Slo",
    "Slowing",
    "Wait",
    "closed_network",
    "departure_scv",
    "erlang_a",
    "erlang_a_tail",
    "erlang_b",
    "erlang_c",
    "fit_usl",
    "ggc_response_mean",
    "ggc_response_quantile",
    "ggc_response_tail",
    "ggc_wait",
    "ggc_wait_mean",
    "max_rate",
    "meets",
    "min_servers",
    "mmc_wait",
    "modified_offered_load",
    "network_response_moments",
    "network_response_quantile",
    "network_response_tail",
    "pool",
    "quota_response_quantile",
    "quota_sharing",
    "quota_wait",
    "response_quantile",
    "response_tail",
    "sharing",
    "sharing_moments",
    "sharing_response_quantile",
    "sharing_slowdown",
    "square_root_staffing",
    "usl",
    "wait_quantile",
    "wait_tail",
]
