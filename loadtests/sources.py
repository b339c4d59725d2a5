"""Where CPU counters are read: local processes, servers over ssh, and pods through the API server."""

from __future__ import annotations

import json
import os
import re
import selectors
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from capacity.faults import StepFailed
from loadtests.stations import Combine, Reading

ANSWER_S = 10.0
_TICKS = os.sysconf("SC_CLK_TCK")


class LocalProcesses:
    """Process trees of this machine: `{station: pid of its root}`."""

    def __init__(self, roots: Mapping[str, int]) -> None:
        self._roots = dict(roots)

    @property
    def stations(self) -> Mapping[str, Combine]:
        """One root a station."""
        return dict.fromkeys(self._roots, "sum")

    def read(self) -> list[Reading]:
        """CPU of each root, its children that ended, and its descendants that live."""
        table = {pid: found for pid in _pids() if (found := _stat(Path(f"/proc/{pid}/stat")))}
        readings = []
        for station, root in self._roots.items():
            if root not in table:
                raise OSError(f"process {root} is gone")
            tree = _tree(root, {pid: parent for pid, (parent, _) in table.items()})
            ticks = sum(table[pid][1] for pid in tree)
            readings.append(Reading(station, str(root), time.time(), ticks / _TICKS))
        return readings

    def close(self) -> None:
        """Nothing is held."""


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _stat(path: Path) -> tuple[int, int] | None:
    """Parent, and ticks of the process and of its children that it waited for (proc(5))."""
    try:
        fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), sum(int(f) for f in fields[11:15])


def _tree(root: int, parents: Mapping[int, int]) -> list[int]:
    found = [root]
    for pid in found:
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found


# One line of numbers for each line read: ticks a second, and the ticks of all processes of a name. A process's time
# goes to its parent's "children" fields when it ends and is waited for, so nothing is lost and nothing counted twice.
_REMOTE = """
ticks=$(getconf CLK_TCK)
while read -r name; do
  cat /proc/[0-9]*/stat 2>/dev/null | awk -v want="($name)" -v ticks="$ticks" -v now="$(date +%s.%N)" '
    index($0, " " want " ") { sub(/^.*\\) /, ""); total += $12 + $13 + $14 + $15; seen++ }
    END { printf "%s %d %d %d\\n", now, ticks, total, seen }'
done
"""


@dataclass(frozen=True, slots=True)
class ServerPlace:
    """A server and the name of the processes whose CPU is its station's."""

    station: str
    name: str
    process: str
    combine: Combine = "sum"


