"""Arrival rates that change over time: the load to put into a steady-state formula."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from capacity.queueing.erlang import Floats
from capacity.queueing.shapes import Shape, partial_mean

_FORGOTTEN: Final = 1e-9


def modified_offered_load(
    rate: ArrayLike, step: float, mean_service: float, cs2: float = 1.0, shape: Shape = "gamma"
) -> Floats:
    """Offered load (erlangs) at the end of every step, for rates that are constant within steps.

    Equation (Q13): m(t) = integral over x of rate(t - x) P(S > x), the mean number busy in M_t/G/infinity (Eick, Massey
    and Whitt 1993); Erlang formulas at m(t) are the modified-offered-load approximation (Jagerman 1975). It carries
    the lag of long services: a help desk peaks after its calls do. Where services are short against a step it is
    rate x mean_service.

    `rate`: (..., steps), a second; `step`, `mean_service` in seconds. Before the first step the first rate held
    forever. Shape out: that of `rate`. Raises ValueError for a step or service time that is not positive.
    """
    if step <= 0 or mean_service <= 0:
        raise ValueError("step and mean_service must be positive")
    lam = np.asarray(rate, float)
    steps = lam.shape[-1]
    reach = np.asarray(partial_mean(shape, np.arange(steps + 1) * step, mean_service, cs2))
    kernel = np.diff(reach)
    kernel = kernel[: int(np.searchsorted(-kernel, -_FORGOTTEN * mean_service)) or 1]
    past = np.concatenate([np.repeat(lam[..., :1], len(kernel), axis=-1), lam], axis=-1)
    windows = np.lib.stride_tricks.sliding_window_view(past, len(kernel), axis=-1)[..., 1:, :]
    older = mean_service - reach[len(kernel)]
    return np.asarray(windows @ kernel[::-1] + older * past[..., :steps])
