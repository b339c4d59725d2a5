"""`oss network`: a folder for the people and devices that make the network; nothing else in it is lost."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from capacity.faults import Exit
from oss.cli import main


def test_a_national_deployment_is_written_whole_and_again_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "network"
    assert main(["network", "production", "--phase", "3", "--out", str(folder)]) == Exit.GO
    written = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for part in ("cabling.csv", "addresses.csv", "firewall.csv", "firewall/drc.nft", "names/oss.internal.zone"):
        assert part in written
    assert len([path for path in written if path.startswith("netbox/")]) == 13
    assert "cables" in capsys.readouterr().out
    (folder / "racks" / "old.svg").write_text("of an earlier run")
    assert main(["network", "--phase", "3", "--out", str(folder)]) == Exit.GO
    again = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert again == written


def test_a_later_phase_changes_no_row_of_the_cabling(tmp_path: Path) -> None:
    rows = []
    for phase in ("1", "3"):
        folder = tmp_path / phase
        assert main(["network", "production", "--phase", phase, "--out", str(folder)]) == Exit.GO
        with (folder / "cabling.csv").open() as file:
            rows.append({tuple(row.items()) for row in csv.DictReader(file)})
    assert rows[0] < rows[1]


def test_a_rack_has_no_cables_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["network", "netsample", "--out", str(tmp_path / "rack")]) == Exit.GO
    assert not (tmp_path / "rack" / "cabling.csv").exists()
    assert (tmp_path / "rack" / "addresses.csv").exists()
    assert "no racks, cables and firewalls" in capsys.readouterr().out


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    assert main(["network", "--out", str(tmp_path)]) == Exit.BAD_INPUT
    assert "holds something else" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [mine]
