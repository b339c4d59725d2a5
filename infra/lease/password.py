"""`lease:index:Password`: a random secret that stays the same until its keepers change."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError

from infra.lease.model import Record

ALPHABET = string.ascii_letters + string.digits
"""Letters and digits only: safe in URLs, shells and connection strings without quoting."""

SECRET_OUTPUTS = frozenset({"result"})


class PasswordInputs(Record):
    """Inputs. 24 letters and digits carry 143 bits."""

    length: int = Field(default=24, ge=16, le=128)
    keepers: dict[str, str] = Field(default_factory=dict, description="a change of any makes a new secret")


def inputs_with_defaults(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs, completed. Raises pydantic's ValidationError."""
    return PasswordInputs.model_validate(dict(properties)).model_dump(by_alias=True)


def faults(properties: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(path, reason) for everything wrong in the inputs."""
    try:
        inputs_with_defaults(properties)
    except ValidationError as error:
        return [(".".join(map(str, d["loc"])), d["msg"]) for d in error.errors(include_url=False)]
    return []


def create(properties: Mapping[str, Any]) -> dict[str, Any]:
    """A new secret of the asked length, from the machine's source of randomness."""
    inputs = inputs_with_defaults(properties)
    return {**inputs, "result": "".join(secrets.choice(ALPHABET) for _ in range(inputs["length"]))}
