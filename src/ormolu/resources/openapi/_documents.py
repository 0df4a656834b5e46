"""A resource in the application's OpenAPI document: parameters, bodies, answers, schemas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from ormolu.query import SIGNIFICANT_DIGITS
from ormolu.resources.declare import Exposure
from ormolu.resources.http import Operation
from ormolu.resources.openapi._components import Components, Json
from ormolu.resources.openapi._documented_filters import tree_schema
from ormolu.resources.openapi._parameters import Parameters
from ormolu.web import problem_reference

__all__ = ["complete"]

_MEANINGS = {
    400: "No valid JSON, or not UTF-8", 403: "Visible, and not writable", 404: "No such row",
    409: "In conflict with another row", 412: "The row is of another version",
    413: "The body is too large", 415: "The body is not JSON", 422: "A value is wrong",
    428: "If-Match is required", 503: "Busy; try again after Retry-After",
    504: "It took too long, and was given up",
    507: "The disk is full",
}  # fmt: skip

_TEXT = {"type": "string"}
_CREATED = 201


def complete(
    offered: Operation, exposure: Exposure, document: tuple[Json, Json], *, is_for_sqlite: bool
) -> None:
    """Complete an operation in the document.

    Args:
        offered: The operation.
        exposure: What it shows.
        document: The operation as FastAPI documents it, and all schemas; both are changed.
        is_for_sqlite: Whether SQLite may store the rows.
    """
    operation, schemas = document
    components = Components(schemas)
    _Description(offered, exposure, components, is_for_sqlite=is_for_sqlite).complete(operation)


class _Description:
    """The description of one operation."""

    def __init__(
        self,
        offered: Operation,
        exposure: Exposure,
        components: Components,
        *,
        is_for_sqlite: bool,
    ) -> None:
        self._is_for_sqlite = is_for_sqlite
        self._offered = offered
        self._exposure = exposure
        self._declaration = exposure.declaration
        self._components = components
        self._parameters = Parameters(offered, exposure, components)
        self._is_versioned = self._declaration.traits.version is not None

    def complete(self, operation: Json) -> None:
        parameters = _once([*operation.get("parameters", []), *self._parameters.all])
        if parameters:
            operation["parameters"] = parameters
        body = self._body()
        if body is not None:
            operation["requestBody"] = {"required": True, "content": body}
        answers = {str(self._offered.status): self._success()}
        answers |= self._other_successes()
        for status in self._problems():
            answers[str(status)] = self._problem(status)
        operation["tags"] = _tags(operation.get("tags", []), self._declaration.path.strip("/"))
        # The responses that the program gave to include_router stay.
        operation["responses"] = operation.get("responses", {}) | answers

    def _problems(self) -> tuple[int, ...]:
        dropped = set() if self._declaration.require_if_match else {428}
        dropped |= {403} if self._declaration.policy is None else set()
        return tuple(status for status in sorted(self._offered.problems) if status not in dropped)

    def _problem(self, status: int) -> Json:
        reference = problem_reference(self._components.schemas)
        content = {"application/problem+json": {"schema": reference}}
        return {"description": _MEANINGS[status], "content": content}

    def _body(self) -> Json | None:
        schemas = self._exposure.schemas
        match self._offered.takes:
            case "row":
                return _json(self._model(schemas.create))
            case "changes":
                reference = self._model(schemas.update)
                return {**_json(reference), "application/merge-patch+json": {"schema": reference}}
            case "query":
                return _json(self._add("Query", self._query_schema()))
            case "steps":
                return _json(self._add("Batch", self._batch_schema()))
            case None:
                return None

    def _success(self) -> Json:
        answer: Json = {"description": "Successful Response"}
        match self._offered.gives:
            case "page":
                return {**answer, "content": _json(self._page())}
            case "results":
                return {**answer, "content": _json(self._results())}
            case "row":
                return {**answer, **self._row()}
            case None:
                return {"description": "It is deleted"}

    def _row(self) -> Json:
        headers = {"ETag": _answered("Version of the row")} if self._is_versioned else {}
        if self._offered.status == _CREATED:
            headers["Location"] = _answered("Path of the row")
        content = _json(self._public(self._exposure))
        return {"content": content, "headers": headers} if headers else {"content": content}

    def _other_successes(self) -> Json:
        match self._offered.name:
            case "create":
                shown = _json(self._public(self._exposure))
                return {"200": {"description": "A row with this key was there", "content": shown}}
            case "replace":
                shown = _json(self._public(self._exposure))
                return {
                    "201": {"description": "It is new", "content": shown},
                    "204": {"description": "Changed, as Prefer asks for no body"},
                }
            case "update":
                return {"204": {"description": "Changed, as Prefer asks for no body"}}
            case "read" if self._is_versioned:
                return {"304": {"description": "The client has it already"}}
            case "batch":
                shown = _json(self._results())
                return {"207": {"description": "Some failed, if not atomic", "content": shown}}
            case _:
                return {}

    def _public(self, exposure: Exposure) -> Json:
        """Return a reference to the schema of a row; its relations are there if included."""
        # The program's own model may have the first name, or another resource of the same model.
        names = _names(exposure, "Public")
        name = self._components.free_name(names, lambda held: held is exposure.documented)
        if name in self._components.schemas:
            return self._components.reference(name)
        schema = self._components.of_model(
            exposure.schemas.public, "serialization", exposure.declaration.name
        )
        exposure.documented = self._components.schemas[name] = schema
        if exposure.public is not None:
            _rename_members(schema, exposure.public.members)
        properties, declaration = schema.setdefault("properties", {}), exposure.declaration
        for relation, target in exposure.targets.items():
            shown = self._public(target)
            is_many = declaration.mapper.relationships[relation].uselist
            many = {"type": "array", "items": shown, "maxItems": 100}
            form = many if is_many else {"anyOf": [shown, {"type": "null"}]}
            properties[declaration.names[relation]] = form
        return self._components.reference(name)

    def _model(self, model: type[BaseModel]) -> Json:
        schema = self._components.of_model(model, "validation", self._declaration.name)
        if self._is_for_sqlite:
            _limit_digits(schema, [self._declaration.names[name]
                                   for name in self._declaration.digit_checks])  # fmt: skip
        suffix = model.__name__.removeprefix(self._declaration.name)
        schema["examples"] = [_example(schema, self._components.schemas)]
        return self._add(suffix, schema)

    def _add(self, suffix: str, schema: Json) -> Json:
        return self._components.put(schema, _names(self._exposure, suffix))

    def _results(self) -> Json:
        return self._components.put(_RESULTS, ["BatchResults"])

    def _page(self) -> Json:
        items = {"type": "array", "items": self._public(self._exposure)}
        kinds = {"type": "string", "enum": ["exact", "at_least", "estimate"]}
        properties = {
            "items": items,
            "next_cursor": {"anyOf": [_TEXT, {"type": "null"}]},
            "total": {"type": "integer"},
            "total_kind": kinds,
            "truncated": {"type": "array", "items": _TEXT},
        }
        return self._add("Page", _object(properties, ("items", "next_cursor")))

    def _query_schema(self) -> Json:
        offered = self._parameters
        named = {each["name"]: each["schema"] for each in [*offered.paging, *offered.selection]}
        named["where"] = self._add("Where", tree_schema(self._exposure, self._components))
        for name in ("sort", "fields", "include"):
            if name in named:
                named[name] = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}
        schema = _object(named, ())
        return {**schema, "additionalProperties": True, "examples": [{"limit": 10}]}

    def _batch_schema(self) -> Json:
        schemas, operations = self._exposure.schemas, self._declaration.operations
        keys = [self._components.of_value(field.key) for field in self._declaration.keys]
        size = {"minItems": len(keys), "maxItems": len(keys)}
        several = {"type": "array", "items": {"anyOf": [{"type": "integer"}, _TEXT]}, **size}
        key = keys[0] if len(keys) == 1 else several
        tag = {"if_match": _TEXT}
        forms = []
        data = self._model(schemas.create) if "create" in operations else {}
        if "create" in operations:
            forms.append(_step("create", {"data": data}, ("data",)))
        if self._declaration.on_match:
            unique = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}
            matched = {"type": "string", "enum": list(self._declaration.on_match)}
            properties = {"data": data, "on_conflict": unique, "on_match": matched}
            forms.append(_step("upsert", properties, ("data", "on_conflict")))
        if "update" in operations:
            data = self._model(schemas.update)
            forms.append(_step("update", {"id": key, "data": data, **tag}, ("id", "data")))
        if "delete" in operations:
            forms.append(_step("delete", {"id": key, **tag}, ("id",)))
        form = {"oneOf": forms} if forms else {"type": "object"}
        steps = {"type": "array", "items": form, "minItems": 1, "maxItems": 100}
        properties = {"operations": steps, "atomic": {"type": "boolean", "default": True}}
        return {**_object(properties, ("operations",)), "additionalProperties": False}


_RESULTS: Json = {
    "title": "Batch Results",
    "type": "object",
    "required": ["results"],
    "properties": {
        "results": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["status"],
                "properties": {
                    "status": {"type": "integer"},
                    "etag": _TEXT,
                    "location": _TEXT,
                    "body": {"type": "object"},
                },
            },
        }
    },
}


def _step(kind: str, properties: Json, required: tuple[str, ...]) -> Json:
    schema = _object({"op": {"type": "string", "const": kind}, **properties}, ("op", *required))
    return {**schema, "additionalProperties": False}


def _object(properties: Json, required: tuple[str, ...]) -> Json:
    schema: Json = {"type": "object", "properties": properties}
    return {**schema, "required": list(required)} if required else schema


def _tags(tags: Sequence[str], own: str) -> list[str]:
    """Return the tags of the program; the resource's own where there are none."""
    found = list(tags)
    if len(found) > 1 and own in found:
        # FastAPI puts them before ours, which the program's functions for ids may use.
        del found[len(found) - 1 - found[::-1].index(own)]
    return found


