#!/usr/bin/env bash
# Makes .venv from requirements.lock: every package by hash, then this checkout as an editable install.
# Wheels are kept in uv's own content-addressed cache, so a second clone takes seconds.
set -euo pipefail
cd "$(dirname "$0")/.."

lacks() { # what, remedy; the exit code of capacity.faults.Exit.MACHINE_LACKS
    printf 'setup: %s\n  remedy: %s\n' "$1" "$2" >&2
    exit 4
}

command -v python3 >/dev/null || lacks "Python is missing" "install Python 3.11 or newer (Debian 12: apt-get install python3 python3-venv)"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    lacks "this is $(python3 --version), too old" "put Python 3.11 or newer first on PATH as python3"

uv_version=$(sed -n 's/^uv==\([^ ]*\).*/\1/p' tools/uv.lock)
cache="${OSS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/oss}"
bootstrap="$cache/uv-$uv_version"
if [ ! -x "$bootstrap/bin/uv" ]; then
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        # Debian ships the venv module apart from Python.
        { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; } || lacks "python3 lacks venv" "sudo apt-get install python3-venv"
        echo "setup: installing python3-venv"
        export DEBIAN_FRONTEND=noninteractive
        ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || apt-get -qq update
        apt-get -qq install --yes --no-install-recommends python3-venv >/dev/null ||
            lacks "python3-venv could not be installed" "see that apt-get install python3-venv works"
    fi
    mkdir -p "$cache"
    exec 9>"$cache/uv.lock"
    flock 9 # another checkout may be doing the same
    if [ ! -x "$bootstrap/bin/uv" ]; then
        echo "setup: installing uv $uv_version into $bootstrap"
        rm -rf "$bootstrap" "$bootstrap.part"
        python3 -m venv "$bootstrap.part"
        "$bootstrap.part/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r tools/uv.lock
        mv "$bootstrap.part" "$bootstrap"
    fi
    exec 9>&-
fi

# A .venv whose interpreter is gone or too old is made anew.
if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    "$bootstrap/bin/uv" venv --quiet --clear --python "$(python3 -c 'import sys; print(sys.executable)')" .venv
fi
echo "setup: installing $(grep -c '^[a-z0-9].*==' requirements.lock) pinned packages into .venv"
"$bootstrap/bin/uv" pip sync --quiet --python .venv/bin/python --require-hashes requirements.lock
"$bootstrap/bin/uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
