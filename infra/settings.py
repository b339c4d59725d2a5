"""Settings of the stacks, typed. Programs read them from `stacks/Pulumi.<env>.<layer>.yaml` (see stacks/config.py).

Every setting has a default, and the defaults are those of a rack on one machine: an environment without a file is a
rack of that name. Keys are camelCase in the file and snake_case here. Unknown keys are faults.
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic.alias_generators import to_camel

from capacity.documents import REPOSITORY, Document, RuleBroken
from capacity.leaseplan import Scale, lock_path

_MIDNIGHT = re.compile(r"^(\d{4}-\d{2}-\d{2})[ T]00:00:00( \+0000 UTC|Z)$")


def _day(value: Any) -> Any:
    """Pulumi writes a day that is not in quotes as a moment of its own."""
    found = _MIDNIGHT.match(value) if isinstance(value, str) else None
    return found[1] if found else value


Day = Annotated[dt.date, BeforeValidator(_day)]
DEFAULT_PLAN = "capacity/plans/national.yaml"


class Settings(Document):
    """What every layer is told. The same three keys stand in each layer's file; `oss up --phase N` writes them."""

    model_config = ConfigDict(alias_generator=to_camel)

    plan: str = Field(default=DEFAULT_PLAN, description="the launch plan, relative to the repository")
    phase: int = Field(default=1, ge=1, le=3)
    scale: Scale = "rack"
    supernet: str = Field(default="", description="/16 of a rack; empty: the plan's")

    @property
    def lock_file(self) -> Path:
        """The lease plan that `oss plan` wrote from the launch plan."""
        return lock_path(REPOSITORY / self.plan)


class BmcSetting(Document):
    """Where one server's BMC answers, when it is not where the address plan and `bmcSystem` say."""

    url: str
    system: str


class FirmwareSetting(Document):
    """Least versions that a SKU's servers are accepted with; empty: any."""

    bios: str = ""
    bmc: str = ""


class BootSetting(Document):
    """How delivered servers get their operating system (docs/leases.md). Without it the vendor installs them."""

    model_config = ConfigDict(alias_generator=to_camel)

    method: Literal["media", "pxe", "http"]
    image: str = Field(default="", pattern="^(https?://.+)?$", description="the installer's image; empty with pxe")
    seed_dir: str = Field(pattern="^/", description="folder that the seeds of cloud-init are written to")
    seed_url: str = Field(default="", pattern="^(https?://.+)?$", description="where BMCs reach that folder")
    ssh_keys: tuple[str, ...] = Field(min_length=1, description="public keys that may sign in")

    @model_validator(mode="after")
    def _whole(self) -> BootSetting:
        if self.method != "pxe" and not self.image:
            raise RuleBroken(f"{self.method} needs an image", "Give oss:boot.image, or set the method to pxe.")
        if self.method == "media" and not self.seed_url:
            raise RuleBroken("virtual media need a seed", "Give oss:boot.seedUrl, where BMCs reach the seed folder.")
        return self


class GateOverride(Document):
    """Applying a phase without its evidence. It stays in the stack's outputs for everyone to see."""

    phase: int = Field(ge=1, le=3)
    by: str = Field(min_length=3, description="who answers for it")
    reason: str = Field(min_length=10)
    until: Day = Field(description="last day on which it counts")


class FleetSettings(Settings):
    """Settings of `<env>.fleet`. BMC credentials of a rack come from its state folder."""

    racks_per_site: int = Field(default=2, ge=1, description="racks over which a role's servers are spread")
    bmc_username: str = ""
    bmc_password: SecretStr = SecretStr("")
    bmc_ca_file: str = Field(default="", description="authorities of the BMCs' certificates; empty: the machine's")
    bmc_system: str = Field(default="1", description="id of the system at a BMC that holds one")
    bmcs: dict[str, BmcSetting] = Field(default_factory=dict, description="server → its BMC, where it is elsewhere")
    erase: str = Field(
        default="require", pattern="^(require|record)$", description="record: release what no BMC can erase"
    )
    eraser_image: str = Field(
        default="", pattern="^(https?://.+)?$", description="boots, erases all drives and switches off; empty: none"
    )
    firmware: dict[str, FirmwareSetting] = Field(default_factory=dict, description="SKU → least firmware versions")
    boot: BootSetting | None = None
    gate_override: GateOverride | None = None
    evidence: str = Field(default="evidence", description="folder of the gates' evidence, relative to the repository")
    as_of: Day | None = Field(default=None, description="the day that lease dates are judged on; none: today")
    approved_plan: str = Field(
        default="", pattern="^(sha256:[0-9a-f]{64})?$", description="hash of the lease plan that may be applied"
    )
    ssh_user: str = Field(default="ops", description="whom the playbooks sign in as; a rack takes root")
    kubernetes_archive_url: str = Field(
        default="", description="archive of the Kubernetes programs on a package mirror"
    )
    kubernetes_archive_sha256: str = Field(default="", pattern="^([0-9a-f]{64})?$")
    pause_image: str = Field(default="", description="image that holds a pod's namespaces, as the workers pull it")

    @property
    def evidence_folder(self) -> Path:
        """Where the gates look for evidence."""
        return REPOSITORY / self.evidence

    @field_validator("bmcs", mode="before")
    @classmethod
    def _no_list(cls, value: Any) -> Any:
        if isinstance(value, list):
            raise RuleBroken("not a mapping", "Write it as `primary-edge-01: {url: https://…, system: …}`.")
        return value


class PlatformSettings(Settings):
    """Settings of `<env>.platform`."""

    kubeconfig: str = Field(default="", description="another cluster's kubeconfig; empty: the one the playbooks wrote")


class LoadTestSetting(Document):
    """A load generator in the cluster. Its rates are the lease plan's; `start`: at once, without the web page."""

    model_config = ConfigDict(alias_generator=to_camel)

    profile: str = Field(default="smoke", min_length=1, description="load profile of the plan")
    scale: str = Field(default="", description="rack, national or a fraction; empty: the stack's scale")
    workers: int = Field(default=2, ge=1, le=100)
    cpu_millicores: int | None = Field(default=None, ge=100, description="of one worker: one process")
    memory_mib: int | None = Field(default=None, ge=192, description="of one worker")
    seed: int = Field(default=2018, ge=0)
    start: bool = False
    host: str = Field(
        default="", pattern="^(https?://.+)?$", description="target; empty: the edge as the servers reach it"
    )


class ServicesSettings(Settings):
    """Settings of `<env>.services`."""

    kubeconfig: str = Field(default="", description="as in the platform's settings")
    image: str = Field(default="", description="of the permit service; `oss up` sets it to the image it built")
    pull: str = Field(default="", pattern="^(Always|IfNotPresent|Never|)$", description="empty: Never in a rack")
    registry_url: str = Field(default="", description="the population registry; in a rack its stand-in")
    seed: bool | None = Field(default=None, description="add test accounts; None: in a rack only")
    database_connections: int = Field(default=90, ge=10, description="that the services share")
    load_test: LoadTestSetting | None = Field(default=None, description="a load generator; none: there is none")
    load_test_image: str = Field(default="", description="of the generator; in a rack `oss up` sets it")
