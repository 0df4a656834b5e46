"""The parameters of a function, read from a request: those of one plain value without FastAPI.

FastAPI asks anew for each request of which kind a parameter is, which takes longer than to read it.
It is still asked for every other kind, and where a value is missing or wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ormolu.web._fastapi import parameter_reader, read_parameter

__all__ = ["Read", "reader_of"]

# Returns the values by name, and what is wrong with them.
Read = Callable[[Mapping[str, Any]], tuple[dict[str, Any], list[Any]]]

_PLAIN = frozenset(each for kind in (bool, float, int, str) for each in (kind, kind | None))

# A text that is a value of all of them.
_PROBE = "1"


def reader_of(fields: Sequence[Any]) -> Read:
    """Return what reads some parameters, as FastAPI does.

    Args:
        fields: What FastAPI keeps of the parameters that are in one place of a request.
    """
    plain = [(field.name, field.alias, field.validate) for field in fields if _is_plain(field)]

    def read(source: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
        values: dict[str, Any] = {}
        for name, alias, validate in plain:
            value = source.get(alias)
            if value is None:
                return theirs(source)
            values[name], errors = validate(value)
            if errors:
                return theirs(source)
        return values, []

    def theirs(source: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
        found: tuple[dict[str, Any], list[Any]] = parameter_reader()(fields, source)
        return found

    return read if len(plain) == len(fields) else theirs


def _is_plain(field: Any) -> bool:
    """Tell whether a parameter is one value, which FastAPI reads by one name and validates."""
    try:
        annotation, alias, other, config = read_parameter(field)
        if annotation not in _PLAIN or other not in {None, alias} or config:
            return False
        value, errors = field.validate(_PROBE)
        expected = {} if errors else {field.name: value}
        return bool(parameter_reader()([field], {alias: _PROBE})[0] == expected)
    except (AttributeError, TypeError):
        return False
