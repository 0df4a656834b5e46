"""The filters of a list in the OpenAPI document: as parameters, and as a JSON tree. Knows no HTTP.

A parameter for each operator of each column would make the document unreadable. So by default a
column has one parameter, whose description names the other operators.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ormolu.query import Field, spellings_of
from ormolu.resources.declare import Exposure
from ormolu.resources.openapi._components import Components, Json
from ormolu.resources.work import PARAMETERS

__all__ = ["filter_parameters", "tree_schema"]

_LISTED = {"in", "not_in", "between"}
_MEANINGS = {"eq": "Is equal", "isnull": "Whether it is NULL"}


def filter_parameters(exposure: Exposure, components: Components) -> list[Json]:
    """Return the parameters that filter a list."""
    declaration = exposure.declaration
    maker = _Maker(components, is_long=declaration.document_operators)
    found = [*maker.columns(declaration.readable)]
    for relation, target in exposure.targets_by_name.items():
        found += maker.relation(relation, target.declaration.readable)
    return found


class _Maker:
    """Makes the parameters of one list."""

    def __init__(self, components: Components, *, is_long: bool) -> None:
        self._components = components
        self._is_long = is_long

    def columns(self, fields: Mapping[str, Field]) -> Iterator[Json]:
        """Yield the parameters of the model's own columns."""
        for name, field in fields.items():
            spelled = [*spellings_of(fields, name, PARAMETERS).items()]
            for operator, written in spelled if self._is_long else spelled[:1]:
                said = _MEANINGS.get(operator, f"Compared by `{operator}`")
                if name in PARAMETERS:
                    said += f"; `{name}` alone is the list's own parameter"
                said += self._also(each for _, each in spelled[1:])
                if field.kind.family == "jsonb":
                    said += "; `contains` is PostgreSQL's alone"
                yield self._parameter(field, operator, written, said)

    def relation(self, relation: str, fields: Mapping[str, Field]) -> Iterator[Json]:
        """Yield the parameters of the columns behind a relation; by default one parameter."""
        equal = [name for name in fields if "eq" in spellings_of(fields, name)]
        for name in equal if self._is_long else equal[:1]:
            said = f"Is equal in a row of `{relation}`, whose columns have their operators here too"
            said += self._also(f"{relation}.{each}" for each in equal[1:])
            yield self._parameter(fields[name], "eq", f"{relation}.{name}", said)

    def _also(self, others: Iterable[str]) -> str:
        """Return the end of a description, which names what has no parameter of its own."""
        listed = "" if self._is_long else ", ".join(f"`{name}`" for name in others)
        return listed and f". Also {listed}"

    def _parameter(self, field: Field, operator: str, written: str, said: str) -> Json:
        schema = operand_schema(field, operator, self._components)
        return {
            "name": written, "in": "query", "required": False, "schema": schema,
            "description": said,
        }  # fmt: skip


def tree_schema(exposure: Exposure, components: Components) -> Json:
    """Return the schema of `where` in a JSON body, with a member for each operator."""
    fields = exposure.declaration.readable
    inner: Json = {"type": "object"}
    properties: Json = {name: {"type": "array", "items": inner} for name in ("and", "or")}
    properties["not"] = inner
    properties |= dict.fromkeys(exposure.targets_by_name, inner)
    taken = tuple(properties)
    for name, field in fields.items():
        for operator, written in spellings_of(fields, name, taken).items():
            schema = operand_schema(field, operator, components)
            if operator in {"eq", "ne"}:
                schema = {"anyOf": [schema, {"type": "null"}]}
            properties[written] = schema
    return {"type": "object", "properties": properties, "additionalProperties": True}


def operand_schema(field: Field, operator: str, components: Components) -> Json:
    """Return the schema of what an operator compares a field with."""
    if operator == "isnull":
        return {"type": "boolean"}
    schema = components.of_value(field.filtered)
    if operator not in _LISTED:
        return schema
    sizes = {"minItems": 2, "maxItems": 2} if operator == "between" else {"maxItems": 1000}
    return {"type": "array", "items": schema, **sizes}
