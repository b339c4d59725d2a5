"""CPU of one call of the reference permit service, by endpoint and station: the `demand_ms` of the launch plan.

Every service and the database run as processes of their own on loopback, no other load. Each endpoint is called one
after another; the CPU seconds of all threads (Linux's schedstat, nanoseconds) over the calls are its demands. What runs
without calls (health checks, housekeeping) is measured first and taken off.

  python -m tests.bench.demands [calls]      prints a table and the lines as the plan has them
"""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from loadtests import people
from loadtests.target.samples import applicant, officer, satgas
from loadtests.target.security import sign_callback
from tests.loadtests.postgres import private_postgres
from tests.loadtests.service import CALLBACK_KEY, PASSWORD, running_service

CALLS = 120
WARM_UP = 15
IDLE_S = 4.0
SERVICES = ("registry", "gateway", "api", "portal", "satgas")


def cpu_seconds(root: int) -> float:
    """CPU of all threads of a process and of its living descendants."""
    parents = {int(p.name): _parent(p) for p in Path("/proc").iterdir() if p.name.isdigit()}
    tree = [root]
    for pid in tree:
        tree += [child for child, parent in parents.items() if parent == pid]
    return (
        sum(
            int((task / "schedstat").read_text().split()[0])
            for pid in tree
            for task in Path(f"/proc/{pid}/task").iterdir()
        )
        / 1e9
    )


def _parent(folder: Path) -> int:
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


@dataclass
class Place:
    """The running services and what calls need: a client for each, tokens, running numbers."""

    clients: dict[str, httpx.Client]
    roots: dict[str, int]
    draw: random.Random = field(default_factory=lambda: random.Random(20180525))
    count: Iterator[int] = field(default_factory=itertools.count)

    def token(self, username: str) -> dict[str, str]:
        """Headers of somebody signed in at the API."""
        answer = self.send("api", "POST", "/api/v1/sessions", 201, json={"username": username, "password": PASSWORD})
        return {"Authorization": f"Bearer {answer.json()['token']}"}

    def send(self, service: str, method: str, path: str, status: int, **how: object) -> httpx.Response:
        """One call that must be answered with that status."""
        answer = self.clients[service].request(method, path, **how)  # type: ignore[arg-type]
        if answer.status_code != status:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer

    def cpu(self) -> dict[str, float]:
        """CPU seconds of every station so far."""
        return {name: cpu_seconds(pid) for name, pid in self.roots.items()}


