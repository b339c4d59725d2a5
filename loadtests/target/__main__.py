"""Run the permit service: `python -m loadtests.target`, configured by its environment (see `settings.py`).

`python -m loadtests.target --service all` runs portal, api, gateway, satgas and the registry stand-in in one
process on loopback, for development; it needs DATABASE_URL and OSS_SECRET.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import uvicorn

from loadtests.target.settings import SERVICES, SettingsError, from_environment


def main() -> int:
    """Serve until SIGTERM or SIGINT; then finish what is in flight."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.target", description=__doc__.splitlines()[0])
    parser.add_argument("--service", choices=(*SERVICES, "all"), help="overrides OSS_SERVICE")
    parser.add_argument("--host", help="overrides OSS_HOST")
    parser.add_argument("--port", type=int, help="overrides OSS_PORT")
    args = parser.parse_args()
    for name, value in (("OSS_SERVICE", args.service), ("OSS_HOST", args.host), ("OSS_PORT", args.port)):
        if value is not None:
            os.environ[name] = str(value)
    if args.service == "all" and args.port:
        # In one process the gateway and the registry are at the same address as everything else.
        here = f"{'https' if os.environ.get('OSS_TLS_CERT') else 'http'}://127.0.0.1:{args.port}"
        os.environ.setdefault("GATEWAY_URL", here)
        os.environ.setdefault("REGISTRY_URL", here)
    try:
        settings = from_environment(os.environ)
    except SettingsError as error:
        print(f"settings:\n{error}", file=sys.stderr)
        return 2
    if settings.processes > 1:
        # Counters of all processes in shared memory: a pod's file system is read-only but for this.
        shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="oss-metrics-", dir=shared)
    uvicorn.run(
        "loadtests.target.app:create",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.processes if settings.processes > 1 else None,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ssl_certfile=settings.tls_cert or None,
        ssl_keyfile=settings.tls_key or None,
        timeout_graceful_shutdown=20,
        timeout_keep_alive=65,
        backlog=2048,
    )
    if shared_dir := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        for path in Path(shared_dir).glob("*.db"):
            path.unlink(missing_ok=True)
        Path(shared_dir).rmdir()
    return 0


if __name__ == "__main__":
    sys.exit(main())
