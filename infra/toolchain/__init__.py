"""The programs that the project needs, made ready: official ones where installed, else built from pinned modules."""

from infra.toolchain.toolchain import DEFAULT_NAMES, Toolchain, ensure

__all__ = ["DEFAULT_NAMES", "Toolchain", "ensure"]
