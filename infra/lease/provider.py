"""The provider's face to the engine: properties, previews, diffs. The work is in server.py and password.py."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pulumi.provider.experimental import provider as api
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.rpc import UNKNOWN
from pydantic import Field, ValidationError

from capacity.faults import StepFailed
from infra.lease import password
from infra.lease.difference import difference
from infra.lease.errors import LeaseError
from infra.lease.model import PASSWORD_TYPE, REPLACES, SERVER_TYPE, Record, ServerInputs
from infra.lease.redfish import pool
from infra.lease.retry import Patience
from infra.lease.schema import SCHEMA
from infra.lease.server import Servers, input_faults
from infra.lease.values import has_unknown, plain_map, property_map

T = TypeVar("T")

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
    """Dispatches by resource type. `log(urn, text)` shows a passing line beside the resource."""

    def __init__(
        self, log: Callable[[str, str], None] = lambda urn, text: None, patience: Patience | None = None
    ) -> None:
        self._log = log
        self._patience = patience or Patience()
        self._servers: Servers | None = None

    async def get_schema(self, request: api.GetSchemaRequest) -> api.GetSchemaResponse:
        return api.GetSchemaResponse(json.dumps(SCHEMA))

    async def configure(self, request: api.ConfigureRequest) -> api.ConfigureResponse:
        args = {key: value for key, value in plain_map(request.args).items() if not has_unknown(value)}
        if isinstance(args.get("lost"), str):  # the engine hands a provider's mappings over as JSON
            args["lost"] = json.loads(args["lost"])
        try:
            config = ProviderConfig.model_validate(args)
        except ValidationError as error:
            places = ", ".join(".".join(map(str, d["loc"])) for d in error.errors(include_url=False))
            raise StepFailed(
                f"the lease provider's configuration is wrong at: {places}", "Correct it in the stack."
            ) from None
        if config.username:
            http = pool(config.username, config.password, config.ca_file, self._patience)
            self._servers = Servers(http, self._patience, config.erase, config.eraser_image, config.lost)
        return api.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def check(self, request: api.CheckRequest) -> api.CheckResponse:
        inputs = plain_map(request.new_inputs)
        if has_unknown(inputs) or inputs.get("imported"):
            return api.CheckResponse(inputs=request.new_inputs)
        if _kind(request.urn) == SERVER_TYPE:
            faults = input_faults(inputs)
            if not faults:
                inputs = ServerInputs.model_validate(inputs).model_dump(mode="json", by_alias=True, exclude_none=True)
        else:
            faults = password.faults(inputs)
            if not faults:
                inputs = password.inputs_with_defaults(inputs)
        failures = [api.CheckFailure(path, reason) for path, reason in faults]
        return api.CheckResponse(inputs=property_map(inputs), failures=failures)

    async def diff(self, request: api.DiffRequest) -> api.DiffResponse:
        state, new = plain_map(request.old_state), plain_map(request.new_inputs)
        outputs = SERVER_OUTPUTS if _kind(request.urn) == SERVER_TYPE else tuple(password.SECRET_OUTPUTS)
        old = {key: value for key, value in state.items() if key not in outputs}
        replacing = REPLACES if _kind(request.urn) == SERVER_TYPE else frozenset(new)
        if state.get("imported"):  # what is known of it is its machine alone: the program tells the rest
            replacing = frozenset({"bmc"})
        answer = difference(old, new, replacing, request.ignore_changes)
        # Refresh found less hardware than contracted, or got no answer: an update tries it anew.
        for output in (name for name in ("shortfalls", "fault") if state.get(name)):
            answer.changes = True
            answer.diffs = [*answer.diffs, output]
            answer.detailed_diff[output] = api.PropertyDiff(api.PropertyDiffKind.UPDATE, input_diff=False)
        return answer

    async def create(self, request: api.CreateRequest) -> api.CreateResponse:
        inputs = plain_map(request.properties)
        if _kind(request.urn) == PASSWORD_TYPE:
            outputs = {**inputs, "result": UNKNOWN} if request.preview else password.create(inputs)
            return api.CreateResponse("" if request.preview else request.name, _secret_map(outputs))
        if request.preview or has_unknown(inputs):
            return api.CreateResponse("", {**request.properties, **_unknown(SERVER_OUTPUTS)})
        work = self._live().create(inputs, self._say(request.urn))
        identity, state = await _within(request.timeout, request.urn, work)
        return api.CreateResponse(identity, property_map(state))

    async def read(self, request: api.ReadRequest) -> api.ReadResponse:
        if _kind(request.urn) == PASSWORD_TYPE:
            return api.ReadResponse(request.resource_id, request.properties, request.inputs)
        known = plain_map(request.properties) | plain_map(request.inputs)
        found = await self._live().read(request.resource_id, known, self._say(request.urn))
        if found is None:
            return api.ReadResponse("", {}, {})
        inputs, state = found
        return api.ReadResponse(request.resource_id, property_map(state), property_map(inputs))

    async def update(self, request: api.UpdateRequest) -> api.UpdateResponse:
        new = plain_map(request.news)
        if request.preview or has_unknown(new):
            return api.UpdateResponse({**request.news, **_unknown(SERVER_OUTPUTS)})
        work = self._live().update(plain_map(request.olds), new, self._say(request.urn))
        state = await _within(request.timeout, request.urn, work)
        return api.UpdateResponse(property_map(state))

    async def delete(self, request: api.DeleteRequest) -> None:
        if _kind(request.urn) == SERVER_TYPE:
            work = self._live().delete(plain_map(request.properties), self._say(request.urn))
            await _within(request.timeout, request.urn, work)

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


def _kind(urn: str) -> str:
    """The resource's own type; the type in a URN begins with those of its parents (`parent$child`)."""
    return urn.split("::")[-2].rpartition("$")[2]


def _unknown(names: tuple[str, ...]) -> dict[str, PropertyValue]:
    return {name: PropertyValue(UNKNOWN) for name in names}


def _secret_map(values: dict[str, Any]) -> dict[str, PropertyValue]:
    return property_map(values, password.SECRET_OUTPUTS)
