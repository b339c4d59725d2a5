"""Ansible module: a set of files, directories and links of one host in one round trip, all or nothing.

`ansible.builtin.template` asks the host two questions a file; a role here owns a dozen small files on every host, and
the run without changes has to be short. So the controller renders them, and this module compares and writes them
together.
"""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: host_files
short_description: Write a set of files, directories and links in one round trip
description:
  - Every file is compared and checked with its validation command before anything is written.
  - A file that cannot be replaced because it is a mount point is written in place.
options:
  files:
    description: Files with their whole content.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {type: path, required: true, description: Where the file goes.}
      content: {type: str, required: true, description: The whole content.}
      mode: {type: str, default: "0644", description: Permissions, octal.}
      owner: {type: str, default: root, description: Owner.}
      group: {type: str, default: root, description: Group.}
      validate: {type: str, default: "", description: "Command that must succeed; %s is a file with the new content."}
  directories:
    description: Directories, made before the files.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {type: path, required: true, description: Where the directory goes.}
      mode: {type: str, default: "0755", description: Permissions, octal.}
      owner: {type: str, default: root, description: Owner.}
      group: {type: str, default: root, description: Group.}
  links:
    description: Symbolic links.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {type: path, required: true, description: Where the link goes.}
      target: {type: str, required: true, description: What it points to.}
  absent:
    description: Files or links that must not be there.
    type: list
    elements: path
    default: []
"""

RETURN = r"""
changed_paths:
  description: Everything that was (or in check mode would be) written, made or removed.
  type: list
  elements: str
  returned: always
"""

EXAMPLES = r"""
- name: Write the configuration of the edge
  host_files:
    files:
      - path: /etc/haproxy/haproxy.cfg
        content: "{{ lookup('ansible.builtin.template', 'haproxy.cfg.j2') }}"
        validate: haproxy -c -q -f %s
"""

_ATTRIBUTES = {
    "mode": {"type": "str"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str", "required": True},
                    "validate": {"type": "str", "default": ""},
                    **_ATTRIBUTES,
                    "mode": {"type": "str", "default": "0644"},
                },
            },
            "directories": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    **_ATTRIBUTES,
                    "mode": {"type": "str", "default": "0755"},
                },
            },
            "links": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "target": {"type": "str", "required": True},
                },
            },
            "absent": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    changed: list[str] = []
    diffs: list[dict[str, str]] = []
    wanted = [entry for entry in module.params["files"] if _differs(entry)]
    for entry in wanted:
        if entry["validate"] and not module.check_mode:
            _validate(module, entry)
    changed += [entry["path"] for entry in module.params["directories"] if _ensure_directory(module, entry)]
    for entry in module.params["files"]:
        rewritten = entry in wanted
        if rewritten:
            diffs.append(_diff(entry))
            if not module.check_mode:
                _write(module, entry)
        if _attributes(module, entry) or rewritten:
            changed.append(entry["path"])
    changed += [entry["path"] for entry in module.params["links"] if _ensure_link(module, entry)]
    for path in module.params["absent"]:
        if os.path.lexists(path):
            changed.append(path)
            if not module.check_mode:
                os.unlink(path)
    module.exit_json(changed=bool(changed), changed_paths=changed, diff=diffs)


def _differs(entry: dict[str, Any]) -> bool:
    try:
        with open(entry["path"], "rb") as handle:
            return bool(handle.read() != entry["content"].encode())
    except FileNotFoundError:
        return True


def _diff(entry: dict[str, Any]) -> dict[str, str]:
    try:
        with open(entry["path"], encoding="utf-8", errors="replace") as handle:
            before = handle.read()
    except FileNotFoundError:
        before = ""
    return {"before": before, "after": entry["content"], "before_header": entry["path"], "after_header": entry["path"]}


def _validate(module: AnsibleModule, entry: dict[str, Any]) -> None:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=os.path.basename(entry["path"])) as handle:
        handle.write(entry["content"])
        handle.flush()
        command = [word.replace("%s", handle.name) for word in entry["validate"].split()]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip()
        module.fail_json(
            msg=f"{entry['path']}: the new content was refused by {command[0]}: {words}; nothing was written"
        )


def _write(module: AnsibleModule, entry: dict[str, Any]) -> None:
    path, content = entry["path"], entry["content"].encode()
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        module.fail_json(msg=f"{path}: the directory {folder} is missing")
    # mkstemp makes the file 0600: nobody reads a key between its writing and its mode.
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=f".{os.path.basename(path)}.")
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(temporary, int(entry["mode"], 8))
        os.chown(temporary, _uid(module, entry["owner"]), _gid(module, entry["group"]))
        try:
            os.replace(temporary, path)
        except OSError:
            # A mount point (a container's /etc/hosts) cannot be replaced, but it can be written.
            if not os.path.ismount(path):
                raise
            with open(path, "wb") as mounted:
                mounted.write(content)
            os.unlink(temporary)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def _ensure_directory(module: AnsibleModule, entry: dict[str, Any]) -> bool:
    made = not os.path.isdir(entry["path"])
    if made and not module.check_mode:
        os.makedirs(entry["path"], mode=0o700)
    return _attributes(module, entry) or made


def _ensure_link(module: AnsibleModule, entry: dict[str, Any]) -> bool:
    path, target = entry["path"], entry["target"]
    if os.path.islink(path) and os.readlink(path) == target:
        return False
    if not module.check_mode:
        temporary = f"{path}.new"
        if os.path.lexists(temporary):
            os.unlink(temporary)
        os.symlink(target, temporary)
        os.replace(temporary, path)
    return True


def _attributes(module: AnsibleModule, entry: dict[str, Any]) -> bool:
    """Mode and owner; True when something was (or would be) changed."""
    try:
        now = os.stat(entry["path"])
    except FileNotFoundError:
        return True  # check mode: it would be made
    mode, uid, gid = int(entry["mode"], 8), _uid(module, entry["owner"]), _gid(module, entry["group"])
    if (now.st_mode & 0o7777, now.st_uid, now.st_gid) == (mode, uid, gid):
        return False
    if not module.check_mode:
        os.chown(entry["path"], uid, gid)
        os.chmod(entry["path"], mode)
    return True


def _uid(module: AnsibleModule, name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        if module.check_mode:
            return -1
        module.fail_json(msg=f"there is no user {name} on this host")
        raise


def _gid(module: AnsibleModule, name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        if module.check_mode:
            return -1
        module.fail_json(msg=f"there is no group {name} on this host")
        raise


if __name__ == "__main__":
    main()
