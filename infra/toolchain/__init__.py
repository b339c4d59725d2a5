"""The programs that the project needs, made ready: official ones where installed, else built from pinned modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.toolchain.toolchain import DEFAULT_NAMES, Toolchain, ensure

__all__ = ["DEFAULT_NAMES", "Toolchain", "ensure"]


def __getattr__(name: str) -> Any:
    """Read only when asked for: every plugin process starts in this package, and needs none of it."""
    if name not in __all__:
        raise AttributeError(name)
    from infra.toolchain import toolchain

    return getattr(toolchain, name)
