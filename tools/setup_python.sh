#!/usr/bin/env bash
# Makes .venv from requirements.lock: every package by hash, then this checkout as an editable install.
# Wheels are kept in uv's own content-addressed cache, so a second clone takes seconds.
set -euo pipefail
cd "$(dirname "$0")/.."
uv_version=0.13.9
cache="${OSS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/oss}"
bootstrap="$cache/uv-$uv_version"
if [ ! -x "$bootstrap/bin/uv" ]; then
    echo "setup: installing uv $uv_version into $bootstrap"
    rm -rf "$bootstrap.part"
    python3 -m venv "$bootstrap.part"
    "$bootstrap.part/bin/python" -m pip install --quiet --require-hashes -r tools/uv.lock
    rm -rf "$bootstrap"
    mv "$bootstrap.part" "$bootstrap"
fi
[ -x .venv/bin/python ] || "$bootstrap/bin/uv" venv --quiet --python "$(python3 -c 'import sys; print(sys.executable)')" .venv
echo "setup: installing $(grep -c '==' requirements.lock) pinned packages into .venv"
"$bootstrap/bin/uv" pip sync --quiet --require-hashes requirements.lock
"$bootstrap/bin/uv" pip install --quiet --no-deps --no-build-isolation --editable .
