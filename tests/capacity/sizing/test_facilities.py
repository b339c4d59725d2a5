"""Sessions, bandwidth and volumes in their units."""

from __future__ import annotations

import numpy as np
import pytest

from capacity.demand.model import draw_inputs, registrations, world
from capacity.sizing.facilities import bandwidth_mbit_s, sessions, stored, writes_per_s
from capacity.sizing.workload import workload
from tests.capacity.nation import launch, national


def test_sessions_follow_littles_law() -> None:
    plan = launch()
    zero = {c.id: 0.0 for c in plan.classes}
    satgas = next(c for c in plan.classes if c.id == "satgas")
    calls = sum(v.count for v in satgas.journey)
    work = workload(plan, plan.endpoints, {**zero, "satgas": 2.0}, 1.0)
    stay = (calls - 1) * satgas.think_time_s + plan.facilities.keep_alive_s
    assert float(sessions(plan, work)[0]) == pytest.approx(2.0 * stay)


def test_bandwidth_of_one_page_a_second() -> None:
    plan = launch()
    zero = {c.id: 0.0 for c in plan.classes}
    work = workload(plan, plan.endpoints, {**zero, "portal": 1.0}, 1.0)
    kib = {e.id: e.response_kib for e in plan.endpoints}
    portal = next(c for c in plan.classes if c.id == "portal")
    raw = sum(v.count * kib[v.endpoint] for v in portal.journey) * 1024 * 8 / 1e6
    rules = plan.facilities
    wire = raw * rules.protocol_overhead * rules.bandwidth_headroom
    assert float(bandwidth_mbit_s(plan, plan.endpoints, work)[0]) == pytest.approx(wire)


def test_only_calls_that_write_the_database_count_as_writes() -> None:
    plan = launch()
    zero = {c.id: 0.0 for c in plan.classes}
    work = workload(plan, plan.endpoints, {**zero, "satgas": 3.0}, 1.0)
    assert float(writes_per_s(plan.endpoints, work)[0]) == pytest.approx(3.0)  # one message a journey


def test_volumes_grow_and_logs_are_thrown_away() -> None:
    place = world(national())
    draws = draw_inputs(place, 500, 3)
    volume = registrations(place, draws)
    kept = stored(launch(), draws, volume)
    for series in (kept.documents_gb, kept.database_gb, kept.backups_gb):
        assert np.all(np.diff(series) >= 0)
    everything = np.quantile(volume.sum(axis=1) * draws.document_kib, launch().design.quantile) * 1024 / 1e9
    assert kept.documents_gb[-1] == pytest.approx(everything, rel=1e-6)
    longer = launch().model_copy(update={"storage": launch().storage.model_copy(update={"log_days": 2000})})
    assert stored(longer, draws, volume).logs_gb[-1] > kept.logs_gb[-1]