class Servers:
    """Processes by name on servers, each over one ssh connection that stays open."""

    def __init__(self, places: Sequence[ServerPlace], ssh: Sequence[str]) -> None:
        """`ssh` is the command without the server's name, for example `("ssh", "-F", "…/ssh/config")`."""
        self._places = places
        self._ssh = tuple(ssh)
        self._open: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def stations(self) -> Mapping[str, Combine]:
        """The stations of the servers."""
        return {place.station: place.combine for place in self._places}

    def read(self) -> list[Reading]:
        """Ask every server. Raises StepFailed with ssh's last words."""
        return [self._read(place) for place in self._places]

    def _read(self, place: ServerPlace) -> Reading:
        shell = self._open.get(place.name)
        if shell is None or shell.poll() is not None:
            command = [*self._ssh, "-o", "BatchMode=yes", "-o", "ConnectTimeout=8", place.name, "sh", "-c"]
            shell = self._open[place.name] = subprocess.Popen(
                [*command, _quoted(_REMOTE)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        assert shell.stdin is not None
        try:
            shell.stdin.write(f"{place.process}\n".encode())
            shell.stdin.flush()
            line = _line(shell)
            at, ticks, total, seen = line.split()
        except (OSError, ValueError):
            self._drop(place.name)
            raise StepFailed(f"{place.name} does not tell its CPU", "Check `ssh` to it.") from None
        if int(seen) == 0:
            raise StepFailed(f"{place.name} runs no process {place.process}", "Check the service on it.")
        return Reading(place.station, place.name, float(at), int(total) / int(ticks))

    def _drop(self, name: str) -> None:
        shell = self._open.pop(name, None)
        if shell is not None:
            shell.kill()
            shell.wait()

    def close(self) -> None:
        """End the connections."""
        for name in list(self._open):
            self._drop(name)


def _quoted(script: str) -> str:
    return "'" + script.replace("'", "'\\''") + "'"


def _line(shell: subprocess.Popen[bytes]) -> str:
    assert shell.stdout is not None
    with selectors.DefaultSelector() as ready:
        ready.register(shell.stdout, selectors.EVENT_READ)
        if not ready.select(timeout=ANSWER_S):
            raise OSError("no answer in time")
    return shell.stdout.readline().decode("ascii", "replace")


_CPU = re.compile(r"^container_cpu_usage_seconds_total\{([^}]*)\} (\S+)(?: (\d+))?$", re.M)
_PERIODS = re.compile(r"^container_cpu_cfs_(throttled_)?periods_total\{([^}]*)\} (\S+)", re.M)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class PodPlace:
    """The pods of one service: their namespace and the value of `app.kubernetes.io/name`."""

    station: str
    namespace: str
    name: str


class Pods:
    """Containers of services' pods, through each kubelet's metrics behind the API server."""

    def __init__(self, places: Sequence[PodPlace], kubeconfig: Path, context: str | None = None) -> None:
        self._places = places
        self._kubeconfig = kubeconfig
        self._context = context
        self._client: Any = None

    @property
    def stations(self) -> Mapping[str, Combine]:
        """The stations of the pods."""
        return {place.station: "sum" for place in self._places}

    def read(self) -> list[Reading]:
        """CPU and throttling of every pod, as its kubelet last saw them. Raises StepFailed."""
        station_of: dict[tuple[str, str], str] = {}
        nodes: set[str] = set()
        for place in self._places:
            for pod in self._get(_pods_path(place)).get("items", []):
                if node := pod.get("spec", {}).get("nodeName"):
                    station_of[place.namespace, pod["metadata"]["name"]] = place.station
                    nodes.add(node)
        readings = []
        for node in sorted(nodes):
            now = time.time()
            throttling = _throttling(self._text(f"/api/v1/nodes/{node}/proxy/metrics/cadvisor"))
            for labels, value, stamp in _CPU.findall(self._text(f"/api/v1/nodes/{node}/proxy/metrics/resource")):
                names = dict(_LABEL.findall(labels))
                pod_key = (names.get("namespace", ""), names.get("pod", ""))
                if (station := station_of.get(pod_key)) is not None:
                    periods, throttled = throttling.get(pod_key, (0.0, 0.0))
                    at = int(stamp) / 1e3 if stamp else now
                    instance = f"{pod_key[0]}/{pod_key[1]}/{names.get('container', '')}"
                    readings.append(Reading(station, instance, at, float(value), periods, throttled))
        return readings

    def _get(self, path: str) -> Any:
        return json.loads(self._text(path))

    def _text(self, path: str) -> str:
        from kubernetes import client, config

        try:
            if self._client is None:
                made = config.new_client_from_config(str(self._kubeconfig), self._context)  # type: ignore[no-untyped-call]
                self._client = made
            request = self._client.param_serialize("GET", path, auth_settings=["BearerToken"])
            answer = self._client.call_api(*request, _request_timeout=ANSWER_S)
            answer.read()
            if answer.status != HTTPStatus.OK:
                raise client.ApiException(http_resp=answer)
        except (client.ApiException, config.ConfigException, OSError) as error:
            status = getattr(error, "status", None)
            said = f"{status} {getattr(error, 'reason', '')}" if status else str(error)
            raise StepFailed(f"the API server does not give {path}: {said}", "Check `kubectl get nodes`.") from None
        return str(answer.data.decode("utf-8"))

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()


def _pods_path(place: PodPlace) -> str:
    return f"/api/v1/namespaces/{place.namespace}/pods?labelSelector=app.kubernetes.io%2Fname%3D{place.name}"


def _throttling(text: str) -> dict[tuple[str, str], tuple[float, float]]:
    """(periods, throttled periods) of each pod; a container's counters, not those of the pod's own group."""
    found: dict[tuple[str, str], list[float]] = {}
    for throttled, labels, value in _PERIODS.findall(text):
        names = dict(_LABEL.findall(labels))
        if names.get("container"):
            pair = found.setdefault((names.get("namespace", ""), names.get("pod", "")), [0.0, 0.0])
            pair[1 if throttled else 0] += float(value)
    return {key: (periods, throttled) for key, (periods, throttled) in found.items()}
