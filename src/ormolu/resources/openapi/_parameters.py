"""The parameters of an operation in the OpenAPI document: of path, query string and headers."""

from __future__ import annotations

from ormolu.resources.declare import Exposure
from ormolu.resources.http import Operation
from ormolu.resources.openapi._components import Components, Json
from ormolu.resources.openapi._documented_filters import filter_parameters

__all__ = ["Parameters"]

_TEXT = {"type": "string"}

# By the name of a header, and whether the operation reads.
_MATCHES = {
    ("If-Match", False): "ETag that the row must have",
    ("If-None-Match", False): "`*`: there must be no row yet",
    ("If-None-Match", True): "ETag that the client has already",
}


class Parameters:
    """The parameters of one operation."""

    def __init__(self, operation: Operation, exposure: Exposure, components: Components) -> None:
        self._operation = operation
        self._exposure = exposure
        self._components = components
        self._declaration = exposure.declaration
        self._is_versioned = self._declaration.traits.version is not None

    @property
    def all(self) -> list[Json]:
        """Return all of them."""
        return [*self._path(), *self._query(), *self._headers()]

    def _path(self) -> list[Json]:
        if not self._operation.is_of_row:
            return []
        names, keys = self._declaration.path_parameters, self._declaration.keys
        return [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": self._components.of_value(field.key),
                "description": f"`{field.name}` of the row",
            }
            for name, field in zip(names, keys, strict=True)
        ]

    def _query(self) -> list[Json]:
        match self._operation.query:
            case "selection":
                return self.selection
            case "page":
                filters = filter_parameters(self._exposure, self._components)
                return [*filters, *self.paging, *self.selection]
            case "upsert" if self._declaration.on_match:
                match = {"type": "string", "enum": list(self._declaration.on_match)}
                fields = "Fields of a unique key: change the row that has it"
                return [
                    _parameter("on_conflict", _TEXT, fields),
                    _parameter("on_match", match, "What happens to a row with this unique key"),
                ]
            case _:
                return []

    @property
    def paging(self) -> list[Json]:
        """Return the parameters that choose the page."""
        most = self._declaration.max_limit
        limit = {"type": "integer", "minimum": 1, "maximum": most, "default": min(50, most)}
        modes = {"type": "string", "enum": ["exact", "capped", "estimated"]}
        found = [
            _parameter("where", _TEXT, f"JSON of filters, `and`, `or` and `not`: {self._tree}"),
            _parameter(
                "sort", _TEXT, "Names of fields, `-` for descending, as `-id,name:nullsfirst`"
            ),
            _parameter("limit", limit, "Rows of a page"),
            _parameter("cursor", _TEXT, "`next_cursor` of the page before"),
            _parameter("count", modes, "Whether `total` is in the answer"),
        ]
        names = self._declaration.names
        if self._declaration.searchable:
            listed = ", ".join(sorted(names[each] for each in self._declaration.searchable))
            found.append(_parameter("q", _TEXT, f"Words to find in {listed}"))
        if self._declaration.max_offset:
            most = self._declaration.max_offset
            offset = {"type": "integer", "minimum": 0, "maximum": most, "default": 0}
            found.append(_parameter("offset", offset, "Rows to skip"))
        return found

    @property
    def _tree(self) -> str:
        """Return an example of a `where`, with an operator that every type has."""
        first, *_, last = [*(self._declaration.readable or ("name",))] * 2
        return f'`{{"or": [{{"{first}__isnull": true}}, {{"not": {{"{last}__isnull": false}}}}]}}`'

    @property
    def selection(self) -> list[Json]:
        """Return the parameters that choose the members of a row."""
        found = [_parameter("fields", _TEXT, "Names of the fields in the answer")]
        if self._declaration.includes:
            names = ", ".join(sorted(self._exposure.targets_by_name))
            found.append(_parameter("include", _TEXT, f"Relations in the answer: {names}"))
        return found

    def _headers(self) -> list[Json]:
        operation, found = self._operation, []
        for name in operation.matches:
            is_needed = name == "If-Match" and self._declaration.require_if_match
            if self._is_versioned or (name == "If-None-Match" and not operation.is_read):
                found.append(
                    _header(name, _MATCHES[name, operation.is_read], is_required=is_needed)
                )
        if not operation.is_read and operation.gives is not None:
            found.append(_header("Prefer", "`return=minimal`: an answer without a body"))
        if self._declaration.idempotency and not operation.is_read:
            found.append(_header("Idempotency-Key", "The same key is the same request"))
        return found


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
