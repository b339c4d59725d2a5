"""The operations of the provider in plain Python: check, diff, create, read, update, delete.

Each resource applies under a field manager of its own, derived from its URN. So a create that was killed half-way is
recognised and finished by the next run, while an object that somebody else made is never taken over in silence.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.kubernetes_provider import changes, drift, expected, naming, readiness, waiting
from infra.kubernetes_provider.cluster import ApiError, Cluster, NoSuchKind, NoSuchObject, Unreachable, Where
from infra.kubernetes_provider.naming import NamingRule
from infra.kubernetes_provider.settings import Settings
from infra.kubernetes_provider.tokens import CLUSTER_SCOPED, Kind, identifier, kind_of, split_identifier
from infra.kubernetes_provider.waiting import Log, Waits
from infra.properties import Secret, has_unknown, marked_like, revealed

FIELD_MANAGER = "pulumi-kubernetes"
MANAGER_KEY = "__fieldManager"
_PATCH_FORCE = "pulumi.com/patchForce"
_PATCH_MANAGER = "pulumi.com/patchFieldManager"
_PROPAGATION = "pulumi.com/deletionPropagationPolicy"
_SECRET_FIELDS = ("data", "stringData")

Properties = dict[str, Any]


class NotReady(Exception):
    """The object was written, but did not become ready. The engine keeps it, and tries again in the next run."""

    def __init__(self, reason: str, resource_id: str, properties: Properties, inputs: Mapping[str, Any]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.resource_id = resource_id
        self.properties = properties
        self.inputs = inputs


class Refused(Exception):
    """The operation cannot be done as asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Diff:
    """Changed paths, those among them that need a new object, and whether the old one must go first."""

    changed: Mapping[str, changes.Change]
    replaces: list[str] = field(default_factory=list)
    delete_first: bool = False


def token_of(urn: str) -> str:
    """The resource token inside a URN; parents' tokens come before it (`urn:pulumi:stack::project::A$B::name`)."""
    return urn.split("::")[2].rpartition("$")[2]


def manager_for(urn: str) -> str:
    """The field manager of a resource: the common prefix and eight hexadecimal digits of its URN."""
    return f"{FIELD_MANAGER}-{hashlib.sha256(urn.encode()).hexdigest()[:8]}"


