"""The provider process: serves `pulumirpc.ResourceProvider` on loopback and prints its port."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib import metadata
from typing import Any

import grpc
import yaml
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, status_pb2
from pulumi.runtime.proto import provider_pb2 as messages
from pulumi.runtime.proto import provider_pb2_grpc as rpc

from infra.kubernetes_provider import changes, settings
from infra.kubernetes_provider.cluster import ApiError, Conflict, Unreachable
from infra.kubernetes_provider.naming import NamingRule
from infra.kubernetes_provider.provider import NotReady, Provider, Refused
from infra.kubernetes_provider.settings import Settings
from infra.properties import UNKNOWN, from_struct, revealed, to_struct

VERSION = metadata.version("pulumi-kubernetes")
ANNOUNCEMENT = (
    f"kubernetes {VERSION}: this is the project's stand-in for the official plugin, which is not installed here"
)
_MESSAGE_LIMIT = 400 * 1024 * 1024  # as the engine's own
_THREADS = 128  # one for each operation under way; most of them wait


class EngineLog:
    """Messages to the engine, shown beside the resource that they are about."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._engine: Any = None

    def connect(self, address: str) -> None:
        self._address, self._engine = address, None

    def info(self, message: str, urn: str = "") -> None:
        self._send(engine_pb2.INFO, message, urn)

    def warning(self, message: str, urn: str = "") -> None:
        self._send(engine_pb2.WARNING, message, urn)

    def status(self, message: str, urn: str) -> None:
        self._send(engine_pb2.INFO, message, urn, ephemeral=True)

    def _send(self, severity: Any, message: str, urn: str, ephemeral: bool = False) -> None:
        if not self._address:
            return
        if self._engine is None:
            self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(self._address))
        with suppress(grpc.RpcError):  # a message that cannot be shown must not fail the operation
            self._engine.Log(
                engine_pb2.LogRequest(severity=severity, message=message, urn=urn, ephemeral=ephemeral), timeout=5
            )


class KubernetesProvider(rpc.ResourceProviderServicer):
    """Translates between the protocol and `Provider`."""

    def __init__(self, engine: str) -> None:
        self._log = EngineLog(engine)
        self._provider = Provider(Settings(kubeconfig=None), self._log)

    def Handshake(self, request: Any, context: Any) -> Any:
        self._log.connect(request.engine_address)
        return messages.ProviderHandshakeResponse(accept_secrets=True, supports_autonaming_configuration=True)

    def Attach(self, request: Any, context: Any) -> Any:
        self._log.connect(request.address)
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetSchema(self, request: Any, context: Any) -> Any:
        return messages.GetSchemaResponse(schema=json.dumps({"name": "kubernetes", "version": VERSION}))

    def Cancel(self, request: Any, context: Any) -> Any:
        self._provider.cancel()
        return empty_pb2.Empty()

    # -- the provider's own settings ---------------------------------------------------------------------------------

    def CheckConfig(self, request: Any, context: Any) -> Any:
        failures = []
        try:
            settings.parse(from_struct(request.news))
        except ValueError as error:
            failures.append(messages.CheckFailure(reason=str(error)))
        return messages.CheckResponse(inputs=request.news, failures=failures)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        old, new = from_struct(request.old_inputs or request.olds), from_struct(request.news)
        changed = changes.differences(old, new)
        replaces = ["kubeconfig"] if changed and _is_other_cluster(revealed(old), revealed(new)) else []
        return _diff_response(changed, replaces, delete_first=False)

    def Configure(self, request: Any, context: Any) -> Any:
        given: dict[str, Any] = {key.rpartition(":")[2]: value for key, value in request.variables.items()}
        given |= from_struct(request.args)
        with _translated_errors(context):
            self._provider = Provider(settings.parse(given), self._log)
        self._log.info(ANNOUNCEMENT)
        return messages.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    def Invoke(self, request: Any, context: Any) -> Any:
        if request.tok != "kubernetes:yaml:decode":
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{request.tok} needs the official Kubernetes plugin")
        arguments = revealed(from_struct(request.args))
        try:
            objects = list(_decoded(arguments.get("text", ""), arguments.get("defaultNamespace")))
        except yaml.YAMLError as error:
            return messages.InvokeResponse(failures=[messages.CheckFailure(property="text", reason=str(error))])
        answer = messages.InvokeResponse()
        getattr(answer, "return").CopyFrom(to_struct({"result": objects}))
        return answer

    def Construct(self, request: Any, context: Any) -> Any:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{request.type} needs the official Kubernetes plugin")

    # -- resources ---------------------------------------------------------------------------------------------------

    def Check(self, request: Any, context: Any) -> Any:
        mode = messages.CheckRequest.AutonamingOptions.Mode.Name(request.autonaming.mode)
        rule = NamingRule(mode, request.autonaming.proposed_name) if request.HasField("autonaming") else NamingRule()
        try:
            inputs = self._provider.check(
                request.urn, from_struct(request.olds), from_struct(request.news), request.randomSeed, rule
            )
        except (ValueError, TypeError) as error:
            return messages.CheckResponse(inputs=request.news, failures=[messages.CheckFailure(reason=str(error))])
        return messages.CheckResponse(inputs=to_struct(inputs))

    def Diff(self, request: Any, context: Any) -> Any:
        with _translated_errors(context):
            diff = self._provider.diff(request.urn, from_struct(request.old_inputs), from_struct(request.news))
            return _diff_response(diff.changed, diff.replaces, diff.delete_first)

    def Create(self, request: Any, context: Any) -> Any:
        with _translated_errors(context):
            inputs = from_struct(request.properties)
            made_id, state = self._provider.create(request.urn, inputs, request.timeout, request.preview)
            return messages.CreateResponse(id=made_id, properties=to_struct(state))

    def Read(self, request: Any, context: Any) -> Any:
        with _translated_errors(context):
            inputs, state = from_struct(request.inputs), from_struct(request.properties)
            found = self._provider.read(request.urn, request.id, inputs, state)
            if found is None:
                return messages.ReadResponse(id="")
            return messages.ReadResponse(id=request.id, properties=to_struct(found[0]), inputs=to_struct(found[1]))

    def Update(self, request: Any, context: Any) -> Any:
        with _translated_errors(context):
            state, inputs = from_struct(request.olds), from_struct(request.news)
            made = self._provider.update(request.urn, request.id, state, inputs, request.timeout, request.preview)
            return messages.UpdateResponse(properties=to_struct(made))

    def Delete(self, request: Any, context: Any) -> Any:
        with _translated_errors(context):
            inputs, state = from_struct(request.old_inputs), from_struct(request.properties)
            self._provider.delete(request.urn, request.id, inputs, state, request.timeout)
        return empty_pb2.Empty()


