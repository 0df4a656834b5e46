"""The shared schemas of an OpenAPI document, under names that are unique. Knows no HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, count
from operator import eq
from typing import Any

from pydantic import BaseModel, TypeAdapter

__all__ = ["Components", "Json"]

Json = dict[str, Any]

_PREFIX = "#/components/schemas/"
_TEMPLATE = _PREFIX + "{model}"
# OpenAPI 3.1, 4.8.7.1: the keys of components.
_FORBIDDEN = re.compile(r"[^a-zA-Z0-9._-]")


class Components:
    """The schemas of one document, to which FastAPI adds its own.

    Attributes:
        schemas: All of them by name.
    """

    def __init__(self, schemas: Json) -> None:
        self.schemas: Json = schemas
        self._values: dict[TypeAdapter[Any], Json] = {}

    def put(self, schema: Json, names: Sequence[str]) -> Json:
        """Store a schema under the first free name of some; return a reference to it."""
        name = self.free_name(names, partial(eq, schema))
        self.schemas[name] = schema
        return self.reference(name)

    def reference(self, name: str) -> Json:
        """Return a reference to a schema."""
        return {"$ref": _PREFIX + name}

    def free_name(self, names: Sequence[str], is_same: Callable[[Any], bool]) -> str:
        """Return the first name that is free or of the same schema; numbered ones come last."""
        plain = [_FORBIDDEN.sub("_", name) for name in names]
        numbered = (f"{plain[-1]}{number}" for number in count(2))
        return next(
            name
            for name in chain(plain, numbered)
            if name not in self.schemas or is_same(self.schemas[name])
        )

    def of_model(self, model: type[BaseModel], mode: Any, owner: str) -> Json:
        """Return the schema of a Pydantic model, and store those that it refers to.

        Args:
            model: The model.
            mode: "validation" or "serialization".
            owner: The prefix for names of the stored schemas that are not free.
        """
        schema = model.model_json_schema(ref_template=_TEMPLATE, mode=mode)
        for member in schema.get("properties", {}).values():
            # A default of None means "left out"; JSON has neither infinity nor lone surrogates.
            if member.get("default") is None or not _is_json(member["default"]):
                member.pop("default", None)
        return self._hoist(schema, owner)

    def of_value(self, adapter: TypeAdapter[Any]) -> Json:
        """Return the schema of a single value, and store those that it refers to."""
        if adapter not in self._values:
            schema = adapter.json_schema(ref_template=_TEMPLATE)
            self._values[adapter] = self._hoist(schema, "Value")
        return self._values[adapter]

    def _hoist(self, schema: Json, owner: str) -> Json:
        definitions: Json = schema.pop("$defs", {})
        renamed = {}
        for name, definition in definitions.items():
            # Two modules may have classes of one name.
            free = self.free_name([name, f"{owner}{name}"], partial(eq, definition))
            self.schemas[free] = definition
            if free != name:
                renamed[_PREFIX + name] = _PREFIX + free
        if renamed:
            for name, definition in definitions.items():
                free = renamed.get(_PREFIX + name, _PREFIX + name).removeprefix(_PREFIX)
                self.schemas[free] = _replace(definition, renamed)
            schema = _replace(schema, renamed)
        return schema


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError):
        return False
    return True


def _replace(node: Any, renamed: dict[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _replace(inner, renamed) for key, inner in node.items()}
    if isinstance(node, list):
        return [_replace(inner, renamed) for inner in node]
    return renamed.get(node, node) if isinstance(node, str) else node
