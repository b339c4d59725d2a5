"""The program of every stack. `<env>.<layer>`: the layer names the program, the environment is all that differs."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
if str(REPOSITORY) not in sys.path:
    sys.path.insert(0, str(REPOSITORY))

import pulumi  # noqa: E402

from capacity.faults import OssError  # noqa: E402

LAYERS = ("fleet", "platform", "services")


async def program() -> None:
    """Run the layer's program; an error of ours is shown as it is, without a traceback."""
    environment, _, layer = pulumi.get_stack().rpartition(".")
    if layer not in LAYERS or not environment:
        names = ", ".join(f"<env>.{name}" for name in LAYERS)
        raise pulumi.RunError(
            f"stack {pulumi.get_stack()} is none of {names}\n  remedy: pulumi stack select local.fleet"
        )
    try:
        await importlib.import_module(f"stacks.{layer}").program(environment)
    except OssError as error:
        raise pulumi.RunError(str(error)) from None


pulumi.run(program)
