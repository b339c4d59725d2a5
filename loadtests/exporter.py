"""Prometheus metrics of a running load test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.registry import Collector

from capacity.faults import StepFailed
from loadtests import histogram
from loadtests.engine import Coordinator

QUANTILES = (50.0, 95.0, 99.0)


class RunCollector(Collector):
    """Reads the coordinator's counts whenever it is scraped."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator

    def collect(self) -> Iterator[Any]:
        """Offered, achieved and unsent load by stage; calls, errors and response times by endpoint; lateness."""
        tally = self._coordinator.current()
        labels = [stage.label for stage in self._coordinator.test.stages]
        offered = CounterMetricFamily("oss_loadtest_journeys_offered", "Journeys that were due", labels=["stage"])
        done = CounterMetricFamily("oss_loadtest_journeys_done", "Journeys that reached their end", labels=["stage"])
        unsent = CounterMetricFamily("oss_loadtest_journeys_unsent", "Journeys not started", labels=["stage"])
        for label, counters in zip(labels, tally.stages, strict=True):
            offered.add_metric([label], counters.journeys)
            done.add_metric([label], counters.journeys_done)
            unsent.add_metric([label], counters.journeys_unsent)
        yield from (offered, done, unsent)
        names = ["stage", "class", "endpoint"]
        errors = CounterMetricFamily("oss_loadtest_errors", "Calls that failed", labels=names)
        times = SummaryMetricFamily("oss_loadtest_latency_seconds", "From the intended start", labels=names)
        quantiles = GaugeMetricFamily(
            "oss_loadtest_latency_quantile_seconds", "From the intended start", labels=[*names, "quantile"]
        )
        for key, cell in tally.cells.items():
            place = [labels[key.stage], key.kind, key.endpoint]
            errors.add_metric(place, cell.errors)
            times.add_metric(place, cell.count, cell.total_us / 1e6)
            for quantile in QUANTILES:
                value = histogram.percentile_ms(cell.latency, quantile) / 1e3
                quantiles.add_metric([*place, f"{quantile / 100:g}"], value)
        yield from (errors, times, quantiles)
        late = histogram.percentile_ms(tally.lateness, 99) / 1e3
        yield GaugeMetricFamily("oss_loadtest_lateness_p99_seconds", "How late calls were sent", value=late)


def serve(coordinator: Coordinator, port: int) -> CollectorRegistry:
    """Serve the metrics on a loopback port (0: not). Raises StepFailed."""
    registry = CollectorRegistry()
    registry.register(RunCollector(coordinator))
    if port:
        try:
            start_http_server(port, addr="127.0.0.1", registry=registry)
        except OSError as error:
            raise StepFailed(f"metrics port {port}: {error.strerror}", "Choose another --metrics-port.") from None
    return registry
