"""The page and the JUnit XML of a run."""

from __future__ import annotations

import datetime as dt
import re
from xml.etree.ElementTree import Element
from xml.etree.ElementTree import fromstring as parse_xml

import pytest

from capacity.evidence import Evidence, GeneratorHealth, Machine, ThresholdResult
from loadtests.charts import Point, Span, latency_chart, read_timeline
from loadtests.page import Compared, junit, render
from loadtests.timeline import Timeline
from tests.loadtests.test_thresholds import STAGES

RULES = (
    ThresholdResult(rule="p(95) < 800 ms", value=1500.0, unit="ms", passed=False),
    ThresholdResult(rule="errors < 5 %", value=0.025, unit="", passed=True),
    ThresholdResult(rule="api.nik: p(95) < 1 s", value=None, unit="ms", passed=False),
)


VIEWPORT = '<meta name="viewport" content="width=device-width, initial-scale=1">'


def _xml(text: str) -> Element:
    return parse_xml(text)  # noqa: S314 - of our own making


def evidence(verdict: str = "failed", reason: str = "broken: p(95) < 800 ms") -> Evidence:
    return Evidence(
        version=1,
        run="20180709T020000Z-design-phase1-rack",
        kind="load_test",
        started=dt.datetime(2018, 7, 9, 2, tzinfo=dt.UTC),
        finished=dt.datetime(2018, 7, 9, 2, 1, tzinfo=dt.UTC),
        plan="national",
        plan_hash="sha256:" + "0" * 64,
        phase=1,
        scale="rack",
        load_factor=0.1,
        profile="design",
        target="https://127.91.2.12:8443",
        seed=1,
        machine=Machine(cores=2, memory_gib=8, cpu="a <processor>", kernel="6.1"),
        generator=GeneratorHealth(
            workers=2,
            lost_workers=0,
            cpu_seconds=1,
            lateness_p50_ms=0.1,
            lateness_p99_ms=2,
            lateness_max_ms=9,
            lateness_bound_ms=80,
        ),
        stages=STAGES,
        thresholds=RULES,
        verdict=verdict,
        reasons=(reason,),
    )


def test_the_page_is_well_formed_and_shows_what_it_must() -> None:
    timeline = "second,calls,errors,p50_ms,p99_ms,max_ms\n0,10,0,5.0,9.0,12.0\n1,10,2,5.0,2900.0,3000.0\n"
    compared = [Compared("design", "CPU of api", "27.0%", "31.0%", "+15%")]
    page = render(evidence(), timeline, compared)
    for unclosed in ("<!doctype html>", '<meta charset="utf-8">', VIEWPORT):
        assert unclosed in page
    _xml(re.sub(r"<!doctype html>|<meta [^>]*>", "", page))
    for words in (
        "broken: p(95) &lt; 800 ms",
        "a &lt;processor&gt;",
        "CPU of api",
        "(not judged)",
        "2 processes",
        "nothing",
    ):
        assert words in page
    assert "second 1: 2 of 10 calls failed" in page


def test_a_run_without_a_timeline_still_has_a_page() -> None:
    page = render(evidence("invalid", "the generator was ended by SIGKILL"), "")
    assert "ended by SIGKILL" in page
    assert "<svg" not in page


def test_a_stall_is_the_highest_point_of_the_chart() -> None:
    points = [Point(n, 10, 0, 2.0, 3.0, 3000.0 if n == 5 else 4.0) for n in range(10)]
    chart = latency_chart(points, [Span("design", 0, 10, 10, 10)], [("p(95) < 800 ms", 800.0)])
    line = _xml(chart).find("polyline[@class='max']")
    assert line is not None
    heights = [float(point.split(",")[1]) for point in line.attrib["points"].split()]
    assert min(heights) == heights[5]
    assert heights.count(min(heights)) == 1


def test_the_timeline_file_is_read_as_it_is_written() -> None:
    timeline = Timeline()
    timeline.failed(2.5)
    assert [(p.second, p.errors) for p in read_timeline(timeline.to_csv())] == [(0, 0), (1, 0), (2, 1)]
    assert read_timeline("") == []


@pytest.mark.parametrize(("verdict", "errors"), [("failed", 0), ("passed", 0), ("invalid", 1), ("interrupted", 1)])
def test_junit_has_a_test_for_the_run_and_for_each_rule(verdict: str, errors: int) -> None:
    suite = _xml(junit(evidence(verdict)).split("\n", 1)[1])
    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["errors"]) == ("4", "2", str(errors))
    cases = {case.attrib["name"]: [child.tag for child in case] for case in suite}
    assert cases["errors < 5 %"] == []
    assert cases["p(95) < 800 ms"] == ["failure"]
    assert len(cases["the run is valid"]) == errors