def _is_other_cluster(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether the provider's settings now mean another cluster, so that every object has to be made there anew.

    As the official plugin decides it: by clusterIdentifier where one is set, else by the kubeconfig's active cluster.
    """
    try:
        before, after = settings.parse(old), settings.parse(new)
    except ValueError:
        return False
    if before.cluster_identifier or after.cluster_identifier:
        return before.cluster_identifier != after.cluster_identifier
    if before.kubeconfig is None or after.kubeconfig is None or new.get("kubeconfig") is UNKNOWN:
        return False
    return before.active()[1] != after.active()[1]


def _decoded(text: str, namespace: str | None) -> Iterator[dict[str, Any]]:
    """The objects of a YAML stream, lists taken apart."""
    for document in yaml.safe_load_all(text):
        if not isinstance(document, dict):
            continue
        parts = document.get("items", []) if str(document.get("kind", "")).endswith("List") else [document]
        for part in parts:
            if namespace:
                part.setdefault("metadata", {}).setdefault("namespace", namespace)
            yield part


def _diff_response(changed: Mapping[str, changes.Change], replaces: list[str], delete_first: bool) -> Any:
    detailed = {}
    for path, change in changed.items():
        kind = f"{change}_REPLACE" if path in replaces else change
        detailed[path] = messages.PropertyDiff(kind=messages.PropertyDiff.Kind.Value(kind), inputDiff=True)
    return messages.DiffResponse(
        changes=messages.DiffResponse.DIFF_SOME if changed else messages.DiffResponse.DIFF_NONE,
        replaces=replaces,
        deleteBeforeReplace=delete_first,
        diffs=sorted({path.partition(".")[0].partition("[")[0] for path in changed}),
        detailedDiff=detailed,
        hasDetailedDiff=True,
    )


@contextmanager
def _translated_errors(context: Any) -> Iterator[None]:
    """Turns errors that a user can act on into statuses of the protocol."""
    try:
        yield
    except NotReady as error:
        detail = messages.ErrorResourceInitFailed(
            id=error.resource_id,
            properties=to_struct(error.properties),
            reasons=[error.reason],
            inputs=to_struct(error.inputs),
        )
        packed = any_pb2.Any()
        packed.Pack(detail)
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=error.reason, details=[packed])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(grpc.StatusCode.UNKNOWN, error.reason)
    except Conflict as error:
        context.abort(
            grpc.StatusCode.ALREADY_EXISTS,
            f"{error}\nAnother field manager owns these fields. Take them over with the annotation "
            f'pulumi.com/patchForce: "true", or leave them out of the program.',
        )
    except Unreachable as error:
        context.abort(
            grpc.StatusCode.UNAVAILABLE,
            f"the Kubernetes cluster cannot be reached: {error}\nIf it is gone for good, set deleteUnreachable on the "
            f"provider (or PULUMI_K8S_DELETE_UNREACHABLE=true) and run `pulumi refresh`.",
        )
    except (ApiError, Refused, ValueError) as error:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))


def serve(add: Callable[[grpc.Server], None]) -> None:
    """Serve on a free loopback port, print it for the engine, and stay."""
    server = grpc.server(
        ThreadPoolExecutor(_THREADS),
        options=[("grpc.max_receive_message_length", _MESSAGE_LIMIT), ("grpc.max_send_message_length", _MESSAGE_LIMIT)],
    )
    add(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", nargs="?", default="", help="address of the engine; the handshake gives it otherwise")
    arguments, _ = parser.parse_known_args()
    servicer = KubernetesProvider(arguments.engine)
    serve(lambda server: rpc.add_ResourceProviderServicer_to_server(servicer, server))


if __name__ == "__main__":
    main()