class Provider:
    """Resources of one cluster. Thread-safe: the engine calls many operations at once."""

    def __init__(self, settings: Settings, log: Log, cluster: Cluster | None = None) -> None:
        self._settings = settings
        self._log = log
        self._cluster = cluster or Cluster(settings)
        self._waits = Waits(self._cluster, log)
        self._warned = threading.Event()

    def cancel(self) -> None:
        """End every wait at once."""
        self._waits.cancel()

    # -- check and diff: pure but for the question whether a kind has a namespace ------------------------------------

    def check(
        self, urn: str, old: Mapping[str, Any], new: Mapping[str, Any], seed: bytes, rule: NamingRule
    ) -> Properties:
        """The inputs completed: apiVersion, kind, name and namespace. Raises ValueError when they cannot be."""
        plain = _without_none(revealed(new))
        kind = kind_of(token_of(urn), plain)
        if kind.name.endswith("List") and "items" in plain:
            raise ValueError(f"{kind.name} is a list of objects: declare each object as a resource of its own")
        plain |= {"apiVersion": kind.api_version, "kind": kind.name}
        metadata = plain.get("metadata", {})
        if isinstance(metadata, Mapping):
            old_metadata = revealed(old).get("metadata") if old else None
            if kind.is_patch and not metadata.get("name"):
                raise ValueError("metadata.name is missing: a patch must say which object it patches")
            metadata = naming.named(metadata, urn.rpartition("::")[2], seed, old_metadata, rule)
            if metadata.get("namespace") is None and self._namespaced(kind):
                metadata["namespace"] = self._settings.default_namespace
            plain["metadata"] = metadata
        made: Properties = marked_like(plain, new)
        if (kind.group, kind.name) == ("", "Secret"):
            made |= {key: Secret(revealed(made[key])) for key in _SECRET_FIELDS if key in made}
        return made

    def diff(self, urn: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Diff:
        """What changes between two sets of inputs, and which of it needs a new object."""
        kind = kind_of(token_of(urn), revealed(new))
        changed = changes.differences(old, new)
        replaces = changes.replacing(kind, changed, {name: self._settings.flag(name) for name in _MUTABILITY})
        before, after = revealed(old).get("metadata") or {}, revealed(new).get("metadata") or {}
        same_place = all(before.get(key) == after.get(key) for key in ("name", "namespace"))
        return Diff(changed, replaces, bool(replaces) and same_place and not naming.was_autonamed(after))

    # -- create and update -------------------------------------------------------------------------------------------

    def create(self, urn: str, inputs: Mapping[str, Any], timeout_s: float, preview: bool) -> tuple[str, Properties]:
        """Make the object and wait until it is ready: its identifier and its state. Raises NotReady or Refused."""
        plain = revealed(inputs)
        kind = kind_of(token_of(urn), plain)
        manager = _manager(urn, kind, plain)
        if preview:
            return "", self._preview(plain, inputs, lambda: self._preview_create(kind, plain, manager))
        metadata = plain["metadata"]
        if "name" not in metadata:
            live = self._waits.patiently(
                lambda: self._cluster.post((kind, metadata.get("namespace"), ""), plain, manager)
            )
        else:
            where = (kind, metadata.get("namespace"), metadata["name"])
            self._clear_the_place(urn, where, manager)
            live = self._waits.patiently(lambda: self._cluster.apply(where, plain, manager, force=self._force(plain)))
        return identifier(live["metadata"]), self._awaited(urn, kind, live, inputs, manager, timeout_s)

    def update(
        self,
        urn: str,
        resource_id: str,
        state: Mapping[str, Any],
        inputs: Mapping[str, Any],
        timeout_s: float,
        preview: bool,
    ) -> Properties:
        """Bring the object to `inputs` and wait until it is ready: its state. Raises NotReady or Refused."""
        plain = revealed(inputs)
        kind = kind_of(token_of(urn), plain)
        manager = revealed(state).get(MANAGER_KEY) or _manager(urn, kind, plain)
        where = _where(kind, resource_id)
        body = _placed(plain, where)

        def dry_run() -> Mapping[str, Any]:
            live = self._cluster.apply(where, body, manager, force=self._force(plain), dry_run=True)
            return expected.after_update(live, plain)

        if preview:
            return self._preview(plain, inputs, dry_run)
        try:
            live = self._cluster.apply(where, body, manager, force=self._force(plain))
        except Unreachable as error:
            if not self._settings.flag("skipUpdateUnreachable"):
                raise
            self._log.warning(f"not updated, the cluster cannot be reached: {error}", urn)
            return dict(state)
        return self._awaited(urn, kind, live, inputs, manager, timeout_s)

    def _preview(
        self, plain: Mapping[str, Any], inputs: Mapping[str, Any], dry_run: Callable[[], Mapping[str, Any]]
    ) -> Properties:
        """The state that the deployment would give, as far as it can be known before."""
        if has_unknown(plain):
            return dict(expected.from_inputs(inputs))
        try:
            return _state(dry_run(), inputs, None)
        except (NoSuchObject, NoSuchKind):  # its namespace or its definition is made by the same deployment
            return dict(expected.from_inputs(inputs))
        except Unreachable as error:
            if not self._warned.is_set():
                self._warned.set()
                self._log.warning(f"previewing without the cluster, which cannot be reached: {error}")
            return dict(expected.from_inputs(inputs))

    def _preview_create(self, kind: Kind, plain: Mapping[str, Any], manager: str) -> Mapping[str, Any]:
        metadata = plain["metadata"]
        where = (kind, metadata.get("namespace"), metadata.get("name", ""))
        if not where[2]:
            return expected.after_create(self._cluster.post(where, plain, manager, dry_run=True), plain)
        standing = self._standing(where)
        if kind.is_patch and standing is None:
            raise NoSuchObject(f"{identifier(metadata)} is not there")
        if standing is not None and not kind.is_patch:
            if not _managed_by(standing, FIELD_MANAGER):
                self._refuse_foreign(where, standing, manager)
            return expected.from_inputs(plain)  # it will be deleted first, or was made by a killed run
        live = self._cluster.apply(where, plain, manager, force=self._force(plain), dry_run=True)
        return expected.after_create(live, plain)

    def _clear_the_place(self, urn: str, where: Where, manager: str) -> None:
        """Before a create: see that the object is not there, or is ours; one that is ending is waited for."""
        standing = self._standing(where)
        if where[0].is_patch:
            if standing is None:
                raise Refused(f"{where[0].name} {where[2]} is not there: a patch needs an object to patch")
        elif standing is not None and standing["metadata"].get("deletionTimestamp"):
            self._await_gone(urn, where, readiness.DEFAULT_TIMEOUT_SECONDS)
        elif standing is not None:
            self._refuse_foreign(where, standing, manager)

    def _await_gone(self, urn: str, where: Where, limit_s: float) -> None:
        if reason := self._waits.until_gone(urn, where, limit_s):
            raise Refused(f"{where[0].name} {where[2]} is still there, {reason}")

    def _refuse_foreign(self, where: Where, standing: Mapping[str, Any], manager: str) -> None:
        if _managed_by(standing, manager) or self._settings.flag("upsertExistingObjects"):
            return
        place = identifier(standing["metadata"])
        raise Refused(
            f"{where[0].name} {place} is in the cluster already, and this resource did not make it. Import it "
            f"(`pulumi import`), rename the resource, or set upsertExistingObjects on the provider"
        )

    def _standing(self, where: Where) -> dict[str, Any] | None:
        try:
            return self._cluster.get(where)
        except (NoSuchObject, NoSuchKind):
            return None

    def _awaited(
        self,
        urn: str,
        kind: Kind,
        live: dict[str, Any],
        inputs: Mapping[str, Any],
        manager: str,
        timeout_s: float,
    ) -> Properties:
        """The state once the object is ready. Raises NotReady with the reason."""
        if kind.is_patch:
            return _state(live, inputs, manager)
        where = (kind, live["metadata"].get("namespace"), live["metadata"]["name"])
        live, reason = self._waits.until_ready(urn, where, live, waiting.timeout_s(live, timeout_s))
        state = _state(live, inputs, manager)
        if reason:
            raise NotReady(reason, identifier(live["metadata"]), state, inputs)
        return state

    # -- read and delete ---------------------------------------------------------------------------------------------

    def read(
        self, urn: str, resource_id: str, inputs: Mapping[str, Any], state: Mapping[str, Any]
    ) -> tuple[Properties, Properties] | None:
        """State and inputs of the living object, or None when it is gone. Raises Unreachable."""
        plain, known = revealed(inputs), revealed(state)
        kind = kind_of(token_of(urn), plain or known)
        where = _where(kind, resource_id)
        try:
            if where[1] is None and self._cluster.namespaced(kind):
                where = (kind, self._settings.default_namespace, where[2])
            live = self._cluster.get(where)
        except (NoSuchObject, NoSuchKind):
            return None
        except Unreachable as error:
            if not self._settings.flag("deleteUnreachable"):
                raise
            self._log.warning(f"dropped from the state, the cluster cannot be reached: {error}", urn)
            return None
        manager = known.get(MANAGER_KEY) or _manager(urn, kind, plain)
        found = self._live_inputs(plain, live, where, manager) if plain else drift.adopted_inputs(live)
        marked = marked_like(found, inputs)
        if (kind.group, kind.name) == ("", "Secret"):
            marked |= {key: Secret(revealed(marked[key])) for key in _SECRET_FIELDS if key in marked}
        return _state(live, marked, manager), marked

    def _live_inputs(self, plain: dict[str, Any], live: dict[str, Any], where: Where, manager: str) -> dict[str, Any]:
        try:
            wanted = self._cluster.apply(where, _placed(plain, where), manager, force=True, dry_run=True)
        except ApiError:  # the drift is in a field that cannot be set back: compare with the inputs themselves
            wanted = plain
        return drift.live_inputs(plain, wanted, live)

    def delete(
        self, urn: str, resource_id: str, inputs: Mapping[str, Any], state: Mapping[str, Any], timeout_s: float
    ) -> None:
        """Remove the object and wait until it is gone. Raises Refused when it is not gone in time."""
        plain, known = revealed(inputs), revealed(state)
        kind = kind_of(token_of(urn), plain or known)
        where = _where(kind, resource_id)
        try:
            if kind.is_patch:
                self._withdraw(where, known.get(MANAGER_KEY) or _manager(urn, kind, plain))
            else:
                notes = readiness.notes_of(plain or known)
                self._cluster.delete(where, str(notes.get(_PROPAGATION, "foreground")).capitalize())
                if notes.get(readiness.SKIP_AWAIT) != "true":
                    self._await_gone(urn, where, waiting.timeout_s(plain or known, timeout_s))
        except (NoSuchObject, NoSuchKind):
            return
        except Unreachable as error:
            if not self._settings.flag("deleteUnreachable"):
                raise
            self._log.warning(f"dropped from the state, the cluster cannot be reached: {error}", urn)

    def _withdraw(self, where: Where, manager: str) -> None:
        """Give up the fields that a patch set: apply nothing but the object's identity."""
        self._cluster.get(where)
        head = {"apiVersion": where[0].api_version, "kind": where[0].name}
        self._cluster.apply(where, _placed(head, where), manager, force=False)

    # ----------------------------------------------------------------------------------------------------------------

    def _namespaced(self, kind: Kind) -> bool:
        if kind.name in CLUSTER_SCOPED:
            return False
        if "." not in kind.group or kind.group.endswith(".k8s.io"):
            return True
        try:
            return self._cluster.namespaced(kind)
        except (NoSuchKind, Unreachable):
            return False  # nobody can say yet; the deployment's own check asks again

    def _force(self, plain: Mapping[str, Any]) -> bool:
        return readiness.notes_of(plain).get(_PATCH_FORCE, "") == "true" or self._settings.flag("enablePatchForce")


_MUTABILITY = ("enableConfigMapMutable", "enableSecretMutable")


def _manager(urn: str, kind: Kind, plain: Mapping[str, Any]) -> str:
    named = readiness.notes_of(plain).get(_PATCH_MANAGER) if kind.is_patch else None
    return str(named or manager_for(urn))


def _managed_by(live: Mapping[str, Any], manager: str) -> bool:
    """Whether `manager`, or one of its family, has applied fields of the object."""
    entries = live["metadata"].get("managedFields", [])
    family = manager if manager != FIELD_MANAGER else f"{FIELD_MANAGER}-"
    return any(str(entry.get("manager", "")).startswith(family) for entry in entries)


def _where(kind: Kind, resource_id: str) -> Where:
    namespace, name = split_identifier(resource_id)
    return kind, namespace, name


def _placed(plain: Mapping[str, Any], where: Where) -> dict[str, Any]:
    """The inputs as an apply body for the object at `where`."""
    metadata = {key: value for key, value in plain.get("metadata", {}).items() if key != "generateName"}
    metadata["name"] = where[2]
    if where[1]:
        metadata["namespace"] = where[1]
    return {**plain, "metadata": metadata}


def _state(live: Mapping[str, Any], inputs: Mapping[str, Any], manager: str | None) -> Properties:
    """What the engine keeps: the object without the record of field managers, with the secrets of the inputs marked."""
    metadata = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
    state: Properties = marked_like({**live, "metadata": metadata}, inputs)
    if (live.get("apiVersion"), live.get("kind")) == ("v1", "Secret"):
        state |= {key: Secret(revealed(state[key])) for key in _SECRET_FIELDS if key in state}
    if manager:
        state |= {MANAGER_KEY: manager, "__initialApiVersion": live["apiVersion"]}
    return state


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value
