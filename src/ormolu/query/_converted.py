"""Values that a TypeDecorator's code converts: checks for Pydantic.

A value that the code refuses or changes is refused before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

from pydantic_core import PydanticCustomError
from sqlalchemy import Dialect
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine

from ormolu.query._stored import bound_form, read_form

__all__ = ["comparable", "storable"]

# A decorator may normalise these, to lower case or UTC, say.
_NORMALISED = (str, datetime)


def storable(type_: TypeEngine[Any]) -> Callable[[Any], Any]:
    """Return a check that a value can be stored and is read again unchanged."""

    def check(value: Any) -> Any:
        stored = _bound(type_, value)
        is_changed = stored is not None and _is_changed(type_, stored, value)
        if is_changed and not isinstance(value, _NORMALISED):
            message = "Cannot be stored as it is: another value would be read"
            raise PydanticCustomError("changed", message)
        return value

    return check


def comparable(type_: TypeEngine[Any]) -> Callable[[Any], Any]:
    """Return a check that a value has always the same stored form, by which it is found."""

    def check(value: Any) -> Any:
        if _bound(type_, value) != _bound(type_, value):
            message = "Is stored in another form each time, and cannot be compared with"
            raise PydanticCustomError("not_comparable", message)
        return value

    return check


def _bound(type_: TypeEngine[Any], value: Any) -> Any:
    """Return the form in which a decorator stores a value.

    Raises:
        PydanticCustomError: It refuses the value.
    """
    try:
        return bound_form(type_, value, _dialect())
    except NotImplementedError:
        # The decorator is for another backend, which refuses values itself.
        return None
    except (OSError, RuntimeError):
        # The value is not the cause: a vault does not answer, or a key is not set.
        raise
    except Exception:
        raise PydanticCustomError("refused", "Cannot be stored") from None


def _is_changed(type_: TypeEngine[Any], stored: Any, value: Any) -> bool:
    """Tell whether a decorator reads another value than it has stored.

    Raises:
        PydanticCustomError: It cannot read what it has stored.
    """
    try:
        read = read_form(type_, stored, _dialect())
    except (ArithmeticError, ValueError):
        raise PydanticCustomError("changed", "Cannot be stored: it could not be read") from None
    except Exception:  # the driver of another backend may return another form
        return False
    return type(read) is type(value) and bool(read != value)


@cache
def _dialect() -> Dialect:
    return sqlite.dialect()
