"""The Go programs that this project builds when the machine has none: one pinned module each, under `tools/`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from capacity.documents import REPOSITORY


@dataclass(frozen=True, slots=True)
class GoModule:
    """A program of a pinned Go module.

    `version_of` is the module whose version in go.mod is the program's own; empty for a program of ours.
    `variables` are linker assignments with the fields {version} (`v1.36.3`), {number} (`1.36.3`), {major} and
    {minor}. `links` are names beside the executable that it answers to.
    """

    name: str
    purpose: str
    package: str
    executable: str
    version_of: str
    variables: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    links: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return REPOSITORY / "tools" / self.name

    @property
    def sources(self) -> list[Path]:
        """Everything that decides what is built, in a stable order."""
        return sorted([self.folder / "go.mod", self.folder / "go.sum", *self.folder.glob("*.go")])

    @property
    def version(self) -> str:
        """The pinned version, as go.mod states it (`v1.36.3`); `v0.0.0` for a program of ours."""
        return pinned(self.folder / "go.mod", self.version_of) if self.version_of else "v0.0.0"

    @property
    def build_flags(self) -> list[str]:
        """The flags of `go build`: reproducible, stripped, and told their version."""
        major, minor, *_ = self.version.removeprefix("v").split(".")
        assignments = [
            text.format(version=self.version, number=self.version.removeprefix("v"), major=major, minor=minor)
            for text in self.variables
        ]
        linker = " ".join(["-s", "-w", *(f"-X {text}" for text in assignments)])
        return ["-trimpath", "-buildvcs=false", "-mod=readonly", f"-tags={','.join(self.tags)}", f"-ldflags={linker}"]


def pinned(go_mod: Path, module: str) -> str:
    """The version of `module` that a go.mod file requires. Raises LookupError when it requires none."""
    found = re.search(rf"^\s*(?:require\s+)?{re.escape(module)} (v\S+)", go_mod.read_text(), re.MULTILINE)
    if not found:
        raise LookupError(f"{go_mod} requires no {module}")
    return found[1]


PULUMI_SDK = "github.com/pulumi/pulumi/sdk/v3"
"""The module whose archive also ships `pulumi-language-python-exec`, which runs programs for the language host."""

KUBERNETES_PROGRAMS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubectl",
)

MODULES: dict[str, GoModule] = {
    module.name: module
    for module in (
        GoModule(
            name="pulumi",
            purpose="the infrastructure engine and its command line",
            package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
            executable="pulumi",
            version_of=PULUMI_SDK,
            # Without it the version is blank, and the Automation API refuses the program.
            variables=("github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={version}",),
        ),
        GoModule(
            name="kubernetes",
            purpose="etcd, the control plane, the node agents and kubectl in one executable",
            package=".",
            executable="hyper",
            version_of="k8s.io/kubernetes",
            variables=(
                "k8s.io/component-base/version.gitVersion={version}",
                "k8s.io/component-base/version.gitMajor={major}",
                "k8s.io/component-base/version.gitMinor={minor}",
                "k8s.io/component-base/version.gitTreeState=clean",
                "k8s.io/client-go/pkg/version.gitVersion={version}",
            ),
            # grpcnotrace and notest leave out debug pages that would keep the linker from dropping dead code.
            tags=("grpcnotrace", "notest"),
            links=KUBERNETES_PROGRAMS,
        ),
        GoModule(
            name="kwok",
            purpose="nodes that only pretend to run pods, for asking the scheduler and for tests",
            package="sigs.k8s.io/kwok/cmd/kwok",
            executable="kwok",
            version_of="sigs.k8s.io/kwok",
        ),
        GoModule(
            name="coredns",
            purpose="the names of a fleet and its cluster",
            package=".",
            executable="coredns",
            version_of="github.com/coredns/coredns",
        ),
        GoModule(
            name="pause",
            purpose="what holds a pod's namespaces open, for the image of that name",
            package=".",
            executable="pause",
            version_of="",
        ),
    )
}
