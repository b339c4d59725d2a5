"""Time that sharing of CPU does not explain, found by comparing simulated with measured stages.

Networks, handshakes of connections and waits inside a client take time that no station's CPU shows. Of each endpoint it
is the median measured less the median simulated, over the stages that the demands were fitted to, by their counts.
Medians, since a few calls that something else held up move a mean a lot, and since nothing of the tails that are to be
predicted goes into them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from capacity.evidence import StageResult
from capacity.leaseplan import Deployment, Endpoint
from capacity.validation.conditions import Conditions
from capacity.validation.histograms import merged_histogram
from capacity.validation.interleaved import simulated

LEAST_ANSWERS: Final = 5
"""Fewer do not show a median."""


def residual_ms(
    deployment: Deployment,
    endpoints: Sequence[Endpoint],
    stages: Sequence[tuple[StageResult, Mapping[str, float], Conditions]],
) -> dict[str, float]:
    """Endpoint → milliseconds unexplained. Each stage comes with its call rates and the conditions it ran under."""
    found: dict[str, list[tuple[int, float]]] = {}
    for stage, rates, given in stages:
        shared = simulated(deployment, endpoints, rates, replace(given, overhead_ms={}))
        for name in sorted({r.endpoint for r in stage.endpoints} & set(shared.responses)):
            measured = merged_histogram([stage], name)
            if (count := measured.get_total_count()) >= LEAST_ANSWERS:
                more = measured.get_value_at_percentile(50) / 1e3 - float(np.median(shared.responses[name])) * 1e3
                found.setdefault(name, []).append((count, more))
    return {name: max(0.0, sum(n * m for n, m in parts) / sum(n for n, _ in parts)) for name, parts in found.items()}
