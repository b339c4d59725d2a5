"""Two database servers: the second is a read-only copy that follows the first and never replaces other data."""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Iterator

import pytest

from capacity.faults import StepFailed
from capacity.leaseplan import FirewallRule
from capacity.progress import Silent
from infra import rack
from infra.outputs import FleetNetwork
from infra.rack import RackServer, RackSpec, cleanup
from infra.rack.machine import REQUIRED_PROGRAMS, find_program
from infra.rack.server import power_on
from tests.infra import plans
from tests.infra.fleet_sample import fleet, server
from tests.infra.paper import free_supernet
from tests.playbooks.conftest import Lab

pytestmark = [pytest.mark.rack]

PRIMARY, REPLICA = "primary-database-01", "primary-database-02"
RULES = (
    FirewallRule(to_role="database", source="rack-gateway", protocol="tcp", ports=(22,), purpose="administration"),
    FirewallRule(to_role="database", source="database", protocol="tcp", ports=(5432,), purpose="replication"),
)
PATIENCE_S = 60.0
START_A_COPY = """
copy=/var/lib/postgresql/copy
as_postgres() {{ runuser -u postgres -- "$@"; }}
cp -a {backup} $copy && cd /
rm -f $copy/standby.signal
: > $copy/postgresql.conf
echo 'local all postgres peer' > $copy/pg_hba.conf
options="-c listen_addresses= -c port=5999 -c unix_socket_directories=$copy -c max_connections=200"
as_postgres /usr/lib/postgresql/15/bin/pg_ctl start --wait --silent --pgdata $copy --log $copy/log --options "$options"
as_postgres psql --no-psqlrc -At --host $copy --port 5999 -d oss -c 'SELECT number FROM permits'
as_postgres /usr/lib/postgresql/15/bin/pg_ctl stop --silent --mode immediate --pgdata $copy
rm -rf $copy
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two database servers, switched on."""
    if os.geteuid() != 0 or any(find_program(name) is None for name in REQUIRED_PROGRAMS):
        pytest.skip("a rack needs root and its container tools (see `oss doctor`)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OSS_STATE", str(tmp_path_factory.mktemp("state")))
        name = f"pair{os.getpid()}"
        try:
            yield _build(name)
        finally:
            rack.down(name, Silent())
        assert list(cleanup.leftovers(name)) == []


def _build(name: str) -> Lab:
    supernet = ipaddress.IPv4Network(free_supernet())
    prefix = ".".join([*str(supernet.network_address).split(".")[:2], "2"])
    servers = [server("database", index, prefix=prefix) for index in (1, 2)]
    network = FleetNetwork(site="primary", id="cluster", vlan=102, cidr=f"{prefix}.0/24", gateway=f"{prefix}.1")
    outputs = fleet(*servers, environment=name, networks=(network,))
    made = plans.plan()
    plan = made.model_copy(update={"network": made.network.model_copy(update={"firewall": RULES})})
    spec = RackSpec(
        name=name,
        supernet=supernet,
        mounts=(),
        servers=tuple(
            RackServer(name=s.name, role=s.role, sku=plans.SKU, address=ipaddress.IPv4Address(s.address))
            for s in servers
        ),
    )
    handle = rack.up(spec, Silent())
    for each in spec.servers:
        power_on(spec, each)
    return Lab(handle, outputs, plan)


def sql(lab: Lab, name: str, statement: str) -> str:
    return lab.ssh(name, f'cd / && runuser -u postgres -- psql --no-psqlrc -At -d oss -c "{statement}"')


def test_a_replica_follows_reads_only_and_a_second_run_changes_nothing(pair: Lab) -> None:
    first = pair.configure()
    assert set(first.changed) == {PRIMARY, REPLICA}
    assert sql(pair, PRIMARY, "SELECT application_name, state FROM pg_stat_replication") == f"{REPLICA}|streaming"
    sql(pair, PRIMARY, "CREATE TABLE permits AS SELECT 42 AS number")
    deadline = time.monotonic() + PATIENCE_S
    while sql(pair, REPLICA, "SELECT number FROM permits") != "42":
        assert time.monotonic() < deadline, "the replica does not follow"
        time.sleep(0.2)
    assert "read-only transaction" in sql(pair, REPLICA, "INSERT INTO permits VALUES (43)")
    assert pair.configure().changed == {}


@pytest.mark.parametrize("name", [PRIMARY, REPLICA])
def test_backups_are_checked_kept_and_can_be_started(pair: Lab, name: str) -> None:
    """Two nights and a broken one before: the newest two are there, and a cluster started from the last one answers."""
    folder = "/var/backups/postgresql"
    nights = ("20180101T183000Z", "20180102T183000Z", "20180103T183000Z.unfinished")
    pair.ssh(name, " ".join(["mkdir", *(f"{folder}/{night}" for night in nights)]))
    said = pair.ssh(name, "systemctl start postgresql-backup && echo made")
    assert said == "made", pair.ssh(name, "journalctl --unit postgresql-backup --lines 20 --no-pager")
    kept = pair.ssh(name, f"ls {folder}").split()
    assert len(kept) == 2
    assert kept[0] == "20180102T183000Z"
    assert pair.ssh(name, f"stat --format '%U %a' {folder} {folder}/{kept[-1]}").split() == ["postgres", "700"] * 2
    found = pair.ssh(name, START_A_COPY.format(backup=f"{folder}/{kept[-1]}"))
    assert found == "42"


def test_a_backup_without_room_says_so_and_leaves_the_others(pair: Lab) -> None:
    """The folder on a small file system of its own, as a full disk is."""
    folder = "/var/backups/postgresql"
    pair.ssh(PRIMARY, f"mount -t tmpfs -o size=2m,uid=postgres,mode=0700 tmpfs {folder}")
    pair.ssh(PRIMARY, f"mkdir {folder}/20180101T000000Z")
    try:
        assert "failed" in pair.ssh(PRIMARY, "systemctl start postgresql-backup").lower()
        told = pair.ssh(PRIMARY, "journalctl --unit postgresql-backup --lines 5 --no-pager --output cat")
        assert "no room" in told
        assert pair.ssh(PRIMARY, f"ls {folder}") == "20180101T000000Z"
    finally:
        pair.ssh(PRIMARY, f"umount {folder}")


def test_a_server_with_data_of_its_own_is_never_made_a_replica(pair: Lab) -> None:
    pair.ssh(REPLICA, "pg_ctlcluster 15 main promote")
    deadline = time.monotonic() + PATIENCE_S
    while sql(pair, REPLICA, "SELECT pg_is_in_recovery()") != "f":
        assert time.monotonic() < deadline, "the replica was not promoted"
        time.sleep(0.2)
    sql(pair, REPLICA, "INSERT INTO permits VALUES (43)")
    with pytest.raises(StepFailed, match="holds a database of its own"):
        pair.configure()
    assert sql(pair, REPLICA, "SELECT count(*) FROM permits") == "2"
