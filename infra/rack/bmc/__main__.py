"""The controllers' process: Redfish over TLS on the rack's loopback address, for one rack.

    python -m infra.rack.bmc --spec FILE --state DIR [--paper] --rack NAME

SIGHUP reads the spec again; SIGTERM ends. With --paper no server is touched: power is only written down, and
faults can be injected (see `faults`).
"""

from gevent import monkey

monkey.patch_all()

import argparse  # noqa: E402
import contextlib  # noqa: E402
import logging  # noqa: E402
import resource  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import ssl  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
from gevent import pywsgi  # noqa: E402

from infra.rack.bmc.app import BasicAuth, Systems, install  # noqa: E402
from infra.rack.bmc.faults import Faults  # noqa: E402
from infra.rack.bmc.inventory import hardware_of  # noqa: E402
from infra.rack.bmc.power import ContainerPower, PaperPower, Power  # noqa: E402
from infra.rack.bmc.store import Store  # noqa: E402
from infra.rack.keys import bmc_access  # noqa: E402
from infra.rack.spec import BMC_PORT, RackSpec  # noqa: E402
from infra.rack.state import read_spec  # noqa: E402

log = logging.getLogger("bmc")


class Handler(pywsgi.WSGIHandler):  # type: ignore[misc]
    """One connection. `environ["rack.drop"]` closes it without an answer, for injected faults."""

    def handle(self) -> None:
        """Serve it. Head and body are written one after the other, and nothing may hold the second one back until the
        client has acknowledged the first, 40 ms later."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().handle()

    def get_environ(self) -> dict[str, Any]:
        """The WSGI environment of a request."""
        environ: dict[str, Any] = super().get_environ()
        environ["rack.drop"] = self._drop
        return environ

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """Say so when the connection ends: a client that asked for it (sushy does) would else use it once more."""
        ending = [("Connection", "close")] if self.close_connection else []
        return super().start_response(status, [*headers, *ending], exc_info)

    def _drop(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # closing alone leaves the readers' copies open for an answer
        self.socket.close()
        raise gevent.GreenletExit

    def log_request(self) -> None:
        """Requests are not logged: a fleet asks thousands of times, and power changes are logged where they happen."""


def context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 or later with the rack's own certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.num_tickets = 0  # clients of ours never resume a session, so tickets would be work for nothing
    made.load_cert_chain(certificate, key)
    return made


def serve(spec: RackSpec, options: argparse.Namespace) -> None:
    """Serve until SIGTERM."""
    access = bmc_access(options.state, spec)
    store = Store(options.state / "bmc" / "systems.sqlite")
    power: Power = PaperPower(store, options.latency) if options.paper else ContainerPower(options.spec, store)
    systems = Systems(hardware_of(spec), store, power)
    app: Any = install(systems)
    if options.paper:
        app = Faults(app, systems)
    server = pywsgi.WSGIServer(
        (spec.bmc_address, BMC_PORT),
        BasicAuth(app, *access.read()),
        handler_class=Handler,
        log=None,
        error_log=logging.getLogger("bmc.http"),
        ssl_context=context(access.certificate, access.key),
        backlog=4096,
    )

    def reload() -> None:
        changed = read_spec(options.spec)
        if changed is None:
            log.error("%s cannot be read; going on as before", options.spec)
            return
        power.reload()
        systems.replace(hardware_of(changed))
        store.forget(set(systems.hardware))
        log.info("%d systems", len(systems.hardware))

    gevent.signal_handler(signal.SIGHUP, reload)
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, server.stop, 1)
    store.forget(set(systems.hardware))
    log.info("%d systems at %s", len(systems.hardware), access.url)
    server.serve_forever()
    store.close()


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m infra.rack.bmc", description=__doc__)
    parser.add_argument("--spec", type=Path, required=True, help="the rack's spec file")
    parser.add_argument("--state", type=Path, required=True, help="the environment's state folder")
    parser.add_argument("--paper", action="store_true", help="servers exist on paper only")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds until a paper server's power changes")
    parser.add_argument("--rack", required=True, help="whose process this is; shown in the process list")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    spec = read_spec(options.spec)
    if spec is None:
        raise SystemExit(f"{options.spec} cannot be read; run `oss rack up` again")
    serve(spec, options)


if __name__ == "__main__":
    main()
