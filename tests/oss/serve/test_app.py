"""Questions and answers: faults at their fields, progress, totals, a newer question, downloads in every form."""

from __future__ import annotations

import asyncio
import io
import json
import re
import zipfile
from typing import Any

import openpyxl
import pytest
from starlette.testclient import TestClient

from capacity.report.language import LANGUAGES
from capacity.report.sources import Sources
from capacity.whatif.session import WhatIf
from oss.serving.documents import report_policy, sources_of
from oss.serving.pages import STAGES, Pages
from oss.serving.solving import Solver


def ask(client: TestClient, changes: dict[str, Any], lang: str = "id") -> list[dict[str, Any]]:
    answer = client.post("/what-if", json={"page": "p", "lang": lang, "changes": changes})
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_the_page_names_every_field_in_both_languages(client: TestClient, session: WhatIf) -> None:
    pages = {lang: client.get("/", params={"lang": lang}).text for lang in LANGUAGES}
    assert '<html lang="id">' in client.get("/").text
    for lang, page in pages.items():
        assert f'<html lang="{lang}">' in page
        names = set(re.findall(r'name="([^"]+)"', page))
        assert set(session.base.fields) <= names
        loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert all(address.startswith(("/", "#")) for address in loaded)
        assert not re.search(r"<script(?![^>]*src)|<style|style=|onclick", page)
    assert pages["id"] != pages["en"]


def test_an_answer_has_progress_totals_and_words(client: TestClient, session: WhatIf) -> None:
    events = ask(client, {"roles[2].redundancy": "2"})
    assert {e["what"] for e in events if e["kind"] == "progress"} <= {
        Pages(session, "id").words.say(k) for k in STAGES.values()
    }
    done = events[-1]
    assert done["kind"] == "done"
    assert done["totals"]["difference"].startswith("▲ +Rp")
    assert "naik" in done["spoken"]
    assert "(indikatif)" in done["totals"]["total"]
    assert "Cadangan pekerja aplikasi" in done["html"]
    assert "indicative" in ask(client, {"roles[2].redundancy": "2"}, "en")[-1]["spoken"]


def test_the_plan_itself_differs_in_nothing(client: TestClient, session: WhatIf) -> None:
    done = ask(client, {})[-1]
    assert "sama dengan rencana" in done["spoken"]
    assert f"{session.plan.cost.total_idr:,}".replace(",", ".") in done["totals"]["total"]


def test_a_wrong_value_is_told_at_its_field_and_nothing_is_computed(client: TestClient, session: WhatIf) -> None:
    session.memo.computed.clear()
    question = {"page": "p", "lang": "id", "changes": {"phases[1].start": "2018-08-01", "roles[0].redundancy": "x"}}
    answer = client.post("/what-if", json=question)
    assert answer.status_code == 422
    faults = {f["field"]: f["text"] for f in answer.json()["faults"]}
    assert "bilangan bulat" in faults["roles[0].redundancy"]
    assert session.memo.computed == []


def test_what_cannot_be_solved_says_what_to_relax(client: TestClient) -> None:
    failed = ask(client, {"endpoints[2].slo_p95_ms": "500", "design.headroom": "5", "design.quantile": "99,9"})[-1]
    if failed["kind"] == "failed":
        assert failed["message"]
        assert failed["remedy"]
    else:
        assert failed["kind"] == "done"


def test_markup_that_is_typed_stays_text(client: TestClient) -> None:
    question = {"page": "p", "lang": "id", "changes": {"phases[1].start": "<b>x</b>"}}
    faults = client.post("/what-if", json=question).json()["faults"]
    assert "<b>" in faults[0]["text"]  # the page sets it as text
    assert client.get("/").headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_report_of_a_changed_plan(client: TestClient, lang: str) -> None:
    done = ask(client, {"prices.rise": "10"})[-1]
    total = re.sub(r"\D", "", done["totals"]["total"])
    page = client.get(f"/report/{done['key']}/{lang}.html")
    assert "attachment" in page.headers["content-disposition"]
    assert total in re.sub(r"[.,]", "", page.text)
    shown = client.get(f"/report/{done['key']}/{lang}.html", params={"show": ""})
    assert "content-disposition" not in shown.headers
    assert "frame-ancestors 'self'" in shown.headers["content-security-policy"]
    book = openpyxl.load_workbook(io.BytesIO(client.get(f"/report/{done['key']}/{lang}.xlsx").content), read_only=True)
    assert "hps" in book.sheetnames


def test_the_pdf_of_a_changed_plan(client: TestClient) -> None:
    key = ask(client, {"prices.rise": "10"})[-1]["key"]
    answer = client.get(f"/report/{key}/id.pdf")
    assert answer.status_code in (200, 501)  # 501: the machine lacks Pango
    assert answer.content.startswith(b"%PDF" if answer.status_code == 200 else b"PDF needs")


def test_the_plan_can_be_taken_away(client: TestClient, session: WhatIf) -> None:
    done = ask(client, {"phases[1].start": "2018-11-12", "prices.rise": "10"})[-1]
    text = client.get(f"/plan/{done['key']}/national.yaml").text
    assert "start: 2018-11-12" in text
    assert text.startswith("# The launch plan")
    with zipfile.ZipFile(io.BytesIO(client.get(f"/plan/{done['key']}/national.zip").content)) as archive:
        assert "plans/national.yaml" in archive.namelist()
        assert archive.read("data/prices.csv") != (session.base.inputs.path.parent / "../data/prices.csv").read_bytes()


@pytest.mark.parametrize("path", ["/report/none/id.html", "/report/none/id.exe", "/plan/none/national.yaml"])
def test_what_is_not_there_is_said_to_be_gone(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_path_cannot_leave_the_static_folder(client: TestClient) -> None:
    assert client.get("/static/%2e%2e/app.py").status_code == 404


def test_a_newer_question_of_a_page_ends_the_older(session: WhatIf) -> None:
    async def both() -> list[str]:
        solver = Solver(session)
        older = solver.begin("page", session.check({"demand.surge.first_day_multiple.p50": "3,9"}))
        newer = solver.begin("page", session.check({}))
        ends: list[str] = []
        for job in (older, newer):
            kinds = [event.kind async for event in job.events()]
            ends.append(kinds[-1])
        return ends

    assert asyncio.run(asyncio.wait_for(both(), 60)) == ["superseded", "done"]


def test_the_policy_of_a_report_allows_its_own_scripts_alone() -> None:
    policy = report_policy(b"<script>let a = 1;</script>")
    assert "'sha256-" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    assert "script-src" not in report_policy(b"<p>none</p>")


def test_the_same_hash_as_the_lock_that_plan_writes(session: WhatIf, sources: Sources) -> None:
    changed = session.check({})
    assert sources_of(sources, changed, session.plan).plan_hash == sources.plan_hash
