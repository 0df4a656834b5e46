"""The shape of error answers in the application's OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

__all__ = ["Describe", "document_problems"]

_REFERENCE = {"$ref": "#/components/schemas/Problem"}

_ENTRY = {
    "type": "object",
    "required": ["loc", "type", "msg"],
    "properties": {
        "pointer": {"type": "string", "description": "JSON pointer into the body"},
        "loc": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
        "type": {"type": "string"},
        "msg": {"type": "string"},
    },
}

_PROBLEM = {
    "title": "Problem",
    "description": "An error answer (RFC 9457)",
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "instance"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "errors": {"type": "array", "items": _ENTRY},
    },
}


# What an endpoint may carry as `describe`: it adds to its operation, and to the shared schemas.
Describe = Callable[[dict[str, Any], dict[str, Any]], None]


def document_problems(app: FastAPI) -> None:
    """Describe FastAPI's own validation answers as the problems that they are now.

    Endpoints that read and write without FastAPI's help describe themselves; see `Describe`.
    """
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        document = make()
        schemas = dict(document.get("components", {}).get("schemas", {}))
        is_validated = schemas.pop("HTTPValidationError", None) is not None
        is_described = _describe_endpoints(app, document, schemas)
        if is_validated or is_described:
            schemas.pop("ValidationError", None)
            schemas["Problem"] = _PROBLEM
            for path in document["paths"].values():
                for operation in path.values():
                    _replace_validation_answer(operation)
            document.setdefault("components", {})["schemas"] = dict(sorted(schemas.items()))
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _describe_endpoints(app: FastAPI, document: dict[str, Any], schemas: dict[str, Any]) -> bool:
    is_described = False
    for context in iter_route_contexts(app.routes):
        describe = getattr(getattr(context, "endpoint", None), "describe", None)
        path = document["paths"].get(getattr(context, "path_format", None), {})
        if describe is None or not context.include_in_schema:
            continue
        for method in context.methods or ():
            describe(path[method.lower()], schemas)
            is_described = True
    return is_described


def _replace_validation_answer(operation: Any) -> None:
    answers = operation.get("responses", {}) if isinstance(operation, dict) else {}
    content = answers.get("422", {}).get("content", {})
    reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    if reference.endswith("/HTTPValidationError"):
        content.pop("application/json")
        content["application/problem+json"] = {"schema": _REFERENCE}
