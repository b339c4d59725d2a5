"""The provider's face to the engine: properties, previews, diffs. The work is in server.py and password.py."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from pulumi.provider.experimental import provider as api
from pydantic import Field, ValidationError

from capacity.faults import StepFailed
from infra.lease import password
from infra.lease.difference import difference
from infra.lease.errors import LeaseError
from infra.lease.model import PASSWORD_TYPE, REPLACES, SERVER_TYPE, Record, ServerInputs
from infra.lease.redfish import pool
from infra.lease.retry import Patience
from infra.lease.schema import SCHEMA
from infra.lease.server import Servers, input_faults, plain_inputs
from infra.properties import has_unknown

T = TypeVar("T")
Values = dict[str, Any]

SERVER_OUTPUTS = ("state", "leaseEnd", "hardware", "unverified", "shortfalls", "fault")


class ProviderConfig(Record):
    """Configuration of a provider instance: one set of credentials for the BMCs of one environment."""

    username: str = ""
    password: str = Field(default="", repr=False)
    ca_file: str = ""
    erase: str = Field(default="require", pattern="^(require|record)$")
    eraser_image: str = ""
    lost: dict[str, str] = Field(default_factory=dict)
    version: str = ""


class LeaseProvider(api.Provider):
    """Dispatches by resource type. `log(urn, text)` shows a passing line beside the resource.

    Schema and configuration are Pulumi's own interface; resources come and go as the plain values of `values.py`,
    which `plugin.py` takes off the wire and puts on it.
    """

    def __init__(
        self, log: Callable[[str, str], None] = lambda urn, text: None, patience: Patience | None = None
    ) -> None:
        self._log = log
        self._patience = patience or Patience()
        self._servers: Servers | None = None

    async def get_schema(self, request: api.GetSchemaRequest) -> api.GetSchemaResponse:
        return api.GetSchemaResponse(json.dumps(SCHEMA))

    def set_up(self, args: Values) -> None:
        """Take over the configuration; what is not known yet counts as not given. Raises StepFailed."""
        given = {key: value for key, value in args.items() if not has_unknown(value)}
        if isinstance(given.get("lost"), str):  # the engine hands a provider's mappings over as JSON
            given["lost"] = json.loads(given["lost"])
        try:
            config = ProviderConfig.model_validate(given)
        except ValidationError as error:
            places = ", ".join(".".join(map(str, d["loc"])) for d in error.errors(include_url=False))
            raise StepFailed(
                f"the lease provider's configuration is wrong at: {places}", "Correct it in the stack."
            ) from None
        if config.username:
            http = pool(config.username, config.password, config.ca_file, self._patience)
            self._servers = Servers(http, self._patience, config.erase, config.eraser_image, config.lost)

    def checked(self, urn: str, inputs: Values) -> tuple[Values, list[tuple[str, str]]]:
        """The inputs, completed, and (path, reason) of everything wrong in them."""
        if kind(urn) == SERVER_TYPE:
            faults = input_faults(inputs)
            whole = inputs if faults else plain_inputs(ServerInputs.model_validate(inputs))
        else:
            faults = password.faults(inputs)
            whole = inputs if faults else password.inputs_with_defaults(inputs)
        return whole, faults

    def compared(self, urn: str, state: Values, new: Values, ignored: Sequence[str]) -> api.DiffResponse:
        """What the new inputs would change."""
        outputs = SERVER_OUTPUTS if kind(urn) == SERVER_TYPE else tuple(password.SECRET_OUTPUTS)
        old = {key: value for key, value in state.items() if key not in outputs}
        replacing = REPLACES if kind(urn) == SERVER_TYPE else frozenset(new)
        if state.get("imported"):  # what is known of it is its machine alone: the program tells the rest
            replacing = frozenset({"bmc"})
        answer = difference(old, new, replacing, ignored)
        # Refresh found less hardware than contracted, or got no answer: an update tries it anew.
        for output in (name for name in ("shortfalls", "fault") if state.get(name)):
            answer.changes = True
            answer.diffs = [*answer.diffs, output]
            answer.detailed_diff[output] = api.PropertyDiff(api.PropertyDiffKind.UPDATE, input_diff=False)
        return answer

    async def made(self, urn: str, inputs: Values, limit_s: float) -> tuple[str, Values]:
        """Id and state of a new resource."""
        if kind(urn) == PASSWORD_TYPE:
            return urn.rpartition("::")[2], password.create(inputs)
        return await _within(limit_s, urn, self._live().create(inputs, self._say(urn)))

    async def seen(self, urn: str, identity: str, inputs: Values, state: Values) -> tuple[Values, Values] | None:
        """Inputs and state as they are now; None when it is gone."""
        return await self._live().read(identity, state | inputs, self._say(urn))

    async def changed(self, urn: str, old: Values, new: Values, limit_s: float) -> Values:
        """The state after a server was brought to new inputs."""
        return await _within(limit_s, urn, self._live().update(old, new, self._say(urn)))

    async def removed(self, urn: str, state: Values, limit_s: float) -> None:
        """Give a server back; a password is only forgotten."""
        if kind(urn) == SERVER_TYPE:
            await _within(limit_s, urn, self._live().delete(state, self._say(urn)))

    def _live(self) -> Servers:
        if self._servers is None:
            raise LeaseError(
                "lease provider",
                "there are no BMC credentials, so no server can be reached",
                "Set them on the fleet stack: `pulumi config set bmcUsername …` and "
                "`pulumi config set --secret bmcPassword`.",
            )
        return self._servers

    def _say(self, urn: str) -> Callable[[str], None]:
        return lambda text: self._log(urn, text)


async def _within(seconds: float | None, urn: str, work: Awaitable[T]) -> T:
    """The result of `work`; LeaseError when the resource has a time limit of its own (`customTimeouts`) that passes."""
    try:
        async with asyncio.timeout(seconds or None):
            return await work
    except TimeoutError:
        problem = f"was not done within {seconds:g} s, the time limit of this resource"
        remedy = "Run it again: it continues where it stopped. Or raise the limit in the program's customTimeouts."
        raise LeaseError(urn.rpartition("::")[2], problem, remedy) from None


def kind(urn: str) -> str:
    """The resource's own type; the type in a URN begins with those of its parents (`parent$child`)."""
    return urn.split("::")[-2].rpartition("$")[2]
