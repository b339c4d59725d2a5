"""The OpenAPI 3.1 document, from the table of operations and their models."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from pydantic.json_schema import models_json_schema

from loadtests.target.web import Operation

PROBLEM = {
    "type": "object",
    "required": ["type", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}


def document(title: str, operations: Sequence[Operation]) -> dict[str, Any]:
    """The OpenAPI document of these operations."""
    inputs = {o.body for o in operations if o.body}
    answers = {o.answer for o in operations if o.answer}
    models = [(m, "validation") for m in sorted(inputs, key=lambda m: m.__name__)]
    models += [(m, "serialization") for m in sorted(answers, key=lambda m: m.__name__)]
    names, schemas = models_json_schema(models, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation, names)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "paths": paths,
        "components": {
            "schemas": {**schemas.get("$defs", {}), "Problem": PROBLEM},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _described(operation: Operation, names: Any) -> dict[str, Any]:
    out: dict[str, Any] = {"operationId": operation.id, "summary": operation.summary, "responses": {}}
    if operation.roles:
        out["security"] = [{"bearer": []}]
    parameters = [_parameter("id", "path", True, "integer")] if "{id}" in operation.path else []
    parameters += [_parameter(name, "query", False) for name in operation.query]
    parameters += [_parameter(name, "header", True) for name in operation.headers]
    if parameters:
        out["parameters"] = parameters
    if operation.body:
        schema = names[(operation.body, "validation")]
        out["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    elif operation.binary_body:
        out["requestBody"] = {"required": True, "content": {media: {} for media in operation.binary_body}}
    answer: dict[str, Any] = {"description": HTTPStatus(operation.status).phrase}
    if operation.answer:
        schema = names[(operation.answer, "serialization")]
        answer["content"] = {"application/json": {"schema": schema}}
    out["responses"][str(operation.status)] = answer
    for status in _problems(operation):
        out["responses"][str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    return out


def _parameter(name: str, where: str, required: bool, kind: str = "string") -> dict[str, Any]:
    return {"name": name, "in": where, "required": required, "schema": {"type": kind}}


def _problems(operation: Operation) -> list[int]:
    implied = {503}
    implied |= {401, 403} if operation.roles else set()
    implied |= {415, 422, 413} if operation.body else set()
    implied |= {415, 413} if operation.binary_body else set()
    implied |= {404} if "{id}" in operation.path else set()
    return sorted(implied | set(operation.problems))
