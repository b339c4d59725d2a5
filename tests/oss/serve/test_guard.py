"""What the page refuses: other names for the loopback address, other origins, other methods, too much."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

QUESTION = {"page": "p", "lang": "id", "changes": {"seed": "1"}}


@pytest.mark.parametrize("host", ["evil.example:8018", "127.0.0.1", "127.0.0.1:80", "localhost.evil.example:8018", ""])
def test_another_name_is_refused(client: TestClient, host: str) -> None:
    answer = client.get("/", headers={"host": host})
    assert answer.status_code == 421
    assert "province" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:8018", "localhost:8018"])
def test_the_loopback_address_is_answered(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:8018"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_a_question_of_another_page_is_refused(client: TestClient, headers: dict[str, str], status: int) -> None:
    assert client.post("/what-if", json=QUESTION, headers=headers).status_code == status


def test_a_question_without_origin_is_refused(client: TestClient) -> None:
    request = client.build_request("POST", "/what-if", json=QUESTION)
    del request.headers["origin"]
    assert client.send(request).status_code == 403


def test_other_methods_and_long_bodies_are_refused(client: TestClient) -> None:
    assert client.put("/what-if", json=QUESTION).status_code == 405
    assert client.options("/what-if").status_code == 405
    long = {"page": "p", "lang": "id", "changes": {"x": "y" * 70_000}}
    assert client.post("/what-if", json=long).status_code == 413
    assert client.post("/what-if", content=(b"{}" for _ in range(1)), headers=JSON).status_code == 411


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"page":1,"lang":"id","changes":{}}', b'{"page":"a","lang":"id","changes":{"x":1}}']
)
def test_what_the_page_would_never_ask_is_refused(client: TestClient, body: bytes) -> None:
    assert client.post("/what-if", content=body, headers=JSON).status_code == 400


@pytest.mark.parametrize("path", ["/", "/static/page.js", "/nothing", "/report/x/id.html"])
def test_every_answer_keeps_to_itself(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers
