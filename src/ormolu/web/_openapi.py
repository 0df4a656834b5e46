"""The shape of error answers in the application's OpenAPI document."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

__all__ = ["document_problems"]

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


def document_problems(app: FastAPI) -> None:
    """Describe FastAPI's own validation answers as the problems that they are now."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        schemas = document.get("components", {}).get("schemas", {})
        if schemas.pop("HTTPValidationError", None) is not None:
            schemas.pop("ValidationError", None)
            schemas["Problem"] = _PROBLEM
            for path in document["paths"].values():
                for operation in path.values():
                    _replace_validation_answer(operation)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _replace_validation_answer(operation: Any) -> None:
    answers = operation.get("responses", {}) if isinstance(operation, dict) else {}
    content = answers.get("422", {}).get("content", {})
    reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    if reference.endswith("/HTTPValidationError"):
        content.pop("application/json")
        content["application/problem+json"] = {"schema": _REFERENCE}
