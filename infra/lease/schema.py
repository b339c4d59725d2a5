"""The provider's schema, made from the models, so that `pulumi package` and `pulumi import` know its resources."""

from __future__ import annotations

from typing import Any

from infra.lease.model import PASSWORD_TYPE, SERVER_TYPE, Record, ServerInputs
from infra.lease.password import PasswordInputs

VERSION = "1.0.0"
_ANY: dict[str, Any] = {"$ref": "pulumi.json#/Any"}
_TEXT = {"type": "string"}
_LISTING = {"type": "array", "items": _TEXT}


def _property(field: dict[str, Any]) -> dict[str, Any]:
    kind = field.get("type")
    described = {"description": field["description"]} if "description" in field else {}
    if kind in ("string", "integer", "number", "boolean"):
        return {"type": kind, **described}
    return {**_ANY, **described}


def _inputs(model: type[Record]) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True)
    return {
        "inputProperties": {name: _property(field) for name, field in schema["properties"].items()},
        "requiredInputs": schema.get("required", []),
    }


def _resource(model: type[Record], outputs: dict[str, Any]) -> dict[str, Any]:
    inputs = _inputs(model)
    properties = {**inputs["inputProperties"], **outputs}
    return {"description": model.__doc__, **inputs, "properties": properties, "required": sorted(properties)}


SCHEMA: dict[str, Any] = {
    "name": "lease",
    "version": VERSION,
    "description": "Leased servers, accepted, powered and returned over Redfish",
    "config": {},
    "provider": {
        "inputProperties": {
            "username": _TEXT,
            "password": {**_TEXT, "secret": True},
            "caFile": _TEXT,
            "erase": _TEXT,
            "eraserImage": _TEXT,
            "lost": {"type": "object", "additionalProperties": _TEXT},
        }
    },
    "resources": {
        SERVER_TYPE: _resource(
            ServerInputs,
            {
                "state": _TEXT,
                "leaseEnd": _TEXT,
                "hardware": _ANY,
                "unverified": _LISTING,
                "shortfalls": _LISTING,
                "fault": _TEXT,
            },
        ),
        PASSWORD_TYPE: _resource(PasswordInputs, {"result": {**_TEXT, "secret": True}}),
    },
}
