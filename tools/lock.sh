#!/usr/bin/env bash
# Writes requirements.lock from pyproject.toml: every package by version and hash, for the oldest Python we support.
# Without index addresses, so that the lock says what to install and not from where.
set -euo pipefail
cd "$(dirname "$0")/.."
uv="${OSS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/oss}/uv-$(sed -n 's/^uv==\([^ ]*\).*/\1/p' tools/uv.lock)/bin/uv"
"$uv" pip compile --quiet --python-version 3.11 --all-extras --generate-hashes --no-emit-index-url --no-header "$@" \
    -o requirements.lock pyproject.toml
echo "lock: $(grep -c '^[a-z0-9].*==' requirements.lock) packages"
# The editable install of this checkout builds without isolation, hence without fetching anything.
grep -q '^setuptools==' requirements.lock || { echo "lock: setuptools is not in the lock" >&2; exit 1; }