def endpoints(at: Place) -> dict[str, Callable[[], Callable[[], object]]]:
    """Endpoint → what prepares one call; preparing is not measured, the call that it returns is."""
    who, staff, member = at.token(applicant(1)), at.token(officer("31", 0)), at.token(satgas(1))
    number = people.APPLICANTS - 1
    given = {"username": applicant(number), "password": PASSWORD}
    made = at.send("portal", "POST", "/masuk", 303, data=given)
    cookie = {"Cookie": f"oss_session={made.cookies['oss_session']}"}
    at.clients["portal"].cookies.clear()
    own = people.registered_of(number)[0]
    draw = at.draw

    def call(service: str, method: str, path: str, status: int, **how: object) -> Callable[[], Callable[[], object]]:
        return lambda: lambda: at.send(service, method, path, status, **how)

    def drafted() -> int:
        value = {"business_name": f"PT Contoh {next(at.count)}", "province": "31"}
        return int(at.send("api", "POST", "/api/v1/applications", 201, json=value, headers=who).json()["id"])

    def matched() -> int:
        case = drafted()
        at.send("api", "POST", f"/api/v1/applications/{case}/nik", 200, json=nik(), headers=who)
        return case

    def approved() -> int:
        case = matched()
        value = {"kbli": people.draw_kbli(draw, low_risk=True), "statement": True}
        at.send("api", "POST", f"/api/v1/applications/{case}/submit", 200, json=value, headers=who)
        return case

    def nik() -> dict[str, str]:
        return {"nik": people.draw_nik(draw, "31")}

    def step(
        prepare: Callable[[], int], tail: str, status: int, how: Callable[[], dict[str, object]]
    ) -> Callable[[], Callable[[], object]]:
        def prepared() -> Callable[[], object]:
            case, words = prepare(), how()
            headers = who | words.pop("headers", {})  # type: ignore[operator]
            return lambda: at.send(
                "api", "POST", f"/api/v1/applications/{case}{tail}", status, headers=headers, **words
            )

        return prepared

    def submit() -> dict[str, object]:
        return {"json": {"kbli": people.draw_kbli(draw, low_risk=True), "statement": True}}

    def issue() -> Callable[[], object]:
        case, headers = approved(), who | {"Idempotency-Key": people.draw_key(draw)}
        return lambda: at.send("api", "POST", f"/api/v1/applications/{case}/nib", 201, headers=headers)

    def decide() -> Callable[[], object]:
        queue = at.send("api", "GET", "/api/v1/officer/queue", 200, headers=staff).json()["items"]
        path = f"/api/v1/officer/applications/{queue[0]['id']}/decision"
        value = {"outcome": "approve", "reason": "Diperiksa sesuai berkas."}
        return lambda: at.send("api", "POST", path, 200, json=value, headers=staff)

    def document() -> dict[str, object]:
        return {"content": people.draw_document(draw), "headers": {"Content-Type": "application/pdf"}}

    def search() -> Callable[[], object]:
        nib, name = people.draw_nib(draw)
        query = {"q": nib if draw.random() < 0.7 else name}
        return lambda: at.send("api", "GET", "/api/v1/nib", 200, params=query)

    def kbli() -> Callable[[], object]:
        word = people.draw_search(draw)
        return lambda: at.send("api", "GET", "/api/v1/kbli", 200, params={"q": word})

    def priority() -> Callable[[], object]:
        business = people.draw_business(draw)
        value = {
            "business_name": business.name,
            "province": business.province,
            "nik": business.nik,
            "kbli": people.draw_kbli(draw, low_risk=False),
            "investment_idr": 10**12,
        }
        return lambda: at.send("api", "POST", "/api/v1/priority/applications", 201, json=value, headers=who)

    def callback() -> Callable[[], object]:
        nib, _ = people.draw_nib(draw)
        value = {"event_id": people.draw_key(draw), "nib": nib, "permit": "izin lokasi", "status": "fulfilled"}
        body, now = json.dumps(value).encode(), int(time.time())
        headers = {
            "Content-Type": "application/json",
            "X-OSS-Agency": "klhk",
            "X-OSS-Timestamp": str(now),
            "X-OSS-Signature": sign_callback(CALLBACK_KEY, now, body),
        }
        return lambda: at.send("gateway", "POST", "/integration/callbacks", 202, content=body, headers=headers)

    def apply() -> Callable[[], object]:
        page = at.send("portal", "GET", "/permohonan/baru", 200, headers=cookie).text
        found = re.search(r'name="csrf" value="([^"]+)"', page)
        business = people.draw_business(draw)
        fields = {
            "csrf": found.group(1) if found else "",
            "business_name": business.name,
            "province": business.province,
            "nik": business.nik,
            "kbli": people.draw_kbli(draw, low_risk=draw.random() > 0.3),
            "statement": "ya",
        }
        files = {"document": ("akta.pdf", people.draw_document(draw), "application/pdf")}
        return lambda: at.send("portal", "POST", "/permohonan", 303, data=fields, files=files, headers=cookie)

    def message() -> Callable[[], object]:
        value = {"project_id": 1, "body": f"Laporan lapangan {next(at.count)}"}
        return lambda: at.send("satgas", "POST", "/satgas/messages", 201, json=value, headers=member)

    asset = re.findall(r'(?:href|src)="/assets/([A-Za-z0-9._-]+)"', at.send("portal", "GET", "/", 200).text)
    return {
        "portal.home": call("portal", "GET", "/", 200),
        "portal.asset": call("portal", "GET", f"/assets/{asset[0]}", 200),
        "portal.signin": call("portal", "POST", "/masuk", 303, data=given),
        "portal.form": call("portal", "GET", "/permohonan/baru", 200, headers=cookie),
        "portal.apply": apply,
        "portal.status": call("portal", "GET", f"/permohonan/{own}", 200, headers=cookie),
        "api.signin": call("api", "POST", "/api/v1/sessions", 201, json=given),
        "api.draft": call(
            "api",
            "POST",
            "/api/v1/applications",
            201,
            json={"business_name": "PT Contoh", "province": "31"},
            headers=who,
        ),
        "api.nik": step(drafted, "/nik", 200, lambda: {"json": nik()}),
        "api.kbli": kbli,
        "api.document": step(drafted, "/documents?name=a.pdf", 201, document),
        "api.submit": step(matched, "/submit", 200, submit),
        "api.issue": issue,
        "api.status": call("api", "GET", f"/api/v1/applications/{drafted()}", 200, headers=who),
        "api.search": search,
        "api.queue": call("api", "GET", "/api/v1/officer/queue", 200, headers=staff),
        "api.decide": decide,
        "api.priority": priority,
        "gateway.callback": callback,
        "satgas.board": call("satgas", "GET", "/satgas/projects", 200, headers=member),
        "satgas.messages": call("satgas", "GET", "/satgas/messages?project=1&after=0", 200, headers=member),
        "satgas.post": message,
    }


