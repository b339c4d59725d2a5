"""Where CPU counters are read: local processes, servers over ssh, and pods through the API server."""

from __future__ import annotations

import json
import math
import os
import selectors
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

from capacity.faults import StepFailed
from loadtests.stations import Combine, Reading

ANSWER_S = 10.0
# Pods seldom come and go during a load test; so old the list of them may be.
LIST_S = 10.0
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
            tree = _tree(root, {pid: found.parent for pid, found in table.items()})
            ticks = sum(table[pid].own + table[pid].ended for pid in tree)
            beside = sum(_beside_first(pid, table[pid].own) for pid in tree)
            readings.append(Reading(station, str(root), time.time(), ticks / _TICKS, threads_s=beside / _TICKS))
        return readings

    def close(self) -> None:
        """Nothing is held."""


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


class _Stat(NamedTuple):
    """Of a process or a thread (proc(5)): its parent, its own ticks of CPU, those of children that it waited for."""

    parent: int
    own: int
    ended: int


def _stat(path: Path) -> _Stat | None:
    try:
        fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return _Stat(int(fields[1]), int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14]))


def _beside_first(pid: int, whole: int) -> int:
    """Of a process's ticks, those of threads beside its first one, ended ones among them."""
    first = _stat(Path(f"/proc/{pid}/task/{pid}/stat"))
    return max(0, whole - first.own) if first else 0


def _tree(root: int, parents: Mapping[int, int]) -> list[int]:
    found = [root]
    for pid in found:
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found


