"""One root finder for all percentiles: where a falling function of time crosses zero, for whole arrays at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from capacity.queueing.erlang import Floats

_STEPS: Final = 60
_CLOSE: Final = 1e-7


def falling_root(function: Callable[[Floats], Floats], low: Floats, high: Floats, start: Floats) -> Floats:
    """The x in [low, high] at which `function`, positive below and negative above it, is nought.

    Secant steps from `start`, kept inside the bracket; a step that would leave it becomes a bisection. Shapes: all
    broadcast to that of `function`. Relative accuracy 1e-7; all entries go on until the slowest is done.
    """
    low, high, before = (np.asarray(x, float) for x in (low, high, np.clip(start, low, high)))
    missed = function(before)
    low, high = np.where(missed > 0, before, low), np.where(missed > 0, high, before)
    # the second point on the side of the root, so that the first secant is a short one
    here = np.where(missed > 0, np.minimum(1.1 * before, (before + high) / 2), np.maximum(0.9 * before, low))
    narrowed = np.full(np.shape(missed), np.inf)
    for _ in range(_STEPS):
        missing = function(here)
        low, high = np.where(missing > 0, here, low), np.where(missing > 0, high, here)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            guess = here - missing * (here - before) / (missing - missed)
        # a bracket that shrinks too slowly is halved
        width = high - low
        keep = (low < guess) & (guess < high) & ((width < 0.7 * narrowed) | (np.abs(guess - here) < 0.1 * width))
        narrowed = width
        before, missed, here = here, missing, np.where(keep, guess, (low + high) / 2)
        if np.all((np.abs(here - before) <= _CLOSE * here) | (width <= _CLOSE * here)):
            break
    return here
