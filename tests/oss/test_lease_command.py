"""`oss lease`: decisions are written for review, once, and the ledger shows them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from capacity.faults import Exit
from infra.engine.leases import Leases
from infra.engine.rollout import Rollout
from oss import lease
from oss.cli import main
from tests.infra import plans

LINE = "primary-worker-2018-06"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of its own with a plan on disk; the file that its decisions go to."""
    monkeypatch.setenv("OSS_STATE", str(tmp_path / "state"))
    source = plans.write(tmp_path, plans.plan(sites=("primary", "drc")))
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.trial.fleet.yaml").write_text(f"config:\n  oss:plan: {source}\n")
    rollout = Rollout
    monkeypatch.setattr(lease, "Rollout", lambda environment: rollout(environment, tmp_path))
    monkeypatch.setattr(lease, "Leases", lambda made: Leases(made, tmp_path))
    return tmp_path / "stacks" / "Ledger.trial.yaml"


def ledger(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, str]]:
    capsys.readouterr()
    assert main(["lease", "list", "trial", "--all", "--format", "json"]) == Exit.GO
    return {row["server"]: row for row in json.loads(capsys.readouterr().out)}


def decide(*words: str) -> int:
    return main(["lease", *words, "--write-only", "--by", "Siti Rahma"])


def test_the_same_twice_is_written_once(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ("renew", "trial", LINE, "--months", "12"),
        ("sign", "trial", LINE, "--contract", "K-17/2018"),
        ("move", "trial", "primary-worker-02", "--site", "drc"),
        ("replace", "trial", "primary-worker-01"),
        ("return", "trial", "primary-edge-01"),
    ):
        assert decide(*words) == Exit.GO
        text = file.read_text()
        assert decide(*words) == Exit.GO
        assert file.read_text() == text
    rows = ledger(capsys)
    assert (rows["primary-worker-01"]["end"], rows["primary-worker-01"]["state"]) == ("2021-06-01", "ordered")
    assert (rows["drc-worker-03"]["contract"], rows["drc-worker-03"]["line"]) == ("K-17/2018", LINE)
    assert not {"primary-worker-02", "primary-edge-01"} & set(rows)


@pytest.mark.parametrize("words", [("list",), ("return", LINE), ("renew", LINE, "--months", "12")])
def test_an_environment_that_nobody_knows_is_refused(
    file: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    action, *rest = words
    assert main(["lease", action, "trail", *rest]) == Exit.BAD_INPUT
    told = capsys.readouterr().err
    assert "trail" in told
    assert "Described are: trial" in told
    assert not list(file.parent.glob("Ledger.*"))


@pytest.mark.parametrize(
    "words",
    [
        ("renew", "trial", "nobody", "--months", "12"),
        ("renew", "trial", LINE, "--until", "2021-06-02"),
        ("replace", "trial", "nobody"),
        ("return", "trial", "nobody"),
        ("move", "trial", "primary-worker-01", "--site", "nowhere"),
    ],
)
def test_what_the_plan_does_not_bear_is_refused(file: Path, words: tuple[str, ...]) -> None:
    assert decide(*words) == Exit.BAD_INPUT
    assert not file.exists()
