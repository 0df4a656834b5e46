"""JSON as a client may send it: UTF-8, finite, without a key twice, not too deep."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from ormolu.errors import RefusedError
from ormolu.query import Location, entry_of

__all__ = ["read_json"]

_MAX_DEPTH = 100


def read_json(raw: bytes, location: Location) -> Any:
    """Read a JSON text.

    Raises:
        RefusedError: It is none, or has a key twice.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise _refuse(location, "Is not UTF-8") from None
    try:
        value = json.loads(
            text,
            object_pairs_hook=lambda pairs: _read_object(pairs, location),
            parse_constant=lambda name: _refuse_constant(name, location),
        )
    except (RecursionError, ValueError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "Is not valid JSON"
        raise _refuse(location, reason) from None
    _check_depth(value, location)
    return value


def _read_object(pairs: list[tuple[str, Any]], location: Location) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise _refuse(location, "Has a key twice")
    return value


def _refuse_constant(name: str, location: Location) -> NoReturn:
    raise _refuse(location, f"{name} is no JSON")


def _check_depth(value: Any, location: Location) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > _MAX_DEPTH:
            raise _refuse(location, "Is nested too deep")
        level = [
            inner
            for each in level
            if isinstance(each, (dict, list))
            for inner in (each.values() if isinstance(each, dict) else each)
        ]


def _refuse(location: Location, message: str) -> RefusedError:
    entry = entry_of(location, "json_invalid", message)
    # A body that is no JSON is no request; a parameter that is none is a wrong value.
    code = "malformed_json" if location[0] == "body" else "validation_error"
    return RefusedError(code, f"{'.'.join(map(str, location))}: {message}", [entry])
