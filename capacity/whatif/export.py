"""The files of a changed plan, for `oss plan`: the plan alone, or a folder of all that it names, packed."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import PurePosixPath

from capacity.whatif.changes import Base, Variant

_FIXED = (2018, 1, 1, 0, 0, 0)
"""Time stamp of packed files: the same changes give the same bytes."""


def plan_text(base: Base, changed: Variant) -> str:
    """The changed plan's YAML."""
    return changed.texts.get(base.inputs.path.name, base.plan.text)


def packed(base: Base, changed: Variant) -> bytes:
    """A ZIP of the plan and every table it names, in their places to each other: unpack it and run `oss plan`."""
    folder = base.inputs.path.parent.resolve()
    named = [base.inputs.path.name, *base.inputs.launch.tables.model_dump().values()]
    if base.inputs.launch.calibration:
        named.append(base.inputs.launch.calibration)
    where = {name: os.path.abspath(folder / name) for name in named}
    top = os.path.commonpath([os.path.dirname(path) for path in where.values()])
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(where.items()):
            inside = PurePosixPath(os.path.relpath(path, top)).as_posix()
            data = changed.texts[name].encode() if name in changed.texts else (folder / name).read_bytes()
            archive.writestr(zipfile.ZipInfo(inside, _FIXED), data, zipfile.ZIP_DEFLATED)
    return memory.getvalue()
