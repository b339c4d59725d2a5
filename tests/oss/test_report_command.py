"""`oss report`: writes whole or not at all, names what is wrong, and says what changed between two plans."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import capacity.report.language as languages
from capacity.documents import REPOSITORY, sha256, to_yaml, write_text
from capacity.faults import Exit
from capacity.leaseplan import LeasePlan, load_lease_plan
from oss.cli import main
from tests.capacity.nation import copy_of_plan

LOCK = REPOSITORY / "capacity" / "plans" / "national.lock.yaml"


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A copy of the national plan with a lease plan that matches it."""
    path = copy_of_plan(tmp_path)
    _relock(path)
    return path


def _relock(plan: Path, **changes: Any) -> LeasePlan:
    lock = plan.with_name("national.lock.yaml")
    leased = load_lease_plan(LOCK, verify=False)
    hashes = {name: sha256(plan.parent / name) for name in leased.inputs if (plan.parent / name).exists()}
    leased = leased.model_copy(update={"inputs": hashes, **changes})
    write_text(lock, to_yaml(leased))
    return leased


def _report(plan: Path, out: Path, *more: str) -> int:
    return main(["report", str(plan), "--out", str(out), *more])


def _files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()} if folder.exists() else {}


def test_all_formats_are_written_and_named(plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "folder"
    assert _report(plan, out, "--lang", "en") == Exit.GO
    stem = "laporan-kebutuhan-sewa-national-en"
    files = _files(out)
    assert set(files) == {f"{stem}.{kind}" for kind in ("html", "pdf", "xlsx")}
    assert [files[f"{stem}.{kind}"][:4] for kind in ("pdf", "xlsx")] == [b"%PDF", b"PK\x03\x04"]
    assert capsys.readouterr().out.count("written:") == 3


def test_an_input_that_moved_on_stops_the_report(
    plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert _report(plan, out, "--format", "xlsx") == Exit.GO
    before = _files(out)
    prices = plan.parent.parent / "data" / "prices.csv"
    prices.write_text(prices.read_text(encoding="utf-8").replace("2850000", "2860000"), encoding="utf-8")
    assert _report(plan, out, "--format", "xlsx") == Exit.BAD_INPUT
    complaint = capsys.readouterr().err
    assert "prices.csv" in complaint
    assert "has changed since the plan was made" in complaint
    assert "oss plan" in complaint
    assert _files(out) == before


def test_a_broken_price_file_is_named_by_row(plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prices = plan.parent.parent / "data" / "prices.csv"
    prices.write_text(prices.read_text(encoding="utf-8").replace("2850000", "murah", 1), encoding="utf-8")
    assert _report(plan, tmp_path / "out") == Exit.BAD_INPUT
    complaint = capsys.readouterr().err
    assert "prices.csv" in complaint
    assert "monthly_rent" in complaint
    assert "murah" in complaint
    assert not (tmp_path / "out").exists()


def test_a_missing_translation_stops_the_report(
    plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = tmp_path / "catalogue.yaml"
    lacking.write_text(
        languages.CATALOGUE.read_text(encoding="utf-8").replace(", en: Lease requirement report}", "}"),
        encoding="utf-8",
    )
    read = languages.load_catalogue
    monkeypatch.setattr(languages, "load_catalogue", lambda: read(lacking))
    assert _report(plan, tmp_path / "out") == Exit.BAD_INPUT
    complaint = capsys.readouterr().err
    assert "report.title" in complaint
    assert "'en'" in complaint
    assert not (tmp_path / "out").exists()


def test_a_plan_text_without_indonesian_is_shown_in_english_and_said(
    plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *rest = load_lease_plan(LOCK, verify=False).assumptions
    _relock(plan, assumptions=(first.model_copy(update={"source": "a survey of last week"}), *rest))
    assert _report(plan, tmp_path / "out", "--format", "xlsx") == Exit.GO
    assert "'a survey of last week'" in capsys.readouterr().err


def test_nothing_is_half_written_where_one_file_cannot_be(
    plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (out / "laporan-kebutuhan-sewa-national-id.xlsx").mkdir(parents=True)
    assert _report(plan, out, "--format", "xlsx") == Exit.BAD_INPUT
    assert "--out" in capsys.readouterr().err
    assert _files(out) == {}
    (tmp_path / "file").write_text("", encoding="utf-8")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/report")):
        assert _report(plan, folder, "--format", "xlsx") == Exit.BAD_INPUT
        assert "Name a folder" in capsys.readouterr().err


def test_without_a_font_there_is_no_pdf_but_the_rest(
    plan: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "fonts.conf"
    bare.write_text(f"<fontconfig><dir>{tmp_path / 'none'}</dir><cachedir>{tmp_path}</cachedir></fontconfig>")
    monkeypatch.setenv("FONTCONFIG_FILE", str(bare))
    assert _report(plan, tmp_path / "out", "--format", "pdf") == Exit.MACHINE_LACKS
    assert "fonts-dejavu-core" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_compare_says_what_changed_and_why(plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = tmp_path / "old.lock.yaml"
    shutil.copy(plan.with_name("national.lock.yaml"), old)
    assert main(["report", str(plan), "--compare", str(old)]) == Exit.GO
    assert "Tidak ada perubahan" in capsys.readouterr().out
    prices = plan.parent.parent / "data" / "prices.csv"
    prices.write_text(prices.read_text(encoding="utf-8").replace("2850000", "2950000"), encoding="utf-8")
    leases = load_lease_plan(LOCK, verify=False).leases
    dearer = leases[0].model_copy(update={"monthly_rent_idr": leases[0].monthly_rent_idr + 100_000})
    _relock(plan, leases=(dearer, *leases[1:]))
    assert main(["report", str(plan), "--compare", str(old)]) == Exit.GO
    shown = " ".join(capsys.readouterr().out.split())
    assert "../data/prices.csv: daftar harga server" in shown
    assert "Harga dalam daftar harga berubah" in shown
    assert main(["report", str(plan), "--compare", str(tmp_path / "none.lock.yaml")]) == Exit.BAD_INPUT
    assert "none.lock.yaml" in capsys.readouterr().err
