"""The stacks of one environment, opened through the Automation API with the project's own program and state."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pulumi import automation as auto
from pulumi.automation._stack import StackInitMode

from capacity.documents import REPOSITORY, write_text
from capacity.faults import StepFailed
from capacity.progress import Progress
from infra.engine.command import EngineCommand
from infra.engine.failures import failure
from infra.engine.locks import clear_sidecars, clear_stale_locks
from infra.engine.preview import Collect, LayerPreview
from infra.engine.show import Show, counted
from infra.engine.stack_files import stack_file, unsalted
from infra.paths import state_dir
from infra.toolchain import Toolchain

LAYERS = ("fleet", "platform", "services")
"""In the order in which they are brought up."""

POLICY_PACK = REPOSITORY / "stacks" / "policies"
"""Rules over the fleet; its previews and updates always run them."""

ENGINE_MEMORY = {"GOGC": "400", "GOMEMLIMIT": "400MiB"}
"""The engine holds little and makes much garbage, a whole state at each step: collecting it seldom saves a fifth of its
time. Above the limit it collects as often as it must."""

_PARALLEL = 32  # creates wait for BMCs and rollouts most of their time


def passphrase_file(environment: str) -> Path:
    """The file with the passphrase of the environment's Pulumi secrets, made on first use with mode 0600."""
    path = state_dir(environment) / "passphrase"
    if not path.exists():
        write_text(path, secrets.token_urlsafe(32) + "\n", mode=0o600)
    return path


def pulumi_environment(environment: str) -> dict[str, str]:
    """What Pulumi needs to know to work on an environment, by hand as well as from here."""
    backend = state_dir(environment) / "pulumi"
    backend.mkdir(mode=0o700, exist_ok=True)
    return {
        "PULUMI_HOME": str(_home(backend / "home")),
        # Without metadata: its sidecars are written in place, and one that a kill left half written makes the state
        # unreadable ("failed to load checkpoint: EOF"). The state itself is renamed into its place.
        "PULUMI_BACKEND_URL": f"file://{backend}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase_file(environment)),
        # The salt of the secrets is in the state, so that stack files in the repository need not change.
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        # A policy pack is started in stacks/, whose platform.py must not stand for Python's own.
        "PYTHONSAFEPATH": "1",
    } | {name: os.environ.get(name, value) for name, value in ENGINE_MEMORY.items()}


