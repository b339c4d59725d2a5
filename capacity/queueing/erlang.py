"""Erlang B, C and A for any real number of servers, over numpy arrays.

All functions broadcast their arguments. `c` is the number of parallel servers and may be fractional: pods with
a CPU quota of 300 m give 0.3 servers. `a` is the offered load in erlangs, a = arrival rate x mean service time.

Sources: Jagerman 1974 (Bell System Technical Journal 53:3) for the integral form of Erlang B that continues
it to real c; Mandelbaum and Zeltyn 2007 ("Service engineering in action: the Palm/Erlang-A queue") for M/M/c+M.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]

_FRACTION_TERMS: Final = 60


def inverse_erlang_b(c: ArrayLike, a: ArrayLike) -> Floats:
    """1 / B(c, a), the form in which Erlang B is smooth and does not underflow.

    Equation (Q1): 1/B = integral over t of a exp(-a t) (1 + t)^c = exp(a) a^-c Gamma(c+1, a).
    For a well above c the continued fraction of the incomplete gamma function replaces a quotient of two tiny numbers.
    """
    servers, load = np.broadcast_arrays(np.asarray(c, float), np.asarray(a, float))
    _require(servers >= 0, "the number of servers c must be >= 0")
    _require(load >= 0, "the offered load a must be >= 0")
    positive = np.maximum(load, np.finfo(float).tiny)
    log_term = servers * np.log(positive) - positive - special.gammaln(servers + 1)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        direct = special.gammaincc(servers + 1, positive) * np.exp(-log_term)
    out = np.where(load > 0, direct, np.where(servers > 0, np.inf, 1.0))
    overloaded = load > servers + 10 * np.sqrt(servers + 1) + 10
    if np.any(overloaded):
        out = np.where(overloaded, _tail_fraction(servers, np.where(overloaded, load, 2 * servers + 10)), out)
    return out


def _tail_fraction(c: Floats, a: Floats) -> Floats:
    """exp(a) a^-c Gamma(c+1, a) by Legendre's continued fraction, evaluated backwards; for a > c only."""
    s = c + 1
    value = np.zeros_like(a)
    for n in range(_FRACTION_TERMS, 0, -1):
        value = n * (s - n) / (a + 2 * n + 1 - s + value)
    return a / (a + 1 - s + value)


def erlang_b(c: ArrayLike, a: ArrayLike) -> Floats:
    """Blocking probability of M/M/c/c at offered load `a` (Erlang 1917); equation (Q1).

    Shapes: broadcast of c and a. Raises ValueError for a negative c or a.
    """
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / inverse_erlang_b(c, a))


def erlang_c(c: ArrayLike, a: ArrayLike) -> Floats:
    """Probability that an arrival at M/M/c must wait; 1 where a >= c.

    Equation (Q2): 1/C = a/c + (1 - a/c) / B(c, a).
    """
    servers, load = np.broadcast_arrays(np.asarray(c, float), np.asarray(a, float))
    _require(servers > 0, "the number of servers c must be > 0")
    utilisation = load / servers
    with np.errstate(invalid="ignore", over="ignore"):
        inverse = utilisation + (1 - utilisation) * inverse_erlang_b(servers, load)
    return np.where(utilisation < 1, 1 / np.where(utilisation < 1, inverse, 1.0), 1.0)


def mmc_wait(rate: ArrayLike, mean_service: ArrayLike, c: ArrayLike) -> Floats:
    """Mean wait in M/M/c (time before service), in the unit of `mean_service`; inf where it has no steady state.

    Equation (Q3): E[W] = C(c, a) s / (c - a), a = rate x s.
    """
    lam, service, servers = np.broadcast_arrays(*(np.asarray(x, float) for x in (rate, mean_service, c)))
    load = lam * service
    stable = load < servers
    return np.where(stable, erlang_c(servers, load) * service / np.where(stable, servers - load, 1.0), np.inf)


class ErlangA(NamedTuple):
    """M/M/c+M in steady state. Times in the unit of the mean service time; every field has the broadcast shape."""

    wait_probability: Floats
    abandon_probability: Floats
    mean_wait: Floats
    """of all callers, served or gone"""
    mean_queue: Floats
    utilisation: Floats


