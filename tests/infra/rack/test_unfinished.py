"""What podman still does for a killed run is waited for, and servers that come and go do not end a listing."""

from __future__ import annotations

import itertools
import subprocess
import threading

import pytest

from capacity.progress import Silent
from infra import rack
from infra.rack import RackSpec, cleanup
from infra.rack.daemons import wait
from infra.rack.image import image_tag
from infra.rack.machine import CGROUP_MANAGER, podman
from infra.rack.server import containers, isolation
from infra.rack.unfinished import changes, unfinished, wait_for_unfinished

LISTINGS = 100


@pytest.fixture(scope="module")
def standing(rack_spec: RackSpec) -> RackSpec:
    rack.up(rack_spec, Silent())
    return rack_spec


@pytest.mark.rack
def test_servers_of_others_come_and_go_while_the_rack_is_listed(standing: RackSpec) -> None:
    ended = threading.Event()

    def come_and_go(who: str) -> None:
        for number in itertools.count():
            if ended.is_set():
                return
            name = f"other-{standing.name}-{who}{number}"
            podman("create", "--name", name, "--volume", f"{name}:/disk", image_tag())
            podman("rm", "--force", "--volumes", name)
            podman("volume", "rm", "--force", name)

    others = [threading.Thread(target=come_and_go, args=(who,)) for who in "ab"]
    for other in others:
        other.start()
    try:
        for _ in range(LISTINGS):
            assert len(cleanup.container_names(standing.name)) == len(standing.servers)
            assert len(containers(standing.name)) == len(standing.servers)
            assert cleanup.volume_names(standing.name)
    finally:
        ended.set()
        for other in others:
            other.join()


@pytest.mark.rack
def test_a_command_that_outlived_its_run_is_waited_for(standing: RackSpec) -> None:
    name = f"oss-{standing.name}-visitor"
    words = ["podman", CGROUP_MANAGER, "run", "--rm", *isolation(standing.name), "--network", "none", "--name", name]
    left = subprocess.Popen([*words, image_tag(), "/bin/sleep", "2"])
    try:
        # A program that is just being loaded has no command line yet; children that it forks have its own for a moment.
        wait(lambda: left.pid in unfinished(standing.name), "podman was not seen", "")
        assert unfinished("another") == []
        wait_for_unfinished(standing.name, Silent())
        assert unfinished(standing.name) == []
        assert left.wait(30) == 0, "it is ending, or has ended"
        wait(lambda: name not in cleanup.container_names(standing.name), "the visitor stays", "")
    finally:
        left.kill()
        left.wait()


def test_only_changing_commands_of_this_rack_count() -> None:
    podman_of = ["/usr/bin/podman", CGROUP_MANAGER]
    assert changes([*podman_of, "rm", "--force", "oss-drill-edge-1"], "drill")
    assert changes([*podman_of, "volume", "rm", "oss-drill-edge-1-etcd"], "drill")
    assert changes([*podman_of, "create", "--label", "oss.rack=drill"], "drill")
    assert not changes([*podman_of, "rm", "--force", "oss-drill-edge-1"], "dri")
    assert not changes([*podman_of, "wait", "oss-drill-edge-1"], "drill"), "waiting changes nothing"
    assert not changes([*podman_of, "volume", "ls"], "drill")
    assert not changes(["/usr/bin/podman", "rm", "oss-drill-edge-1"], "drill"), "somebody else's command"
    assert not changes([], "drill")