# One line of numbers for each line read: ticks a second, and the ticks of all processes of a name. A process's time
# goes to its parent's "children" fields when it ends and is waited for, so nothing is lost and nothing counted twice.
_PROCESSES = """
ticks=$(getconf CLK_TCK)
while read -r name; do
  cat /proc/[0-9]*/stat 2>/dev/null | awk -v want="($name)" -v ticks="$ticks" -v now="$(date +%s.%N)" '
    index($0, " " want " ") { sub(/^.*\\) /, ""); total += $12 + $13 + $14 + $15; seen++ }
    END { printf "%s %d %d %d\\n\\n", now, ticks, total, seen }'
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
        self._shells = Shells(ssh, _PROCESSES)

    @property
    def stations(self) -> Mapping[str, Combine]:
        """The stations of the servers."""
        return {place.station: place.combine for place in self._places}

    def read(self) -> list[Reading]:
        """Ask every server. Raises StepFailed."""
        return [self._read(place) for place in self._places]

    def _read(self, place: ServerPlace) -> Reading:
        (at, ticks, total, seen), *_ = self._shells.ask(place.name, place.process)
        if int(seen) == 0:
            raise StepFailed(f"{place.name} runs no process {place.process}", "Check the service on it.")
        return Reading(place.station, place.name, at, total / ticks)

    def close(self) -> None:
        """End the connections."""
        self._shells.close()


class Shells:
    """A script on each of several servers that answers lines of words with lines of numbers and an empty line."""

    def __init__(self, ssh: Sequence[str], script: str) -> None:
        self._ssh = tuple(ssh)
        self._script = script
        self._open: dict[str, subprocess.Popen[bytes]] = {}

    def ask(self, server: str, words: str) -> list[list[float]]:
        """The answer's numbers. Raises StepFailed when the server cannot be reached or makes no sense."""
        shell = self._open.get(server)
        if shell is None or shell.poll() is not None:
            command = [*self._ssh, "-o", "BatchMode=yes", "-o", "ConnectTimeout=8", server, "sh", "-c"]
            shell = self._open[server] = subprocess.Popen(
                [*command, _quoted(self._script)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        assert shell.stdin is not None
        try:
            shell.stdin.write(f"{words}\n".encode())
            shell.stdin.flush()
            return [[float(word) for word in line.split()] for line in _lines(shell)]
        except (OSError, ValueError):
            self._drop(server)
            raise StepFailed(f"{server} does not tell its CPU", "Check `ssh` to it.") from None

    def _drop(self, server: str) -> None:
        shell = self._open.pop(server, None)
        if shell is not None:
            shell.kill()
            shell.wait()

    def close(self) -> None:
        """End the connections."""
        for server in list(self._open):
            self._drop(server)


def _quoted(script: str) -> str:
    return "'" + script.replace("'", "'\\''") + "'"


def _lines(shell: subprocess.Popen[bytes]) -> list[str]:
    """What it says up to an empty line. Raises OSError when that does not come in time."""
    assert shell.stdout is not None
    said, deadline = b"", time.monotonic() + ANSWER_S
    with selectors.DefaultSelector() as ready:
        ready.register(shell.stdout, selectors.EVENT_READ)
        while not said.endswith(b"\n\n"):
            if not ready.select(timeout=max(0.0, deadline - time.monotonic())):
                raise OSError("no answer in time")
            part = os.read(shell.stdout.fileno(), 65536)
            if not part:
                raise OSError("the connection ended")
            said += part
    return said.decode("ascii", "replace").splitlines()[:-1]


# For each line of pods' uids, a line for each: time, microseconds of CPU of the pod's control group, of its containers'
# groups the periods with a quota and those in which they were stopped (cpu.stat of cgroup v2, or with cpuacct.usage,
# nanoseconds, of v1), and microseconds of CPU of their processes' threads beside the first ones. The kubelet tells most
# of this, but as it was up to 15 seconds ago, which smears one stage of a load test into the next. Few processes are
# started, since the servers may be busy.
_GROUPS = """
ticks=$(getconf CLK_TCK)
while read -r uids; do
  find "${CGROUPS:-/sys/fs/cgroup}" -maxdepth 6 -path '*pod*' '(' -name cpu.stat -o -name cpuacct.usage ')' \\
    -exec awk -v now="$(date +%s.%N)" -v uids="$uids" -v ticks="$ticks" '
    function spent(path,   line, field) {
      if ((getline line < path) <= 0) return 0
      close(path)
      sub(/^.*\\) /, "", line)
      split(line, field)
      return field[12] + field[13]
    }
    function beside(group,   pid, first, whole, total) {
      total = 0
      while ((getline pid < group) > 0) {
        first = spent("/proc/" pid "/task/" pid "/stat")
        whole = spent("/proc/" pid "/stat")
        if (whole > first) total += whole - first
      }
      close(group)
      return total
    }
    BEGIN { n = split(uids, uid) }
    FNR == 1 {
      own = ""
      path = FILENAME
      gsub(/_/, "-", path)
      for (i = 1; i <= n; i++) if (at = index(path, "pod" uid[i])) {
        own = uid[i]
        rest = substr(path, at + 3 + length(own))
        depth = split(rest, part, "/") - 1
      }
      if (own != "" && depth == 2 && FILENAME ~ /cpu.stat$/) {
        group = FILENAME
        sub(/cpu.stat$/, "cgroup.procs", group)
        threads[own, part[2]] = beside(group)
        kept[own] = kept[own] " " part[2]
      }
    }
    own == "" { next }
    depth == 1 && $1 == "usage_usec" { used[own] = $2 }
    depth == 1 && FILENAME ~ /usage$/ { used[own] = $1 / 1000 }
    depth == 2 && $1 == "nr_periods" { periods[own, part[2]] = $2 }
    depth == 2 && $1 == "nr_throttled" { stops[own, part[2]] = $2 }
    END {
      for (i = 1; i <= n; i++) {
        own = uid[i]; all = 0; stopped = 0; apart = 0; count = split(kept[own], name); split("", seen)
        for (k = 1; k <= count; k++) if (!(name[k] in seen)) {
          seen[name[k]]; all += periods[own, name[k]]; stopped += stops[own, name[k]]; apart += threads[own, name[k]]
        }
        printf "%s %.0f %d %d %.0f\\n", own in used ? now : 0, used[own], all, stopped, apart / ticks * 1e6
      }
    }' '{}' +
  echo
done
"""


@dataclass(frozen=True, slots=True)
class PodPlace:
    """The pods of one service: their namespace and the value of `app.kubernetes.io/name`."""

    station: str
    namespace: str
    name: str


class Pods:
    """Control groups of services' pods, over ssh on the servers where the API server says that they run."""

    def __init__(self, places: Sequence[PodPlace], kubeconfig: Path, ssh: Sequence[str]) -> None:
        """`ssh` as of `Servers`; nodes bear the names of their servers."""
        self._places = places
        self._kubeconfig = kubeconfig
        self._shells = Shells(ssh, _GROUPS)
        self._client: Any = None
        self._by_node: dict[str, list[tuple[str, str]]] = {}
        self._listed = -math.inf

    @property
    def stations(self) -> Mapping[str, Combine]:
        """The stations of the pods."""
        return {place.station: "sum" for place in self._places}

    def read(self) -> list[Reading]:
        """CPU and throttling of every pod. Raises StepFailed when none can be read."""
        if time.monotonic() > self._listed + LIST_S:
            self._by_node, self._listed = self._list(), time.monotonic()
        readings, unread = [], []
        for node, pods in sorted(self._by_node.items()):
            try:
                answers = self._shells.ask(node, " ".join(uid for _, uid in pods))
            except StepFailed as error:  # a server that went down spoils nothing but its own pods' figures
                unread.append(error)
                continue
            for (station, uid), (at, used_us, periods, throttled, threads_us) in zip(pods, answers, strict=True):
                if at:  # a pod that begins or ends has no group
                    readings.append(Reading(station, uid, at, used_us / 1e6, periods, throttled, threads_us / 1e6))
        if unread and not readings:
            raise unread[0]
        return readings

    def _list(self) -> dict[str, list[tuple[str, str]]]:
        by_node: dict[str, list[tuple[str, str]]] = {}
        for place in self._places:
            for pod in self._get(_pods_path(place)).get("items", []):
                node = pod.get("spec", {}).get("nodeName")
                if node and "deletionTimestamp" not in pod["metadata"]:
                    by_node.setdefault(node, []).append((place.station, pod["metadata"]["uid"]))
        return by_node

    def _get(self, path: str) -> Any:
        from kubernetes import client, config

        try:
            if self._client is None:
                self._client = config.new_client_from_config(str(self._kubeconfig))  # type: ignore[no-untyped-call]
            request = self._client.param_serialize("GET", path, auth_settings=["BearerToken"])
            answer = self._client.call_api(*request, _request_timeout=ANSWER_S)
            answer.read()
            if answer.status != HTTPStatus.OK:
                raise client.ApiException(http_resp=answer)
        except (client.ApiException, config.ConfigException, OSError) as error:
            status = getattr(error, "status", None)
            said = f"{status} {getattr(error, 'reason', '')}" if status else str(error)
            raise StepFailed(f"the API server does not give {path}: {said}", "Check `kubectl get nodes`.") from None
        return json.loads(answer.data)

    def close(self) -> None:
        """Close the connections."""
        self._shells.close()
        if self._client is not None:
            self._client.close()


def _pods_path(place: PodPlace) -> str:
    return f"/api/v1/namespaces/{place.namespace}/pods?labelSelector=app.kubernetes.io%2Fname%3D{place.name}"
