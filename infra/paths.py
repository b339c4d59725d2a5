"""Where things are kept: a content-addressed cache for all checkouts, and one state folder an environment."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """Built and downloaded things, named by content hash: `$OSS_CACHE`, `$XDG_CACHE_HOME/oss` or `~/.cache/oss`."""
    return _home("OSS_CACHE", "XDG_CACHE_HOME", ".cache")


def state_dir(environment: str) -> Path:
    """What an environment (`local`, `production`, a test rack's name) keeps between runs; made with mode 0700."""
    path = _home("OSS_STATE", "XDG_STATE_HOME", ".local/state") / environment
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def _home(own: str, base: str, default: str) -> Path:
    if named := os.environ.get(own):
        return Path(named).absolute()
    return Path(os.environ.get(base) or Path.home() / default).absolute() / "oss"
