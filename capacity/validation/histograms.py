"""Histograms of response times, put together over classes and stages."""

from __future__ import annotations

from collections.abc import Sequence

from hdrh.histogram import HdrHistogram

from capacity.evidence import StageResult

HIGHEST_US = 3_600_000_000
DIGITS = 3


def merged_histogram(stages: Sequence[StageResult], endpoint: str) -> HdrHistogram:
    """All response times (microseconds) of an endpoint over stages and classes, in one histogram."""
    merged = HdrHistogram(1, HIGHEST_US, DIGITS)
    for stage in stages:
        for result in stage.endpoints:
            if result.endpoint == endpoint and result.count:
                merged.add(HdrHistogram.decode(result.histogram))
    return merged
