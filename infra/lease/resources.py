"""The provider's resources as programs use them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pulumi

from infra.lease.model import PASSWORD_TYPE, SERVER_TYPE, ServerInputs


class Provider(pulumi.ProviderResource):
    """One environment's BMC credentials and trust."""

    def __init__(
        self,
        name: str,
        username: pulumi.Input[str],
        password: pulumi.Input[str],
        ca_file: str,
        erase: str,
        eraser_image: str = "",
        lost: Mapping[str, str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        secret = pulumi.Output.secret(password) if password else None
        props: dict[str, Any] = {"username": username or None, "password": secret, "caFile": ca_file, "erase": erase}
        props |= {"eraserImage": eraser_image or None, "lost": json.dumps(lost) if lost else None}
        super().__init__("lease", name, props, opts)


class Server(pulumi.CustomResource):
    """A leased server that was accepted, with its power as wanted."""

    state: pulumi.Output[str]
    lease_end: pulumi.Output[str]
    hardware: pulumi.Output[dict[str, Any]]

    def __init__(self, name: str, inputs: ServerInputs, opts: pulumi.ResourceOptions | None = None) -> None:
        props = inputs.model_dump(mode="json", by_alias=True, exclude_none=True)
        outputs = dict.fromkeys(("state", "leaseEnd", "hardware", "unverified", "shortfalls", "fault"))
        super().__init__(SERVER_TYPE, name, {**props, **outputs}, opts)

    def translate_output_property(self, prop: str) -> str:
        return "lease_end" if prop == "leaseEnd" else prop


class Password(pulumi.CustomResource):
    """A random secret that stays the same until its keepers change."""

    result: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        length: int = 24,
        keepers: dict[str, str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {"length": length, "keepers": keepers or {}, "result": None}
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=["result"]))
        super().__init__(PASSWORD_TYPE, name, props, opts)
