"""The provider's contract: what a leased server takes in and gives out (camelCase on the wire)."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from capacity.leaseplan import Role

SERVER_TYPE = "lease:index:Server"
PASSWORD_TYPE = "lease:index:Password"  # noqa: S105 - a type's name


class Record(BaseModel):
    """Base of the provider's records: strict, frozen, camelCase on the wire and snake_case in Python."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)


class SkuContract(Record):
    """What the lease promises of the hardware (`capacity.leaseplan.Sku`, less what a BMC cannot report)."""

    id: str
    cores: int = Field(gt=0)
    memory_gib: int = Field(gt=0)
    disks: int = Field(gt=0)
    disk_gb: int = Field(gt=0)
    nics: int = Field(gt=0)
    nic_gbit_s: float = Field(gt=0)
    bios: str = Field(default="", description="least BIOS version; empty: any")
    bmc_firmware: str = Field(default="", description="least firmware version of the BMC; empty: any")


class BmcPlace(Record):
    """Where the server's management controller answers."""

    url: str = Field(pattern=r"^https://[^/]+$", description="scheme, host and port; the certificate is verified")
    system: str = Field(min_length=1, description="id of the system in the controller's collection")


def system_id(place: BmcPlace) -> str:
    """The resource's id: the address of its system, which is all that an import needs."""
    return f"{place.url}/redfish/v1/Systems/{place.system}"


class LeaseTerms(Record):
    """One contract line that covers the server, as the ledger and the policies need it."""

    id: str
    vendor: str
    contract: str | None = Field(default=None, description="number of the signed contract; None: not signed yet")
    start: dt.date
    end: dt.date
    months: int = Field(ge=1)
    notice_date: dt.date
    monthly_rent_idr: int = Field(ge=0)
    setup_idr: int = Field(ge=0)
    quotation: str | None = None


class BootInterface(Record):
    """One network of a server, as its cloud-init configures it: a VLAN over all of its interfaces together."""

    network: str
    vlan: int = Field(ge=1, le=4094)
    address: str = Field(description="with prefix length, e.g. 10.20.2.31/24")
    gateway: str = Field(default="", description="of the default route; empty: none over this network")


class BootPlan(Record):
    """How a delivered server gets its operating system. It counts at delivery; a standing server is left alone."""

    method: Literal["media", "pxe", "http"]
    image: str = Field(default="", description="http(s) address of the installer's image; empty with pxe")
    seed_dir: str = Field(description="folder on this machine that the seeds of cloud-init are written to")
    seed_url: str = Field(default="", description="http(s) address under which BMCs reach that folder")
    user: str = Field(description="whom the playbooks sign in as")
    ssh_keys: tuple[str, ...] = Field(min_length=1, description="public keys that may sign in")
    domain: str
    interfaces: tuple[BootInterface, ...] = Field(min_length=1)


class ServerInputs(Record):
    """Inputs of `lease:index:Server`."""

    environment: str = Field(min_length=1, description="whose state folder keeps the records of erasure")
    server: str = Field(min_length=1, description="the plan's name of the server, its own for good")
    site: str
    role: Role
    index: int = Field(ge=1)
    phase: int = Field(ge=1, le=3)
    rack: str
    sku: SkuContract
    leases: tuple[LeaseTerms, ...] = Field(min_length=1)
    addresses: dict[str, str] = Field(description="network id → address")
    bmc: BmcPlace
    power: Literal["On", "Off"] = "On"
    identify: bool = Field(default=False, description="lights the locator lamp")
    delivered: bool = Field(default=True, description="False: on order, its BMC is left alone")
    tags: dict[str, str] = Field(default_factory=dict, description="the ledger in words, for people and policies")
    boot: BootPlan | None = Field(default=None, description="None: the vendor delivers it with an operating system")


REPLACES = frozenset({"environment", "server", "site", "role", "index", "sku", "bmc"})
"""Inputs whose change means another machine or another place: the old one is returned before the new one is taken."""
