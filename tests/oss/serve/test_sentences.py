"""What is wrong is said in Indonesian on the Indonesian page: at fields, and when no plan exists."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from capacity.faults import BadInput, Infeasible
from capacity.report.language import language
from capacity.whatif.session import WhatIf
from oss.serving.pages import Pages
from oss.serving.sentences import Sentences

WRONG: dict[str, Mapping[str, str | list[str]]] = {
    "tumpang tindih": {"phases[1].start": "2018-08-01"},
    "tanggal": {"phases[1].start": "soon"},
    "bilangan bulat": {"roles[2].redundancy": "two"},
    "tanpa pecahan": {"roles[2].redundancy": "1,5"},
    "paling sedikit 0": {"roles[2].redundancy": "-1"},
    "kuantil harus menaik": {"demand.surge.half_life_days.p50": "9999"},
    "sedikitnya 1": {"leasing.terms_months": []},
    "berapa pun server": {"endpoints[0].slo_p95_ms": "0,1"},
    "tidak ada": {"province.ID-JB": "9"},
    "kurang dari 1": {"design.quantile": "100"},
    "bukan perubahan harga": {"prices.rise": "-95"},
    "halaman ini": {"seed": "1"},
    "di luar jangka": {"phases[2].start": "2031-01-01"},
}


@pytest.mark.parametrize("words", WRONG)
def test_a_fault_is_said_in_the_language_of_the_page(client: TestClient, words: str) -> None:
    said = _faults(client, WRONG[words], "id")
    assert {f["lang"] for f in said} == {"id"}, said
    assert words in " ".join(f["text"] for f in said).lower()
    assert {f["lang"] for f in _faults(client, WRONG[words], "en")} == {"en"}


def _faults(client: TestClient, given: Mapping[str, Any], lang: str) -> list[dict[str, str]]:
    answer = client.post("/what-if", json={"page": "p", "lang": lang, "changes": dict(given)})
    assert answer.status_code == 422, answer.text
    faults: list[dict[str, str]] = answer.json()["faults"]
    return faults


def test_a_plan_that_cannot_be_is_refused_in_the_language_of_the_page(session: WhatIf) -> None:
    words = Sentences(language("id"))
    refused = Infeasible(
        "role worker at site primary is needed from 2018-07-01, but the first offer to arrive (S1 of V, lead time "
        "45 days) can start on 2018-09-01; fiscal year 2018 needs at least Rp 1.000.000 (proven), its ceiling is "
        "Rp 900.000",
        "Order by 2018-05-17 (30 days before the earliest order date), move the need by 2 month(s), or find a vendor "
        "with a lead time of at most 14 days. Raise the ceiling of 2018 by Rp 100.000: with that a plan is known.",
    )
    message, remedy = words.translated(refused.message), words.translated(refused.remedy)
    assert message is not None
    assert remedy is not None
    assert "dibutuhkan mulai 1 Juli 2018" in message
    assert "pagunya Rp 900.000" in message
    assert remedy.startswith("Pesan paling lambat 17 Mei 2018")
    assert remedy.endswith("sudah ada rencana.")
    assert Pages(session, "id").sentences("nobody knows this", "Do.")[2] == "en"


def test_numbers_are_written_as_the_language_does() -> None:
    said = Sentences(language("id")).translated("the p99 SLO 1,250.5 ms is below the p95 SLO 2,000 ms")
    assert said == "SLO p99 1.250,5 ms di bawah SLO p95 2.000 ms"


def test_a_pair_that_names_different_things_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "pairs.yaml"
    file.write_text('- {en: "a {x} b", id: "a {y} b"}\n', encoding="utf-8")
    with pytest.raises(BadInput, match="names what the English sentence does not"):
        Sentences(language("id"), file)
