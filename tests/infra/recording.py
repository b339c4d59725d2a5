"""A recording engine: runs a program under Pulumi's mocks to its very end, and hands back every resource it declared.

Assertions then stand outside the program, where none can be skipped by an unknown value or lost in an apply.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.runtime import rpc


@dataclass(frozen=True, slots=True)
class Made:
    """One declared resource with its inputs as the provider would see them, secrets laid open."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    secrets: frozenset[str]


@dataclass(slots=True)
class Recording(pulumi.runtime.Mocks):
    """What was declared, in order."""

    made: list[Made] = field(default_factory=list)
    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """Record, and give back the inputs with the outputs that the test wants of this type."""
        secret = frozenset(key for key, value in args.inputs.items() if rpc.is_rpc_secret(value))
        plain = {key: rpc.unwrap_rpc_secret(value) for key, value in args.inputs.items()}
        self.made.append(Made(args.typ, args.name, plain, secret))
        return f"{args.name}-id", {**args.inputs, **self.outputs.get(args.typ, {})}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        """No functions are called by components."""
        raise AssertionError(f"unexpected call of {args.token}")

    def of(self, suffix: str) -> dict[str, Mapping[str, Any]]:
        """Name → inputs of the resources whose type ends so."""
        return {made.name: made.inputs for made in self.made if made.type.endswith(suffix)}


def record(program: Callable[[], Any], outputs: Mapping[str, Mapping[str, Any]] | None = None) -> tuple[Recording, Any]:
    """Run `program`; the recording, and the value of the Output that it returned (None without one)."""
    recording = Recording(outputs=outputs or {})
    values: list[Any] = []

    def wrapped() -> pulumi.Output[Any]:
        made = pulumi.Output.from_input(program())
        return made.apply(lambda value: values.append(value))

    run: Any = pulumi.runtime.test
    loop = asyncio.new_event_loop()  # one of its own: other tests close theirs
    asyncio.set_event_loop(loop)
    try:
        pulumi.runtime.set_mocks(recording, project="oss", stack="test.fleet", preview=False)
        run(wrapped)()
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    return recording, values[0] if values else None