def _once(parameters: Sequence[Json]) -> list[Json]:
    """Return the first parameter of each name; names of headers are the same in either case."""
    found: dict[tuple[str, str], Json] = {}
    for each in parameters:
        place, name = each["in"], each["name"]
        found.setdefault((place, name.lower() if place == "header" else name), each)
    return list(found.values())


def _names(exposure: Exposure, suffix: str) -> tuple[str, str]:
    declaration = exposure.declaration
    return f"{declaration.name}{suffix}", f"{_camel(declaration.path)}{suffix}"


def _camel(path: str) -> str:
    return "".join(
        part.capitalize() for part in path.replace("-", "/").replace("_", "/").split("/")
    )


def _rename_members(schema: Json, members: Mapping[str, str | None]) -> None:
    """Give the members of a schema the clients' names; None leaves one out."""
    named = {name: members.get(name, name) for name in schema.get("properties", {})}
    kept = {name: new for name, new in named.items() if new is not None}
    required = set(schema.pop("required", ()))
    schema["properties"] = {new: schema["properties"][name] for name, new in kept.items()}
    if required & kept.keys():
        schema["required"] = [new for name, new in kept.items() if name in required]


def _limit_digits(schema: Json, names: Sequence[str]) -> None:
    """Document the digits that SQLite keeps of decimals."""
    limit = f"SQLite keeps {SIGNIFICANT_DIGITS} significant digits."
    for name in names:
        member = schema.get("properties", {}).get(name)
        if member is not None:
            member["description"] = f"{member.get('description', '')} {limit}".strip()


