"""Where a rack's own files are, and its spec as last applied."""

from __future__ import annotations

from pathlib import Path

from capacity.documents import to_json, write_text
from infra.paths import state_dir
from infra.rack.spec import RackSpec


def rack_dir(state: Path) -> Path:
    """Pid files, logs, the spec and what is delivered with each server: `<state>/rack`."""
    return state / "rack"


def spec_file(state: Path) -> Path:
    """The spec as last applied; the rack's processes read it."""
    return rack_dir(state) / "spec.json"


def read_spec(path: Path) -> RackSpec | None:
    """The spec at `path`, or None when there is none that this version can read."""
    try:
        return RackSpec.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return None


def write_spec(path: Path, spec: RackSpec) -> bool:
    """Write the spec; True when it differs from what was there."""
    if read_spec(path) == spec:
        return False
    write_text(path, to_json(spec), mode=0o600)
    return True


def state_of(rack: str) -> Path:
    """The state folder of a rack: that of the environment of the same name."""
    return state_dir(rack)
