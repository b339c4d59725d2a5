"""`oss serve` as a command: starts, says where, ends by Ctrl-C; a broken plan or a taken port ends it at once."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest

from capacity.faults import Exit
from capacity.leaseplan import lock_path
from oss.cli import main
from tests.oss.serve.server import Server


def test_it_serves_on_loopback_and_ends_by_interrupt(plan: Path) -> None:
    with Server(plan) as server:
        assert server.address.startswith("http://127.0.0.1:")
        assert "oss" in httpx.get(server.address, trust_env=False).text.lower()
        port = int(server.address.rsplit(":", 1)[1].strip("/"))
        listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        assert f"0100007F:{port:04X}" in listening
        assert f"00000000:{port:04X}" not in listening
    assert server.code == Exit.GO
    assert "Traceback" not in server.said


def test_a_taken_port_is_refused_with_the_remedy(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["serve", str(plan), "--port", str(taken.getsockname()[1])]) == Exit.MACHINE_LACKS
    said = capsys.readouterr().err
    assert "is taken" in said
    assert "--port 0" in said


def test_no_such_port(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", str(plan), "--port", "70000"]) == Exit.BAD_INPUT
    assert "Use 0 to 65535" in capsys.readouterr().err


def test_a_broken_or_stale_plan_ends_it(plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", str(tmp_path / "none.yaml")]) == Exit.BAD_INPUT
    text, lock = plan.read_text(encoding="utf-8"), lock_path(plan)
    broken = plan.with_name("broken.yaml")
    broken.write_text(text.replace("seed:", "seeed:"), encoding="utf-8")
    assert main(["serve", str(broken)]) == Exit.BAD_INPUT
    assert "seeed" in capsys.readouterr().err
    stale = plan.with_name("stale.yaml")
    stale.write_text(text + "# changed\n", encoding="utf-8")
    lock_path(stale).write_text(lock.read_text(encoding="utf-8").replace("national.yaml", "stale.yaml"))
    assert main(["serve", str(stale)]) == Exit.BAD_INPUT
    assert "has changed since the plan was made" in capsys.readouterr().err
