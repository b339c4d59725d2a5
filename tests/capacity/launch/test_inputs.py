"""Bad input: one clear fault for each thing wrong, all of them at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from capacity.faults import BadInput
from capacity.inputs import load_inputs
from tests.capacity.nation import copy_of_plan, edit, national


def faults_after(folder: Path, change: Callable[[dict[str, Any]], None]) -> list[str]:
    plan = copy_of_plan(folder)
    edit(plan, change)
    with pytest.raises(BadInput) as raised:
        load_inputs(plan)
    return [str(f) for f in raised.value.faults]


def test_the_national_plan_is_sound() -> None:
    inputs = national()
    placed = [c for p in inputs.launch.phases for c in p.provinces]
    assert len(placed) == len(set(placed)) == 34
    assert {"national.yaml", "../data/provinces.csv", "../data/prices.csv"} <= set(inputs.hashes)


def swap_quantiles(d: dict[str, Any]) -> None:
    q = d["demand"]["busyness"]
    q["p10"], q["p90"] = q["p90"], q["p10"]


def negative_quantile(d: dict[str, Any]) -> None:
    d["design"]["application_factor"]["p10"] = -1


def overlap(d: dict[str, Any]) -> None:
    d["phases"][1]["start"] = d["phases"][0]["start"]


def drop_province(d: dict[str, Any]) -> None:
    d["phases"][2]["provinces"].remove("ID-JB")


def repeat_province(d: dict[str, Any]) -> None:
    d["phases"][2]["provinces"].append("ID-JK")


def unknown_province(d: dict[str, Any]) -> None:
    d["phases"][0]["provinces"].append("ID-XX")


def slo_below_service(d: dict[str, Any]) -> None:
    next(e for e in d["endpoints"] if e["id"] == "portal.signin")["slo_p95_ms"] = 20


def slo_below_inner_call(d: dict[str, Any]) -> None:
    next(e for e in d["endpoints"] if e["id"] == "api.nik")["slo_p95_ms"] = 200


def unknown_endpoint(d: dict[str, Any]) -> None:
    d["classes"][0]["journey"][0]["endpoint"] = "portal.hom"


def unknown_key(d: dict[str, Any]) -> None:
    d["demand"]["bussyness"] = 1


def unknown_profile(d: dict[str, Any]) -> None:
    d["classes"][0]["profile"] = "nights"


def idle_cores(d: dict[str, Any]) -> None:
    d["services"][0]["replica_millicores"] = 1500


def two_primaries(d: dict[str, Any]) -> None:
    d["sites"][1]["kind"] = "primary"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (swap_quantiles, ("demand.busyness", "quantiles must rise", "swap them")),
        (negative_quantile, ("application_factor.p10", "greater than or equal to 0")),
        (overlap, ("phases[1].start", "overlap", "Start it after")),
        (drop_province, ("ID-JB", "in no phase")),
        (repeat_province, ("ID-JK", "placed 2 times", "exactly one phase")),
        (unknown_province, ("ID-XX", "no such province")),
        (slo_below_service, ("portal.signin", "not above its service time")),
        (slo_below_inner_call, ("api.nik", "not above its service time")),
        (unknown_endpoint, ("portal.hom", "not one of endpoints")),
        (unknown_key, ("bussyness", "Did you mean 'busyness'?")),
        (unknown_profile, ("nights", "not one of profiles")),
        (idle_cores, ("services[0].replica_millicores", "one process uses one core", "Lower it to 1000")),
        (two_primaries, ("sites", "exactly one site is primary")),
    ],
)
def test_one_fault_names_place_and_remedy(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], words: tuple[str, ...]
) -> None:
    found = faults_after(tmp_path, change)
    assert any(all(w in fault for w in words) for fault in found), found


def test_a_price_without_currency_names_its_row(tmp_path: Path) -> None:
    plan = copy_of_plan(tmp_path)
    prices = tmp_path / "data" / "prices.csv"
    lines = prices.read_text(encoding="utf-8").splitlines()
    lines[3] = lines[3].replace(",IDR,", ",,")
    prices.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(BadInput) as raised:
        load_inputs(plan)
    (fault,) = raised.value.faults
    assert fault.path == "row 4.currency"
    assert "currency" in fault.remedy


def test_faults_of_the_plan_and_of_tables_come_together(tmp_path: Path) -> None:
    plan = copy_of_plan(tmp_path)

    def several(d: dict[str, Any]) -> None:
        overlap(d)
        drop_province(d)
        slo_below_service(d)

    edit(plan, several)
    skus = tmp_path / "data" / "skus.csv"
    skus.write_text(skus.read_text(encoding="utf-8").replace(",8,64,2,480", ",-8,64,2,480"), encoding="utf-8")
    with pytest.raises(BadInput) as raised:
        load_inputs(plan)
    text = str(raised.value)
    assert "overlap" in text
    assert "ID-JB" in text
    assert "service time" in text
    assert "row 2.cores" in text


def test_a_missing_table_is_one_fault_with_its_name(tmp_path: Path) -> None:
    plan = copy_of_plan(tmp_path)
    (tmp_path / "data" / "supporting.csv").unlink()
    with pytest.raises(BadInput, match=r"supporting\.csv"):
        load_inputs(plan)
