"""The shape of error answers in the application's OpenAPI document."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain, count
from typing import Any

from fastapi import FastAPI

from ormolu.web._fastapi import route_contexts

__all__ = ["Describer", "document_problems", "problem_reference"]

_log = logging.getLogger("ormolu")

Json = dict[str, Any]

_PREFIX = "#/components/schemas/"
_PLACE = re.compile(r"{([^}]*)}")

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


@dataclass(frozen=True)
class Describer:
    """What an endpoint carries as `describe` that reads and writes without FastAPI's help.

    Attributes:
        name: What the log calls it.
        prepare: Is called before FastAPI makes the document of an application.
        complete: Adds to the endpoint's operation, and to the schemas that all share.
    """

    name: str
    prepare: Callable[[FastAPI], object]
    complete: Callable[[FastAPI, Json, Json], None]


def problem_reference(schemas: Json) -> Json:
    """Return a reference to the shape of error answers, kept under a name that is free."""
    names = chain(["Problem", "ErrorAnswer"], (f"ErrorAnswer{number}" for number in count(2)))
    # The program may have a model of its own with this name.
    name = next(name for name in names if schemas.setdefault(name, _PROBLEM) == _PROBLEM)
    return {"$ref": _PREFIX + name}


def document_problems(app: FastAPI, *, is_everywhere: bool) -> None:
    """Describe FastAPI's own validation answers as the problems that they are now.

    Endpoints that read and write without FastAPI's help describe themselves; see `Describer`.

    Args:
        app: The application.
        is_everywhere: Whether those of all routes are problems, not of such endpoints alone.
    """
    make = app.openapi

    def openapi() -> Json:
        if app.openapi_schema is not None:
            return app.openapi_schema
        for prepare in {each.prepare for each in _describers(app).values()}:
            prepare(app)
        document = make()
        schemas = dict(document.get("components", {}).get("schemas", {}))
        _describe_endpoints(app, document, schemas)
        for path in document.get("paths", {}).values() if is_everywhere else ():
            for operation in path.values():
                _replace_validation_answer(operation, schemas)
        if schemas:
            document.setdefault("components", {})["schemas"] = dict(sorted(schemas.items()))
            _drop_unused(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _documented(app: FastAPI) -> dict[tuple[str, str], Any]:
    """Return the route that FastAPI documents for each path and method: the last of them."""
    return {
        (str(context.path_format), method.lower()): context
        for context in route_contexts(app.routes)
        if getattr(context, "include_in_schema", False) and hasattr(context, "path_format")
        for method in context.methods or ()
    }


def _describers(app: FastAPI) -> dict[tuple[str, str], Describer]:
    found = {
        place: getattr(getattr(context, "endpoint", None), "describe", None)
        for place, context in _documented(app).items()
    }
    return {place: each for place, each in found.items() if isinstance(each, Describer)}


def _describe_endpoints(app: FastAPI, document: Json, schemas: Json) -> None:
    for (place, method), describer in _describers(app).items():
        path = document.get("paths", {}).get(place, {})
        if method in path:
            path[method] = _described(app, describer, path[method], schemas)
            _add_places(path[method], place)
            _replace_validation_answer(path[method], schemas)


def _described(app: FastAPI, describer: Describer, operation: Json, schemas: Json) -> Json:
    """Return the whole operation; as FastAPI made it, if what is told of it is no JSON."""
    draft, shared = deepcopy(operation), dict(schemas)
    try:
        describer.complete(app, draft, shared)
        new = {name: each for name, each in shared.items() if schemas.get(name) is not each}
        json.dumps([draft, new], allow_nan=False, ensure_ascii=False).encode()
    except Exception:
        _log.exception("/openapi.json: %s is described without its details.", describer.name)
        return operation
    schemas.update(new)
    return draft


def _add_places(operation: Json, place: str) -> None:
    """Add the parameters of a prefix, as `/shops/{shop}`, that no dependency has declared."""
    parameters = operation.get("parameters", [])
    declared = {each["name"] for each in parameters if each["in"] == "path"}
    missing = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PLACE.findall(place)
        if name not in declared
    ]
    if missing:
        operation["parameters"] = [*missing, *parameters]


def _replace_validation_answer(operation: Any, schemas: Json) -> None:
    answers = operation.get("responses", {}) if isinstance(operation, dict) else {}
    content = answers.get("422", {}).get("content", {})
    reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    if reference == _PREFIX + "HTTPValidationError":
        content.pop("application/json")
        content["application/problem+json"] = {"schema": problem_reference(schemas)}


def _drop_unused(document: Json) -> None:
    """Drop the schemas of FastAPI's validation answers where nothing refers to them any more."""
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        if name in schemas and f'"{_PREFIX}{name}"' not in json.dumps(document, default=str):
            schemas.pop(name)
