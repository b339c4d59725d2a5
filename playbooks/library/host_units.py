"""Ansible module: systemd units of one host, running and of the files as they are now.

A handler forgets: a run that is interrupted between writing a file and restarting its unit never restarts it. This
module compares instead. A unit that took up its files before they were last changed is restarted (or reloaded), whoever
changed them and whenever. A unit that does not start is reported with the last lines of its log.
"""

from __future__ import annotations

import datetime as dt
import glob
import os
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: host_units
short_description: See that units run, are enabled, and have taken up their files
options:
  units:
    description: The units, in the order in which they are to be started.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {type: str, required: true, description: "Name of the unit; C(.service) may be left out."}
      files: {type: list, elements: str, default: [], description: Files that it reads, or patterns.}
      action:
        type: str
        choices: [restart, reload]
        default: restart
        description: How it takes up changed files.
      enabled: {type: bool, default: true, description: Whether it starts at boot.}
"""

RETURN = r"""
changes:
  description: What was (or in check mode would be) done to which unit.
  type: list
  elements: str
  returned: always
"""

EXAMPLES = r"""
- name: Run the edge
  host_units:
    units:
      - name: haproxy
        files: [/etc/haproxy/*.cfg, /etc/haproxy/tls/*]
        action: reload
"""

_PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "ActiveEnterTimestamp",
    "UnitFileState",
    "NeedDaemonReload",
    "InactiveExitTimestamp",
    "StateChangeTimestamp",
    "FragmentPath",
    "DropInPaths",
)
_LOG_LINES = "8"
_SETTLED_S = 1.0
_SETTLE_TIMEOUT_S = 120.0
_POLL_S = 0.1


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "units": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "files": {"type": "list", "elements": "str", "default": []},
                    "action": {"type": "str", "choices": ["restart", "reload"], "default": "restart"},
                    "enabled": {"type": "bool", "default": True},
                },
            }
        },
        supports_check_mode=True,
    )
    changes: list[str] = []
    restarted: list[str] = []
    for unit in module.params["units"]:
        name = unit["name"] = unit["name"] if "." in unit["name"] else f"{unit['name']}.service"
        state = _state(module, name)
        if state["NeedDaemonReload"] == "yes" and not module.check_mode:
            _systemctl(module, "daemon-reload")
        if unit["enabled"] and state["UnitFileState"] in ("disabled", ""):
            changes.append(f"enable {name}")
            if not module.check_mode:
                _systemctl(module, "enable", "--quiet", name)
        if action := _needed(unit, state):
            changes.append(f"{action} {name}")
            if not module.check_mode:
                _do(module, action, name)
                if action == "restart":
                    restarted.append(name)
    for name in restarted:
        _settle(module, name)
    module.exit_json(changed=bool(changes), changes=changes)


def _needed(unit: dict[str, Any], state: dict[str, str]) -> str:
    """`restart`, `reload`, or nothing."""
    if state["ActiveState"] not in ("active", "reloading"):
        return "restart"  # which starts it; also where it failed, or waits for its next try
    if unit["action"] == "reload":
        # There is no time of the last reload, but going through the state `reloading` counts as a change of state.
        return "reload" if _newest(unit["files"]) > _seconds(state["StateChangeTimestamp"]) else ""
    own = [state["FragmentPath"], *state["DropInPaths"].split()]
    return "restart" if _newest([*unit["files"], *own]) > _seconds(state["InactiveExitTimestamp"]) else ""


def _newest(patterns: list[str]) -> float:
    """When the files, or the folders that match, were last changed in content, mode or name."""
    paths = [path for pattern in patterns for path in glob.glob(pattern)]
    return max((os.lstat(path).st_ctime for path in paths), default=0.0)


def _seconds(stamp: str) -> float:
    """`Tue 2018-05-01 09:00:00.123456 UTC` → seconds since 1970; 0 for a unit that never was in that state."""
    words = stamp.split()
    if len(words) < 4:
        return 0.0
    return dt.datetime.fromisoformat(f"{words[1]}T{words[2]}+00:00").timestamp()


def _state(module: AnsibleModule, name: str) -> dict[str, str]:
    shown = _systemctl(module, "show", "--timestamp=us+utc", f"--property={','.join(_PROPERTIES)}", name)
    state = dict.fromkeys(_PROPERTIES, "") | dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    if state["LoadState"] == "not-found" and not module.check_mode:
        module.fail_json(msg=f"there is no unit {name} on this host")
    return state


def _do(module: AnsibleModule, action: str, name: str) -> None:
    if action == "restart":
        # A unit that failed too often in a row is given another chance.
        module.run_command(["systemctl", "reset-failed", name])
    code, _, error = module.run_command(["systemctl", action, name])
    if code != 0:
        _fail(module, name, f"{name} did not {action}", error)


def _settle(module: AnsibleModule, name: str) -> None:
    """Wait until a unit has been up for a moment: a service that ends at once would count as started."""
    deadline = time.monotonic() + _SETTLE_TIMEOUT_S
    while True:
        state = _state(module, name)
        if state["ActiveState"] in ("active", "reloading"):
            if time.time() - _seconds(state["ActiveEnterTimestamp"]) >= _SETTLED_S:
                return
        elif state["ActiveState"] == "failed" or state["SubState"] == "auto-restart":
            _fail(module, name, f"{name} ended right after its start", "")
        if time.monotonic() > deadline:
            _fail(module, name, f"{name} is {state['ActiveState']} ({state['SubState']})", "")
        time.sleep(_POLL_S)


def _fail(module: AnsibleModule, name: str, problem: str, otherwise: str) -> None:
    _, log, _ = module.run_command(
        ["journalctl", "--unit", name, "--lines", _LOG_LINES, "--no-pager", "--output", "cat"]
    )
    module.fail_json(msg=f"{problem}: {log.strip() or otherwise.strip() or 'it left no log'}")


def _systemctl(module: AnsibleModule, *arguments: str) -> str:
    _, output, _ = module.run_command(["systemctl", *arguments], check_rc=True)
    return str(output)


if __name__ == "__main__":
    main()
