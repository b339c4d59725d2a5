"""Where a load test goes: an environment with its servers and cluster, or any address."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from capacity.faults import BadInput, Fault
from capacity.leaseplan import Deployment
from capacity.progress import Progress
from infra.paths import state_dir
from infra.pki.fleet import kubeconfig_file, services_ca
from loadtests.sources import LocalProcesses, PodPlace, Pods, ServerPlace, Servers
from loadtests.stations import Combine, Source
from loadtests.target.settings import derive

# What runs on the servers of a role, and how several servers make up the station: an edge divides the load, of
# databases one carries all of it and the others mirror it.
PROCESSES: dict[str, tuple[str, Combine]] = {"edge": ("haproxy", "sum"), "database": ("postgres", "max")}


@dataclass(frozen=True, slots=True)
class Target:
    """An address, how its certificate is verified, what opens it, and where its stations' CPU is read."""

    host: str
    ca_file: Path | None
    password: str = field(repr=False)
    callback_key: str = field(repr=False)
    sources: tuple[Source, ...] = ()


def environment_target(environment: str, deployment: Deployment, progress: Progress) -> Target:
    """An environment that `oss up` brought up. Raises BadInput when it was not."""
    from infra.engine.rollout import Rollout, check_environment_name

    progress.update("reading the outputs of the fleet")
    outputs = Rollout(check_environment_name(environment)).outputs(progress)
    secret = outputs.secrets.service_secret.get_secret_value()
    services = {service.id: service for service in deployment.services}
    places = [
        ServerPlace(station.id, server.name, *PROCESSES[station.role])
        for station in deployment.stations
        if station.kind == "server" and station.role in PROCESSES
        for server in outputs.with_role(station.role)
    ]
    pods = [
        PodPlace(station.id, services[station.service].namespace, station.service)
        for station in deployment.stations
        if station.kind == "pods" and station.service in services
    ]
    ssh = ("ssh", "-F", str(state_dir(environment) / "ssh" / "config"))
    sources: list[Source] = [Servers([place], ssh) for place in places]
    if pods and kubeconfig_file(environment).exists():
        sources.append(Pods(pods, kubeconfig_file(environment), ssh))
    ca_file = services_ca(environment)
    return Target(
        host=outputs.endpoints.portal.rstrip("/"),
        ca_file=ca_file if ca_file.exists() else None,
        password=os.environ.get("OSS_TEST_PASSWORD") or derive(secret, "test accounts"),
        callback_key=os.environ.get("OSS_CALLBACK_KEY") or derive(secret, "callbacks"),
        sources=tuple(sources),
    )


def address_target(host: str, ca_file: Path | None, stations: Sequence[str], known: Collection[str]) -> Target:
    """Any address; secrets from the environment's variables. Raises BadInput for a NAME=PID that is malformed, or whose
    name is no station of the plan (`known`)."""
    roots: dict[str, int] = {}
    faults = []
    for text in stations:
        name, _, pid = text.partition("=")
        if name in known and pid.isdigit():
            roots[name] = int(pid)
        elif name and pid.isdigit():
            problem = "is no station of the plan"
            faults.append(Fault("--station", "", name, problem, f"Use {', '.join(sorted(known))}."))
        else:
            faults.append(Fault("--station", "", text, "is not NAME=PID", "Write for example api=4711."))
    if faults:
        raise BadInput(faults)
    secret = os.environ.get("OSS_SECRET", "")
    return Target(
        host=host.rstrip("/"),
        ca_file=ca_file,
        password=os.environ.get("OSS_TEST_PASSWORD") or derive(secret, "test accounts"),
        callback_key=os.environ.get("OSS_CALLBACK_KEY") or derive(secret, "callbacks"),
        sources=(LocalProcesses(roots),) if roots else (),
    )
