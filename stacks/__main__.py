"""The program of every stack. `<env>.<layer>`: the layer names the program, the environment is all that differs."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
if str(REPOSITORY) not in sys.path:
    sys.path.insert(0, str(REPOSITORY))

import pulumi  # noqa: E402

from capacity.faults import BadInput, Fault, OssError  # noqa: E402

LAYERS = ("fleet", "platform", "services")
SHOWN = 32
"""Exit code by which Pulumi's language host knows that the user was told already what is wrong."""


def _quiet(*words: Any, **settings: Any) -> None:
    """Debug words of the SDK are shown with `pulumi --debug` alone, but it sends them to the engine one by one, and
    waits for each: for every resource as long as registering it takes."""


async def program() -> None:
    """Run the layer's program; an error of ours is shown as it is, without a traceback."""
    environment, _, layer = pulumi.get_stack().rpartition(".")
    try:
        if layer not in LAYERS or not environment:
            names = ", ".join(f"<env>.{name}" for name in LAYERS)
            problem, remedy = f"a stack of this project is one of {names}", "Run `pulumi stack select local.fleet`."
            raise BadInput([Fault("stack", "", pulumi.get_stack(), problem, remedy)])
        await importlib.import_module(f"stacks.{layer}").program(environment)
    except OssError as error:
        pulumi.log.error(str(error))
        raise SystemExit(SHOWN) from None


pulumi.log.debug = _quiet
pulumi.run(program)