def erlang_a(rate: ArrayLike, mean_service: ArrayLike, c: ArrayLike, mean_patience: ArrayLike) -> ErlangA:
    """The Palm/Erlang-A queue: exponential service and patience (Mandelbaum and Zeltyn 2007).

    Equation (Q4): with J = integral over x of exp(rate/theta (1 - exp(-theta x)) - c mu x) and E = 1/B(c-1, a),
    P(wait) = rate J / (E + rate J), P(abandon) = (1 + (rate - c mu) J) / (E + rate J), E[W] = P(abandon) / theta.
    Always stable. Requires c >= 1, for E. Raises ValueError otherwise.
    """
    lam, service, servers, patience = _erlang_a_arguments(rate, mean_service, c, mean_patience)
    log_j = _log_j(lam, service, servers, patience, np.zeros_like(lam))
    log_e = np.log(inverse_erlang_b(servers - 1, lam * service))
    log_rate_j = np.log(np.maximum(lam, np.finfo(float).tiny)) + log_j
    log_total = np.logaddexp(log_e, log_rate_j)
    waiting = np.where(lam > 0, np.exp(log_rate_j - log_total), 0.0)
    # (1 + (lam - c mu) J) / total, and by balance also: the share of the arrivals that the busy servers cannot serve
    surplus = np.exp(-log_total) + (lam - servers / service) * np.exp(log_j - log_total)
    abandoned = np.where(lam > 0, np.clip(surplus, 0.0, 1.0), 0.0)
    mean = abandoned * patience
    return ErlangA(waiting, abandoned, mean, lam * mean, lam * service * (1 - abandoned) / servers)


def erlang_a_tail(
    t: ArrayLike, rate: ArrayLike, mean_service: ArrayLike, c: ArrayLike, mean_patience: ArrayLike
) -> Floats:
    """P(offered wait > t): what a caller of endless patience would see. Service level at t is 1 minus this.

    Equation (Q5): rate J(t) / (E + rate J), J(t) the integral of (Q4) from t on.
    """
    time, lam, service, servers, patience = np.broadcast_arrays(
        np.asarray(t, float), *_erlang_a_arguments(rate, mean_service, c, mean_patience)
    )
    log_j = _log_j(lam, service, servers, patience, np.zeros_like(lam))
    log_e = np.log(inverse_erlang_b(servers - 1, lam * service))
    log_lam = np.log(np.maximum(lam, np.finfo(float).tiny))
    log_total = np.logaddexp(log_e, log_lam + log_j)
    return np.where(lam > 0, np.exp(log_lam + _log_j(lam, service, servers, patience, time) - log_total), 0.0)


def _erlang_a_arguments(
    rate: ArrayLike, mean_service: ArrayLike, c: ArrayLike, mean_patience: ArrayLike
) -> tuple[Floats, Floats, Floats, Floats]:
    lam, service, servers, patience = np.broadcast_arrays(
        *(np.asarray(x, float) for x in (rate, mean_service, c, mean_patience))
    )
    _require(servers >= 1, "Erlang A needs c >= 1 servers")
    _require((service > 0) & (patience > 0) & (lam >= 0), "rates must be >= 0 and mean times > 0")
    return lam, service, servers, patience


def _log_j(lam: Floats, service: Floats, servers: Floats, patience: Floats, t: Floats) -> Floats:
    """ln J(t). With x = c mu / theta, y = rate / theta, z = y exp(-theta t) and F = 1F1(1; x+1; z):

    J(t) = exp(y - z - c mu t) F / (c mu), where z is below x, and exp(y) y^-x gamma_lower(x, z) / theta elsewhere.
    """
    x = servers * patience / service
    y = np.maximum(lam * patience, np.finfo(float).tiny)
    z = y * np.exp(-t / patience)
    below = x - z > 6 * np.sqrt(x)
    calm = np.log(service / servers) + (y - z) - t * servers / service + np.log(_kummer(x, np.where(below, z, 0.0)))
    with np.errstate(divide="ignore"):
        lower = np.log(special.gammainc(x, z))
    return np.where(below, calm, np.log(patience) + y - x * np.log(y) + special.gammaln(x) + lower)


def _kummer(x: Floats, z: Floats) -> Floats:
    """1F1(1; x+1; z) for z below x, by Gauss's continued fraction, evaluated backwards."""
    b = x + 1
    value = np.zeros_like(z)
    for k in range(_FRACTION_TERMS, 0, -1):
        value = k * z / (b + 2 * k - 1 - (b + k - 1) * z / (b + 2 * k + value))
    return np.asarray(1 / (1 - z / (b + value)))


def _require(condition: NDArray[np.bool_] | bool, message: str) -> None:
    if not np.all(condition):
        raise ValueError(message)
