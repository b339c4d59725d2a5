"""`ensure`: one call that makes programs ready and says where they are."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from capacity.faults import MachineLacks
from capacity.progress import Progress, Silent
from infra.toolchain import gobuild, language, official, plugins
from infra.toolchain.modules import MODULES

DEFAULT_NAMES = ("pulumi", "kubernetes")


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Programs made ready by `ensure`.

    `path_entries` go to the end of PATH, so that whatever the user installed is found first; `path_first` go before
    it, because what the user installed is too old. `binaries` maps a program's name to its path.
    """

    path_entries: tuple[Path, ...]
    binaries: Mapping[str, Path]
    path_first: tuple[Path, ...] = ()

    def binary(self, name: str) -> Path:
        """The path of a program (`pulumi`, `kubectl`, `kubelet`, …). Raises MachineLacks when it was not asked for."""
        try:
            return self.binaries[name]
        except KeyError:
            have = ", ".join(sorted(self.binaries))
            raise MachineLacks(
                f"{name} is not in this toolchain (it has {have})", "run `oss doctor --install`"
            ) from None

    def folder(self, name: str) -> Path:
        """The folder that holds a program, self-contained: it can be mounted read-only into a node."""
        return self.binary(name).parent

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """`base` (default: this process's environment) with PATH and the settings under which Pulumi stays offline."""
        made = dict(os.environ if base is None else base)
        made.pop("PYTHONDONTWRITEBYTECODE", None)  # plugins start three times as fast from compiled modules
        first = [str(path) for path in (Path(sys.executable).parent, *self.path_first)]
        last = [str(path) for path in self.path_entries]
        theirs = [entry for entry in made.get("PATH", os.defpath).split(os.pathsep) if entry not in (*first, *last)]
        made["PATH"] = os.pathsep.join([*first, *theirs, *last])
        return made | OFFLINE


OFFLINE = {"PULUMI_SKIP_UPDATE_CHECK": "true", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"}
"""With these the engine asks nobody for updates and fetches no plugin by itself."""


def ensure(names: Sequence[str] | None = None, progress: Progress | None = None) -> Toolchain:
    """Make the named programs ready: what is installed is used, what is in the store is reused, the rest is built.

    `names` are keys of `MODULES`; without them the programs that every rehearsal needs. Raises MachineLacks with the
    remedy when something cannot be had.
    """
    shown = progress or Silent()
    first: list[Path] = []
    entries: list[Path] = []
    binaries: dict[str, Path] = {}
    for name in DEFAULT_NAMES if names is None else names:
        module = MODULES[name]
        found = official.pulumi(module.version) if name == "pulumi" else None
        if found:
            shown.note(f"using the official {found}")
            binaries[name] = found
        else:
            folder = gobuild.ensure(module, shown) / "bin"
            binaries |= {path.name: path for path in folder.iterdir()} | {name: folder / module.executable}
            (first if name == "pulumi" and official.on_path("pulumi") else entries).append(folder)
        if name == "pulumi":
            runner = None if official.language_host() else language.ensure_runner(shown)
            entries.append(plugins.write(runner))
    return Toolchain(tuple(entries), binaries, tuple(first))
