"""The permit service over HTTP, against a real PostgreSQL: what it promises, also when many ask at once."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from loadtests.target.applications import DOCUMENT_LIMIT
from loadtests.target.identity import is_nib, make_nib
from loadtests.target.samples import applicant, officer, registered_name, satgas
from loadtests.target.security import sign_callback
from tests.loadtests.postgres import Server, private_postgres
from tests.loadtests.service import CALLBACK_KEY, PASSWORD, Service, running_service

NIK = "3171012508820001"
PDF = b"%PDF-1.4 " + bytes(range(256)) * 8
KEY = "5f0c2a44-0000-4000-8000-000000000001"


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, trust_env=False, timeout=15) as made:
        yield made


def signed_in(client: httpx.Client, username: str) -> dict[str, str]:
    answer = client.post("/api/v1/sessions", json={"username": username, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['token']}"}


def drafted(client: httpx.Client, who: dict[str, str], name: str = "PT Maju Bersama") -> int:
    answer = client.post("/api/v1/applications", json={"business_name": name, "province": "31"}, headers=who)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def approved(client: httpx.Client, who: dict[str, str], kbli: str = "10761") -> int:
    number = drafted(client, who)
    assert client.post(f"/api/v1/applications/{number}/nik", json={"nik": NIK}, headers=who).status_code == 200
    given = {"kbli": kbli, "statement": True}
    assert client.post(f"/api/v1/applications/{number}/submit", json=given, headers=who).status_code == 200
    return number


def test_an_application_goes_from_draft_to_nib(client: httpx.Client) -> None:
    who = signed_in(client, applicant(1))
    number = drafted(client, who)
    matched = client.post(f"/api/v1/applications/{number}/nik", json={"nik": NIK}, headers=who).json()
    assert matched == {"outcome": "matched", "birth_date": "1982-08-25", "sex": "L"}
    headers = who | {"Content-Type": "application/pdf"}
    document = client.post(f"/api/v1/applications/{number}/documents?name=akta.pdf", content=PDF, headers=headers)
    assert (document.status_code, document.json()["size"]) == (201, len(PDF))
    given = {"kbli": "10761", "statement": True}
    assert client.post(f"/api/v1/applications/{number}/submit", json=given, headers=who).json()["state"] == "approved"
    made = client.post(f"/api/v1/applications/{number}/nib", headers=who | {"Idempotency-Key": KEY})
    assert made.status_code == 201
    assert is_nib(made.json()["nib"])
    status = client.get(f"/api/v1/applications/{number}", headers=who).json()
    assert (status["state"], status["nib"], status["documents"]) == ("issued", made.json()["nib"], 1)
    found = client.get("/api/v1/nib", params={"q": made.json()["nib"]}).json()["items"]
    assert [item["business_name"] for item in found] == ["PT Maju Bersama"]


def test_a_nib_is_issued_once_however_many_ask(client: httpx.Client, service: Service) -> None:
    who = signed_in(client, applicant(2))
    number = approved(client, who)

    def ask(turn: int) -> httpx.Response:
        key = KEY if turn % 2 else f"{KEY}-{turn}"
        url = f"{service.url}/api/v1/applications/{number}/nib"
        return httpx.post(url, headers=who | {"Idempotency-Key": key}, trust_env=False, timeout=15)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(ask, range(24)))
    assert sorted({a.status_code for a in answers}) in ([200, 201, 409], [201, 409])
    assert sum(a.status_code == 201 for a in answers) == 1
    assert len({a.json()["nib"] for a in answers if a.status_code in (200, 201)}) == 1


def test_steps_out_of_order_are_refused_and_change_nothing(client: httpx.Client) -> None:
    who = signed_in(client, applicant(3))
    number = drafted(client, who)
    given = {"kbli": "10761", "statement": True}
    assert client.post(f"/api/v1/applications/{number}/submit", json=given, headers=who).status_code == 409
    early = client.post(f"/api/v1/applications/{number}/nib", headers=who | {"Idempotency-Key": KEY})
    assert early.status_code == 409
    assert client.get(f"/api/v1/applications/{number}", headers=who).json()["state"] == "draft"
    assert client.post(f"/api/v1/applications/{number}/nib", headers=who).status_code == 400


def test_nobody_sees_or_moves_what_belongs_to_somebody_else(client: httpx.Client) -> None:
    mine, other = signed_in(client, applicant(4)), signed_in(client, applicant(5))
    number = drafted(client, mine)
    assert client.get(f"/api/v1/applications/{number}", headers=other).status_code == 404
    assert client.post(f"/api/v1/applications/{number}/nik", json={"nik": NIK}, headers=other).status_code == 404
    assert client.get(f"/api/v1/applications/{number}").status_code == 401
    assert client.get("/api/v1/officer/queue", headers=mine).status_code == 403
    assert client.get("/satgas/projects", headers=mine).status_code == 403
    assert client.post("/integration/nik", json={"nik": NIK}, headers=mine).status_code == 401


def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(client: httpx.Client) -> None:
    wrong = client.post("/api/v1/sessions", json={"username": applicant(6), "password": "salah"})
    unknown = client.post("/api/v1/sessions", json={"username": "tidak-ada", "password": PASSWORD})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()


def test_what_is_malformed_is_told_by_field(client: httpx.Client) -> None:
    who = signed_in(client, applicant(7))
    answer = client.post("/api/v1/applications", json={"business_name": "x", "province": "99", "extra": 1}, headers=who)
    assert answer.status_code == 422
    assert {fault["field"] for fault in json.loads(answer.json()["detail"])} == {"business_name", "province", "extra"}
    number = drafted(client, who)
    bad = client.post(f"/api/v1/applications/{number}/nik", json={"nik": "3171013002820001"}, headers=who)
    assert bad.status_code == 422
    assert "tanggal lahir" in bad.text
    missing = client.post(f"/api/v1/applications/{number}/nik", json={"nik": "3171012508829999"}, headers=who)
    assert missing.json() == {"outcome": "not_found"}
    assert client.get(f"/api/v1/applications/{number}", headers=who).json()["state"] == "draft"


def test_documents_are_limited_in_size_and_kind_and_kept_once(client: httpx.Client) -> None:
    who = signed_in(client, applicant(8))
    number = drafted(client, who)
    url = f"/api/v1/applications/{number}/documents"

    def send(body: bytes, kind: str = "application/pdf") -> httpx.Response:
        return client.post(url, content=body, headers=who | {"Content-Type": kind})

    assert send(b"%PDF-" + b"x" * DOCUMENT_LIMIT).status_code == 413
    assert send(b"MZ" + PDF).status_code == 415
    assert send(PDF, "text/plain").status_code == 415
    assert send(PDF).json()["id"] == send(PDF).json()["id"]
    assert client.get(f"/api/v1/applications/{number}", headers=who).json()["documents"] == 1


def test_priority_projects_come_first_in_the_officers_queue(client: httpx.Client) -> None:
    who, clerk = signed_in(client, applicant(9)), signed_in(client, officer("65", 0))
    project = {"business_name": "PT Bendungan", "province": "65", "nik": NIK, "kbli": "35101"}
    small = client.post("/api/v1/priority/applications", json=project | {"investment_idr": 1}, headers=who)
    assert small.status_code == 422
    made = client.post("/api/v1/priority/applications", json=project | {"investment_idr": 10**12}, headers=who).json()
    assert (made["priority"], made["state"]) == (True, "in_review")
    queue = client.get("/api/v1/officer/queue", headers=clerk).json()["items"]
    assert [item["priority"] for item in queue] == sorted((item["priority"] for item in queue), reverse=True)
    seen = client.get(f"/api/v1/applications/{made['id']}", headers=clerk)
    assert seen.json()["business_name"] == "PT Bendungan"
    assert (
        client.get(f"/api/v1/applications/{made['id']}", headers=signed_in(client, officer("11", 0))).status_code == 404
    )


def test_a_case_is_decided_once(client: httpx.Client, service: Service) -> None:
    officers = [signed_in(client, officer("64", n)) for n in range(3)]
    case = client.get("/api/v1/officer/queue", headers=officers[0]).json()["items"][0]["id"]
    given = {"outcome": "approve", "reason": "lengkap"}

    def decide(turn: int) -> int:
        url = f"{service.url}/api/v1/officer/applications/{case}/decision"
        return httpx.post(url, json=given, headers=officers[turn % 3], trust_env=False, timeout=15).status_code

    with ThreadPoolExecutor(9) as pool:
        assert sorted(pool.map(decide, range(9))) == [200] + [409] * 8
    left = client.get("/api/v1/officer/queue", headers=officers[0]).json()["items"]
    assert case not in [item["id"] for item in left]


def test_a_callback_is_taken_once_and_only_when_signed(client: httpx.Client) -> None:
    body = json.dumps({"event_id": "event-0001", "nib": make_nib(1), "permit": "izin lokasi", "status": "fulfilled"})

    def send(body: str, key: str = CALLBACK_KEY) -> httpx.Response:
        now = int(time.time())
        signed = {"X-OSS-Timestamp": str(now), "X-OSS-Signature": sign_callback(key, now, body.encode())}
        return client.post("/integration/callbacks", content=body, headers={"X-OSS-Agency": "klhk"} | signed)

    assert send(body).json() == {"event_id": "event-0001", "duplicate": False}
    assert send(body).json() == {"event_id": "event-0001", "duplicate": True}
    assert send(body, "another key").status_code == 401
    assert send(body.replace(make_nib(1), make_nib(10**6))).status_code == 202  # the event is known already
    assert send(body.replace("event-0001", "event-0002").replace(make_nib(1), make_nib(10**6))).status_code == 422
    assert send(body.replace(make_nib(1), "8120000000010")).status_code == 422


def test_the_task_force_reads_what_it_writes(client: httpx.Client) -> None:
    who = signed_in(client, satgas(0))
    project = client.get("/satgas/projects", headers=who).json()["projects"][0]["id"]
    before = client.get(f"/satgas/messages?project={project}", headers=who).json()["items"]
    newest = max((item["id"] for item in before), default=0)
    sent = client.post("/satgas/messages", json={"project_id": project, "body": "Laporan"}, headers=who).json()
    after = client.get(f"/satgas/messages?project={project}&after={newest}", headers=who).json()["items"]
    assert [item["id"] for item in after] == [sent["id"]]
    assert client.post("/satgas/messages", json={"project_id": 10**6, "body": "x"}, headers=who).status_code == 404


def test_the_portal_works_from_home_page_to_nib(client: httpx.Client) -> None:
    home = client.get("/")
    assert 'lang="id"' in home.text
    assert home.headers["content-security-policy"].startswith("default-src 'self'")
    assert client.get("/permohonan/baru").headers["location"] == "/?masuk=perlu"
    assert client.post("/masuk", data={"username": applicant(10), "password": "salah"}).status_code == 401
    answer = client.post("/masuk", data={"username": applicant(10), "password": PASSWORD})
    assert answer.status_code == 303
    assert "HttpOnly" in answer.headers["set-cookie"]
    csrf = client.get("/permohonan/baru").text.split('name="csrf" value="')[1].split('"')[0]
    fields = {"csrf": csrf, "business_name": "CV <Batik>", "province": "33", "nik": NIK, "kbli": "13134"}
    file = {"document": ("akta.pdf", PDF, "application/pdf")}
    refused = client.post("/permohonan", data=fields | {"nik": "1", "statement": "ya"}, files=file)
    assert refused.status_code == 422
    assert 'href="#nik"' in refused.text
    assert "CV &lt;Batik&gt;" in refused.text
    forged = client.post("/permohonan", data=fields | {"csrf": "x", "statement": "ya"}, files=file)
    assert forged.status_code == 403
    made = client.post("/permohonan", data=fields | {"statement": "ya"}, files=file)
    assert made.status_code == 303, made.text
    page = client.get(made.headers["location"])
    assert "NIB terbit" in page.text
    assert is_nib(page.text.split('id="nib">')[1].split("<")[0])


def test_assets_are_cached_by_their_tag(client: httpx.Client) -> None:
    first = client.get("/assets/oss.css")
    assert first.headers["cache-control"] == "public, max-age=86400"
    assert client.get("/assets/oss.css", headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    assert client.get("/assets/../settings.py").status_code == 404
    assert client.get("/assets/none.css").status_code == 404


def test_search_takes_wildcards_as_plain_letters(client: httpx.Client) -> None:
    assert client.get("/api/v1/nib", params={"q": "%%%"}).json()["items"] == []
    found = client.get("/api/v1/nib", params={"q": registered_name(77)}).json()["items"]
    assert [item["nib"] for item in found] == [make_nib(77)]


def test_seeded_applications_have_the_ids_that_the_generator_computes(client: httpx.Client) -> None:
    for number in (11, 12):
        application = client.get(f"/api/v1/applications/{2000 + number}", headers=signed_in(client, applicant(number)))
        assert application.json()["nib"] == make_nib(2000 + number)


def test_answers_are_what_the_openapi_document_says(client: httpx.Client) -> None:
    described = client.get("/api/v1/openapi.json").json()
    who, clerk = signed_in(client, applicant(13)), signed_in(client, officer("31", 0))
    number = approved(client, who)
    calls: list[tuple[str, str, str, dict[str, Any]]] = [
        ("post", "/api/v1/sessions", "/api/v1/sessions", {"json": {"username": applicant(13), "password": PASSWORD}}),
        ("post", "/api/v1/sessions", "/api/v1/sessions", {"json": {"username": applicant(13), "password": "no"}}),
        ("get", "/api/v1/kbli", "/api/v1/kbli?q=kopi", {}),
        ("get", "/api/v1/nib", "/api/v1/nib?q=CV Contoh", {}),
        ("get", "/api/v1/nib", "/api/v1/nib?q=x", {}),
        ("get", "/api/v1/applications/{id}", f"/api/v1/applications/{number}", {"headers": who}),
        ("get", "/api/v1/applications/{id}", "/api/v1/applications/1", {"headers": who}),
        (
            "post",
            "/api/v1/applications/{id}/nib",
            f"/api/v1/applications/{number}/nib",
            {"headers": who | {"Idempotency-Key": KEY}},
        ),
        ("get", "/api/v1/officer/queue", "/api/v1/officer/queue", {"headers": clerk}),
        ("get", "/api/v1/officer/queue", "/api/v1/officer/queue", {"headers": who}),
    ]
    for method, path, url, more in calls:
        answer = client.request(method, url, **more)
        told = described["paths"][path][method]["responses"][str(answer.status_code)]["content"]
        kind = answer.headers["content-type"]
        schema = {**told[kind]["schema"], "components": described["components"]}
        Draft202012Validator(schema).validate(answer.json())


def test_metrics_count_calls_and_cpu_by_endpoint(client: httpx.Client) -> None:
    signed_in(client, applicant(14))
    text = client.get("/metrics").text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(values['oss_requests_total{endpoint="api.signin",status="201"}']) >= 1
    hashing = float(values['oss_endpoint_cpu_seconds_total{endpoint="api.signin"}'])
    assert 0 < hashing < float(values["oss_process_cpu_seconds_total"])


def test_a_full_registry_makes_the_application_wait(postgres: Server) -> None:
    settings = {"REGISTRY_QUOTA_PER_DAY": "1"}
    with (
        running_service(postgres.create("quota"), settings) as running,
        httpx.Client(base_url=running.url, trust_env=False, timeout=15) as client,
    ):
        who = signed_in(client, applicant(15))
        first, second = drafted(client, who), drafted(client, who)
        assert client.post(f"/api/v1/applications/{first}/nik", json={"nik": NIK}, headers=who).status_code == 200
        refused = client.post(f"/api/v1/applications/{second}/nik", json={"nik": NIK}, headers=who)
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:oss:problem:registry-quota")
        assert int(refused.headers["retry-after"]) > 0


def test_several_processes_share_port_schema_seed_and_metrics(postgres: Server) -> None:
    with running_service(postgres.create("processes"), {"OSS_PROCESSES": "2"}) as running:
        for _ in range(20):
            with httpx.Client(base_url=running.url, trust_env=False, timeout=15) as client:
                assert client.get("/api/v1/kbli?q=kopi").status_code == 200
        text = httpx.get(f"{running.url}/metrics", trust_env=False).text
    assert 'oss_requests_total{endpoint="api.kbli",status="200"} 20.0' in text


def test_it_says_unready_and_busy_while_its_database_is_away() -> None:
    with private_postgres() as server, running_service(server.create("gone")) as running:
        os.kill(server.pid, signal.SIGINT)
        _wait_for_end(server.pid)
        for path, status in (("/readyz", 503), ("/healthz", 200), ("/api/v1/nib?q=CV Contoh", 503)):
            answer = httpx.get(f"{running.url}{path}", trust_env=False, timeout=15)
            assert answer.status_code == status, path


def _wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}/stat").exists():
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return
        assert time.monotonic() < deadline
        time.sleep(0.05)
