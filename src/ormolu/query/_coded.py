"""Values that pass a decorator's code on their way to the database: checks for Pydantic.

A value that the code refuses, or makes another one of, is refused before anything is sent.
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

# Of other kinds a decorator may make a usual form: small letters, say, or UTC.
_NORMALISED = (str, datetime)


def storable(type_: TypeEngine[Any]) -> Callable[[Any], Any]:
    """Return what checks that a value is stored, and read again as it is."""

    def check(value: Any) -> Any:
        stored = _bound(type_, value)
        is_changed = stored is not None and _is_changed(type_, stored, value)
        if is_changed and not isinstance(value, _NORMALISED):
            message = "Cannot be stored as it is: another value would be read"
            raise PydanticCustomError("changed", message)
        return value

    return check


def comparable(type_: TypeEngine[Any]) -> Callable[[Any], Any]:
    """Return what checks that a value is found again by what is stored of it."""

    def check(value: Any) -> Any:
        if _bound(type_, value) != _bound(type_, value):
            message = "Is stored in another form each time, and cannot be compared with"
            raise PydanticCustomError("not_comparable", message)
        return value

    return check


def _bound(type_: TypeEngine[Any], value: Any) -> Any:
    """Return what a decorator makes of a value.

    Raises:
        PydanticCustomError: It refuses it.
    """
    try:
        return bound_form(type_, value, _dialect())
    except NotImplementedError:
        # It is for another backend, which says itself what it refuses.
        return None
    except (OSError, RuntimeError):
        # Not of this value: a vault that does not answer, a key that is not set.
        raise
    except Exception:
        raise PydanticCustomError("refused", "Cannot be stored") from None


def _is_changed(type_: TypeEngine[Any], stored: Any, value: Any) -> bool:
    """Tell whether a decorator reads another value of what it makes of one.

    Raises:
        PydanticCustomError: It cannot read that at all.
    """
    try:
        read = read_form(type_, stored, _dialect())
    except (ArithmeticError, ValueError):
        raise PydanticCustomError("changed", "Cannot be stored: it could not be read") from None
    except Exception:  # what it makes of its own form may depend on the backend
        return False
    return type(read) is type(value) and bool(read != value)


@cache
def _dialect() -> Dialect:
    return sqlite.dialect()