def _answered(description: str) -> Json:
    return {"schema": _TEXT, "description": description}


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _example(schema: Json, schemas: Json) -> Json:
    required = set(schema.get("required", ())) or set(list(schema.get("properties", {}))[:1])
    return {
        name: _example_of(name, member, schemas)
        for name, member in schema.get("properties", {}).items()
        if name in required
    }


_EXAMPLES = {
    "date-time": "2026-01-31T12:00:00Z", "date-time-local": "2026-01-31T12:00:00",
    "date": "2026-01-31", "time": "12:00:00Z", "time-local": "12:00:00",
    "duration": "P1DT2H", "uuid": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "decimal": "1",
}  # fmt: skip
_SIMPLE: dict[str, Any] = {"integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}}


def _example_of(name: str, schema: Json, schemas: Json) -> Any:
    if "$ref" in schema:
        return _example_of(name, schemas.get(schema["$ref"].rpartition("/")[2], {}), schemas)
    options = schema.get("anyOf", [schema])
    first = options[0]
    if "default" in schema:
        return schema["default"]
    if "enum" in first or "const" in first:
        return first.get("enum", [first.get("const")])[0]
    if first.get("format") in _EXAMPLES:
        return _EXAMPLES[first["format"]]
    if first.get("contentEncoding") == "base64":
        return "aGVsbG8="
    return _SIMPLE.get(first.get("type"), name.replace("_", " ")[: first.get("maxLength", 50)])
