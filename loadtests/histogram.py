"""HdrHistograms of response times in microseconds: one range and precision everywhere, so that they merge exactly."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

LOWEST_US = 1
HIGHEST_US = 3_600_000_000
DIGITS = 3


def new() -> HdrHistogram:
    """An empty histogram from one microsecond to one hour, three significant digits."""
    return HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)


def encode(histogram: HdrHistogram) -> str:
    """V2, compressed, base64: what stands in evidence files and goes from workers to their master."""
    return str(histogram.encode().decode("ascii"))


def merged(encoded: Iterable[str]) -> HdrHistogram:
    """All samples of these in one."""
    total = new()
    for text in encoded:
        total.decode_and_add(text)
    return total


def percentile_ms(histogram: HdrHistogram, percentile: float) -> float:
    """A percentile in milliseconds; 0 for an empty histogram."""
    return float(histogram.get_value_at_percentile(percentile)) / 1e3 if histogram.get_total_count() else 0.0


def record_many(histogram: HdrHistogram, values_us: NDArray[np.int64]) -> None:
    """As `record_value` for each of many values, at a fraction of the cost a value; they are clipped to the range.

    The index of a value v with 2^(m+1) sub-buckets (HdrHistogram's layout, m = 10 for three digits): with
    b = max(0, bits(v) - (m + 1)), it is (b << m) + (v >> b).
    """
    if not len(values_us):
        return
    values = np.clip(values_us, LOWEST_US, HIGHEST_US)
    half = histogram.sub_bucket_half_count_magnitude
    bits = np.frexp(values.astype(np.float64))[1].astype(np.int64)
    bucket = np.maximum(bits - (half + 1), 0)
    index = (bucket << half) + (values >> bucket)
    counted = np.bincount(index)
    counts = np.ctypeslib.as_array(histogram.counts)
    counts[: len(counted)] += counted.astype(counts.dtype)
    histogram.total_count += len(values)
    histogram.min_value = min(histogram.min_value, int(values.min()))
    histogram.max_value = max(histogram.max_value, int(values.max()))


def count_above(histogram: HdrHistogram, bound_ms: float) -> int:
    """Samples above a bound; those in the bound's own bucket count as below it."""
    counts = np.ctypeslib.as_array(histogram.counts)
    bound_us = min(max(int(bound_ms * 1e3), LOWEST_US), HIGHEST_US)
    bucket = max(0, bound_us.bit_length() - (histogram.sub_bucket_half_count_magnitude + 1))
    index = (bucket << histogram.sub_bucket_half_count_magnitude) + (bound_us >> bucket)
    return int(counts[index + 1 :].sum())
