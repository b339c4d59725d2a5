"""What changes between a server's state and its new inputs, as `pulumi preview --diff` shows it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pulumi.provider.experimental.provider import DiffResponse, PropertyDiff, PropertyDiffKind

_REPLACING = {
    PropertyDiffKind.ADD: PropertyDiffKind.ADD_REPLACE,
    PropertyDiffKind.DELETE: PropertyDiffKind.DELETE_REPLACE,
    PropertyDiffKind.UPDATE: PropertyDiffKind.UPDATE_REPLACE,
}


def changes(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, PropertyDiffKind]]:
    """Every path at which two plain values differ. An unknown new value differs from whatever stands."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _member(
                key in old, key in new, old.get(key), new.get(key), f"{path}.{key}" if path else str(key)
            )
    elif isinstance(old, list) and isinstance(new, list):
        for at in range(max(len(old), len(new))):
            was, is_ = (old[at] if at < len(old) else None), (new[at] if at < len(new) else None)
            yield from _member(at < len(old), at < len(new), was, is_, f"{path}[{at}]")
    elif old != new:
        yield path, PropertyDiffKind.UPDATE


def _member(had: bool, has: bool, old: Any, new: Any, path: str) -> Iterator[tuple[str, PropertyDiffKind]]:
    if had and has:
        yield from changes(old, new, path)
    else:
        yield path, PropertyDiffKind.ADD if has else PropertyDiffKind.DELETE


def difference(
    old: Mapping[str, Any], new: Mapping[str, Any], replacing: Collection[str], ignored: Collection[str] = ()
) -> DiffResponse:
    """The engine's answer. A change below a property in `replacing` replaces the resource, the old one first."""
    found = {path: kind for path, kind in changes(old, new) if _top(path) not in ignored}
    replaces = sorted({_top(path) for path in found} & set(replacing))
    return DiffResponse(
        changes=bool(found),
        replaces=replaces,
        # one machine, one address: the new server can only stand where the old one has left
        delete_before_replace=bool(replaces),
        diffs=sorted({_top(path) for path in found}),
        detailed_diff={
            path: PropertyDiff(_REPLACING[kind] if _top(path) in replacing else kind, input_diff=True)
            for path, kind in found.items()
        },
    )


def _top(path: str) -> str:
    return path.split(".")[0].split("[")[0]
