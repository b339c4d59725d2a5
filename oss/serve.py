"""Show the report as a local web page on which the plan can be changed: what would it cost, and what would bind?

Move a province, a start date, the launch surge, service levels, spare servers, lease terms or prices; the page computes
again with the planner's own model, shows the difference to the plan, and exports the changed plan and its report.
It listens on 127.0.0.1 only, needs no account, asks nothing of the network, and changes no file.

  oss serve                  the national plan at http://127.0.0.1:8018/
  oss serve --port 0         at any free port
  oss serve PLAN --open      another plan, and open the browser
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import socket
import webbrowser

import uvicorn

from capacity.faults import BadInput, Exit, Fault, MachineLacks
from capacity.launch import plan_path
from capacity.report.sources import read_sources
from capacity.whatif.session import WhatIf
from oss.console import out, progress
from oss.serving.app import make_app

ADDRESS = "127.0.0.1"
PORT = 8018
GRACE_SECONDS = 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `oss serve`."""
    parser.add_argument("plan", nargs="?", help="the launch plan (default: capacity/plans/national.yaml)")
    parser.add_argument("--port", type=int, default=PORT, help=f"port on 127.0.0.1; 0: any free one (default: {PORT})")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted. Exit codes: 0 ended by Ctrl-C, 2 bad or stale plan, 4 the port is not to be had."""
    if not 0 <= args.port <= 65535:
        raise BadInput([Fault("--port", "", str(args.port), "is no port", "Use 0 to 65535; 0 takes any free one.")])
    with progress("serve") as shows:
        shows.update("reading the plan and its lock")
        path = plan_path(args.plan)
        session, sources = WhatIf(path), read_sources(path)
        with _listener(args.port) as listener:
            port = int(listener.getsockname()[1])
            app = make_app(session, sources, port)
            try:
                session.prepare(shows)
                shows.close()
                where = f"http://{ADDRESS}:{port}/"
                out.print(f"{where}  (Ctrl-C ends)", markup=False)
                if args.open:
                    webbrowser.open(where)
                config = uvicorn.Config(
                    app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=GRACE_SECONDS
                )
                # uvicorn ends its streams, then raises the signal again
                with contextlib.suppress(KeyboardInterrupt):
                    uvicorn.Server(config).run(sockets=[listener])
            except KeyboardInterrupt:
                pass
            finally:
                app.state.close()
    out.print("ended", markup=False)
    return Exit.GO


def _listener(port: int) -> socket.socket:
    """A socket on the loopback address. Raises MachineLacks when the port is taken or not allowed."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ADDRESS, port))
        listener.listen(64)
    except OSError as error:
        listener.close()
        why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise MachineLacks(f"port {port} of {ADDRESS} {why}", "Use --port 0 for any free port, or another.") from None
    return listener
