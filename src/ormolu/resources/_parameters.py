"""A resource's parameters in the OpenAPI document: paths, query strings, headers."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from ormolu.query import Field, operators_of
from ormolu.resources._exposures import Exposure
from ormolu.resources._routes import Endpoint

__all__ = ["Parameters", "schema_of"]

Json = dict[str, Any]

_TEXT = {"type": "string"}
_TEMPLATE = "#/components/schemas/{model}"
_LISTED = {"in", "not_in", "between"}


class Parameters:
    """What an endpoint takes beside its body."""

    def __init__(self, endpoint: Endpoint, exposure: Exposure) -> None:
        self._endpoint = endpoint
        self._exposure = exposure
        self._declaration = exposure.declaration
        self._is_versioned = self._declaration.traits.version is not None

    @property
    def all(self) -> list[Json]:
        """Return all of them."""
        return [*self._path(), *self._query(), *self._headers()]

    def _path(self) -> list[Json]:
        if "{" not in self._endpoint.path:
            return []
        return [
            {"name": field.name, "in": "path", "required": True, "schema": schema_of(field.key)}
            for field in self._declaration.keys
        ]

    def _query(self) -> list[Json]:
        name = self._endpoint.name
        if name == "read":
            return self.selection
        if name == "create":
            match = {"type": "string", "enum": ["update", "ignore"]}
            return [
                _parameter(
                    "on_conflict", _TEXT, "Fields of a unique key: change the row that has it"
                ),
                _parameter("on_match", match, "What happens to a row with this unique key"),
            ]
        if name != "list":
            return []
        return [*self._filters(), *self.paging, *self.selection]

    def _filters(self) -> list[Json]:
        found = []
        for field in self._declaration.readable.values():
            found += [_filter(field, operator, field.name) for operator in operators_of(field)]
        for name, target in self._exposure.targets.items():
            for field in target.declaration.readable.values():
                if "eq" in operators_of(field):
                    found.append(_filter(field, "eq", f"{name}.{field.name}"))
        return found

    @property
    def paging(self) -> list[Json]:
        """Return what chooses the page."""
        most = self._declaration.max_limit
        limit = {"type": "integer", "minimum": 1, "maximum": most, "default": min(50, most)}
        modes = {"type": "string", "enum": ["exact", "capped", "estimated"]}
        found = [
            _parameter("where", _TEXT, 'JSON: {"or": [{"name": "Ann"}, {"id__gt": 7}]}'),
            _parameter(
                "sort", _TEXT, "Names of fields, `-` for descending, as `-id,name:nullsfirst`"
            ),
            _parameter("limit", limit, "Rows of a page"),
            _parameter("cursor", _TEXT, "`next_cursor` of the page before"),
            _parameter("count", modes, "Whether `total` is in the answer"),
        ]
        if self._declaration.searchable:
            names = ", ".join(sorted(self._declaration.searchable))
            found.append(_parameter("q", _TEXT, f"Words to find in {names}"))
        if self._declaration.max_offset:
            most = self._declaration.max_offset
            offset = {"type": "integer", "minimum": 0, "maximum": most, "default": 0}
            found.append(_parameter("offset", offset, "Rows to skip"))
        return found

    @property
    def selection(self) -> list[Json]:
        """Return what chooses the members of a row."""
        found = [_parameter("fields", _TEXT, "Names of the fields in the answer")]
        if self._declaration.includes:
            names = ", ".join(sorted(self._declaration.includes))
            found.append(_parameter("include", _TEXT, f"Relations in the answer: {names}"))
        return found

    def _headers(self) -> list[Json]:
        name, found = self._endpoint.name, []
        if self._is_versioned and name in {"update", "replace", "delete"}:
            is_required = self._declaration.require_if_match
            found.append(
                _header("If-Match", "ETag that the row must have", is_required=is_required)
            )
        if name == "replace":
            found.append(_header("If-None-Match", "`*`: there must be no row yet"))
        if self._is_versioned and name == "read":
            found.append(_header("If-None-Match", "ETag that the client has already"))
        if name in {"create", "update", "replace", "batch"}:
            found.append(_header("Prefer", "`return=minimal`: an answer without a body"))
        if self._declaration.idempotency and name in {
            "create", "update", "replace", "delete", "batch",
        }:  # fmt: skip
            found.append(_header("Idempotency-Key", "The same key is the same request"))
        return found


def _filter(field: Field, operator: str, name: str) -> Json:
    key = name if operator == "eq" else f"{name}__{operator}"
    schema = {"type": "boolean"} if operator == "isnull" else schema_of(field.filtered)
    if operator in _LISTED:
        sizes = {"minItems": 2, "maxItems": 2} if operator == "between" else {"maxItems": 1000}
        schema = {"type": "array", "items": schema, **sizes}
    return {"name": key, "in": "query", "required": False, "schema": schema}


def schema_of(adapter: TypeAdapter[Any]) -> Json:
    """Return the schema of a single value."""
    return adapter.json_schema(ref_template=_TEMPLATE)


def _parameter(name: str, schema: Json, description: str) -> Json:
    return {
        "name": name, "in": "query", "required": False, "schema": schema,
        "description": description,
    }  # fmt: skip


def _header(name: str, description: str, *, is_required: bool = False) -> Json:
    return {
        "name": name, "in": "header", "required": is_required, "schema": _TEXT,
        "description": description,
    }  # fmt: skip
