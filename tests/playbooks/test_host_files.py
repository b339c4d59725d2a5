"""The module `host_files`, as Ansible runs it: parameters in, one JSON document out."""

from __future__ import annotations

import grp
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

from capacity.documents import REPOSITORY

MODULE = REPOSITORY / "playbooks" / "library" / "host_files.py"
OWNER = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}
RUN = """
import runpy, sys
from ansible.module_utils.testing import patch_module_args
import json
with patch_module_args(json.loads(sys.argv[1])):
    runpy.run_path(sys.argv[2], run_name="__main__")
"""


def run(check: bool = False, **parameters: Any) -> dict[str, Any]:
    arguments = json.dumps({**parameters, "_ansible_check_mode": check})
    done = subprocess.run(
        [sys.executable, "-c", RUN, arguments, str(MODULE)], capture_output=True, text=True, check=False, timeout=60
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def file(path: Path, content: str, **more: str) -> dict[str, str]:
    return {"path": str(path), "content": content, **OWNER, **more}


def test_it_writes_once_and_then_leaves_everything_alone(tmp_path: Path) -> None:
    wanted: dict[str, Any] = {
        "directories": [{"path": str(tmp_path / "d"), "mode": "0700", **OWNER}],
        "files": [file(tmp_path / "d/key", "secret", mode="0400"), file(tmp_path / "d/plain", "text")],
        "links": [{"path": str(tmp_path / "d/link"), "target": "plain"}],
        "absent": [str(tmp_path / "d/old")],
    }
    first = run(**wanted)
    times = {p: p.stat().st_ctime_ns for p in (tmp_path / "d").iterdir()}
    second = run(**wanted)
    assert first["changed_paths"] == [str(tmp_path / name) for name in ("d", "d/key", "d/plain", "d/link")]
    assert (second["changed"], second["changed_paths"]) == (False, [])
    assert {p: p.stat().st_ctime_ns for p in (tmp_path / "d").iterdir()} == times
    assert (tmp_path / "d/key").stat().st_mode & 0o777 == 0o400
    assert (tmp_path / "d/link").read_text() == "text"


def test_only_what_differs_is_written_and_wrong_modes_are_mended(tmp_path: Path) -> None:
    run(files=[file(tmp_path / "a", "1"), file(tmp_path / "b", "1"), file(tmp_path / "c", "1")])
    (tmp_path / "b").write_text("other")
    (tmp_path / "c").chmod(0o666)
    done = run(files=[file(tmp_path / "a", "1"), file(tmp_path / "b", "1"), file(tmp_path / "c", "1")])
    assert done["changed_paths"] == [str(tmp_path / "b"), str(tmp_path / "c")]
    assert (tmp_path / "c").stat().st_mode & 0o777 == 0o644


def test_a_refused_content_stops_before_anything_is_written(tmp_path: Path) -> None:
    done = run(files=[file(tmp_path / "good", "1"), file(tmp_path / "bad", "2", validate="grep -q never %s")])
    assert done["failed"]
    assert "refused by grep" in done["msg"]
    assert list(tmp_path.iterdir()) == []


def test_check_mode_says_the_same_and_touches_nothing(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("")
    wanted: dict[str, Any] = {
        "directories": [{"path": str(tmp_path / "d"), **OWNER}],
        "files": [file(tmp_path / "d/new", "1", owner="nobody-here", group="nobody-here")],
        "absent": [str(tmp_path / "old")],
    }
    done = run(check=True, **wanted)
    assert done["changed_paths"] == [str(tmp_path / name) for name in ("d", "d/new", "old")]
    assert [p.name for p in tmp_path.iterdir()] == ["old"]


def test_a_missing_owner_or_folder_is_said_in_plain_words(tmp_path: Path) -> None:
    no_owner = run(files=[file(tmp_path / "a", "1", owner="nobody-here")])
    no_folder = run(files=[file(tmp_path / "missing/a", "1")])
    assert "there is no user nobody-here" in no_owner["msg"]
    assert "missing is missing" in no_folder["msg"]
    assert list(tmp_path.iterdir()) == []
