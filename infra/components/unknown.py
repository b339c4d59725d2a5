"""Values that a preview cannot know yet, as outputs that the engine shows as such."""

from __future__ import annotations

import asyncio

import pulumi


def unknown_text() -> pulumi.Output[str]:
    """A text that is only known once other stacks stand. Use it in previews alone."""
    value: asyncio.Future[str] = asyncio.Future()
    value.set_result("")
    known: asyncio.Future[bool] = asyncio.Future()
    known.set_result(False)
    return pulumi.Output(set(), value, known)