def _home(folder: Path) -> Path:
    """Pulumi's own folder for an environment. With a file where its logs would go it keeps none: they hold every
    property of every resource, in clear until the stack is known, and cost a third of the engine's time."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if not (folder / "logs").exists():
        write_text(folder / "logs", "A file, so that Pulumi keeps no logs of its own here.\n", mode=0o600)
    installed = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"
    if installed.is_dir() and not (folder / "plugins").exists():
        (folder / "plugins").symlink_to(installed)
    return folder


def has_state(environment: str, layer: str) -> bool:
    """Whether the layer was ever opened; nothing is made."""
    state = state_dir(environment) / "pulumi" / ".pulumi" / "stacks" / "oss"
    return any(state.glob(f"{environment}.{layer}.json*"))


class Environment:
    """One environment's stacks. Methods raise StepFailed with the engine's last words."""

    def __init__(self, name: str, toolchain: Toolchain, progress: Progress, project: Path = REPOSITORY) -> None:
        self.name = name
        self.variables = toolchain.environment() | pulumi_environment(name)
        self._project = project
        self._progress = progress
        self._command = EngineCommand(toolchain.binary("pulumi"), progress.note)

    def up(self, layer: str) -> dict[str, int]:
        """Bring a layer to its program; how many resources each operation touched.

        The fleet is read first: a server that lost its power since is powered on again.
        """
        with self._open(layer) as stack:
            show = Show(self._progress, layer)
            try:
                stack.up(
                    refresh=layer == "fleet",
                    on_event=show,
                    parallel=_PARALLEL,
                    color="never",
                    policy_packs=_policy_packs(layer),
                )
            finally:
                for note in show.policies:
                    self._progress.note(f"{layer}: {note.policy}: {note.problem}. {note.remedy}")
        return show.counts

    def preview(self, layer: str, **options: Any) -> LayerPreview:
        """What `up` would do to a layer, even where a policy refuses it.

        `options` are those of the Automation API's preview.
        """
        collect = Collect(layer, self._progress)
        options.setdefault("policy_packs", _policy_packs(layer))
        with self._open(layer) as stack:
            try:
                result = stack.preview(on_event=collect, parallel=_PARALLEL, color="never", **options)
            except auto.CommandError:
                if not any(note.level == "mandatory" for note in collect.found.policies):
                    raise
            else:
                collect.found.counts = counted(result.change_summary)
        return collect.found

    def refresh(self, layer: str) -> dict[str, int]:
        """Bring the state of a layer to what is really there."""
        show = Show(self._progress, layer)
        with self._open(layer) as stack:
            stack.refresh(on_event=show, parallel=_PARALLEL, color="never")
        return show.counts

    def destroy(self, layer: str) -> dict[str, int]:
        """Remove everything of a layer, and the stack itself with its history."""
        show = Show(self._progress, layer)
        with self._open(layer) as stack:
            stack.destroy(on_event=show, parallel=_PARALLEL, color="never")
            stack.workspace.remove_stack(stack.name, preserve_config=True)
        return show.counts

    def forget(self, layer: str) -> None:
        """Drop a layer's state without touching what it describes: for a cluster that is gone with its servers."""
        with self._open(layer) as stack:
            stack.workspace.remove_stack(stack.name, force=True, preserve_config=True)

    def outputs(self, layer: str) -> dict[str, Any]:
        """The outputs of a layer in clear, for typed reading; empty when it was never applied."""
        if not has_state(self.name, layer):
            return {}
        with self._open(layer) as stack:
            return {name: output.value for name, output in stack.workspace.stack_outputs(stack.name).items()}

    def configure(self, layer: str, values: Mapping[str, str]) -> None:
        """Write settings into the layer's stack file where they differ."""
        with self._open(layer) as stack:
            have = stack.get_all_config()
            for key, value in values.items():
                found = have.get(f"oss:{key}")
                if found is None or found.value != value:
                    stack.set_config(f"oss:{key}", auto.ConfigValue(value))

    def configure_object(self, layer: str, key: str, values: Mapping[str, str]) -> None:
        """Write the members of one structured setting into the layer's stack file."""
        with self._open(layer) as stack:
            members = {f"oss:{key}.{name}": auto.ConfigValue(value) for name, value in values.items()}
            stack.set_all_config(members, path=True)

    @contextlib.contextmanager
    def _open(self, layer: str) -> Iterator[auto.Stack]:
        if layer not in LAYERS:
            raise StepFailed(f"there is no layer {layer}", f"Use one of {', '.join(LAYERS)}.")
        name = f"{self.name}.{layer}"
        file = stack_file(self.name, layer, self._project)
        with _file_kept(file):
            try:
                backend = state_dir(self.name) / "pulumi"
                clear_stale_locks(backend, name, self._progress)
                clear_sidecars(backend, name)
                workspace = auto.LocalWorkspace(
                    work_dir=str(self._project), env_vars=self.variables, pulumi_command=self._command
                )
                yield _Stack(name, workspace, StackInitMode.CREATE_OR_SELECT)
            except auto.CommandError as error:
                raise failure(name, error) from None


class _Stack(auto.Stack):
    """A stack whose runs are known by their events. Asked for what the Automation API asks for behind each of them,
    outputs and history, the engine reads the whole state three times more."""

    def outputs(self) -> auto.OutputMap:
        return {}

    def info(self, show_secrets: bool = True) -> auto.UpdateSummary | None:
        return auto.UpdateSummary("", dt.datetime.now(dt.UTC), "", {}, {}, "")


def _policy_packs(layer: str) -> list[str] | None:
    return [str(POLICY_PACK)] if layer == "fleet" else None


@contextlib.contextmanager
def _file_kept(file: Path) -> Iterator[None]:
    """Leave a stack file as it was, unless its settings changed. Pulumi writes it anew to note its salt, which the
    state keeps as well; a file that had a salt keeps it."""
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    try:
        yield
    finally:
        after = file.read_text(encoding="utf-8") if file.exists() else ""
        kept = unsalted(before, after)
        if not kept:
            file.unlink(missing_ok=True)
        elif kept != after:
            write_text(file, kept)