def measure(at: Place, calls: int) -> dict[str, dict[str, float]]:
    """Endpoint → station → CPU milliseconds a call."""
    before, since = at.cpu(), time.monotonic()
    time.sleep(IDLE_S)
    idle = {name: (now - before[name]) / (time.monotonic() - since) for name, now in at.cpu().items()}
    out = {}
    for name, prepare in endpoints(at).items():
        for _ in range(WARM_UP):
            prepare()()
        ready = [prepare() for _ in range(calls)] if name != "api.decide" else []
        before, since = at.cpu(), time.monotonic()
        took = dict.fromkeys(before, 0.0)
        if ready:
            for one in ready:
                one()
            passed, after = time.monotonic() - since, at.cpu()
            took = {s: after[s] - before[s] - idle[s] * passed for s in before}
        else:  # what prepares a decision reads the queue as it is now, and cannot be done beforehand
            for _ in range(calls):
                one = prepare()
                before, since = at.cpu(), time.monotonic()
                one()
                passed, after = time.monotonic() - since, at.cpu()
                took = {s: took[s] + after[s] - before[s] - idle[s] * passed for s in before}
        out[name] = {s: max(0.0, v) / calls * 1e3 for s, v in took.items()}
    return out


def main(calls: int = CALLS) -> None:
    """Start everything, measure, print."""
    people.warm()
    with ExitStack() as stack:
        postgres = stack.enter_context(private_postgres())
        url = postgres.create("demands")
        roots, urls = {"database": postgres.pid}, dict[str, str]()
        for name in SERVICES:
            settings = {"OSS_SERVICE": name, "REGISTRY_LATENCY_MS": "1", "REGISTRY_LATENCY_SIGMA": "0"}
            settings |= {"REGISTRY_URL": urls.get("registry", ""), "GATEWAY_URL": urls.get("gateway", "")}
            settings = {k: v for k, v in settings.items() if v}
            running = stack.enter_context(running_service(url, settings))
            roots[name], urls[name] = running.pid, running.url
        clients = {n: stack.enter_context(httpx.Client(base_url=u, trust_env=False)) for n, u in urls.items()}
        for name, row in measure(Place(clients, roots), calls).items():
            shown = ", ".join(f"{station}: {ms:.2f}" for station, ms in row.items() if ms >= 0.005)
            print(f"{name:18} {shown}", flush=True)
    print(f"{calls} calls each, {os.cpu_count()} cores, {os.uname().machine}")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:2]))
