"""Moments in policies: each is the same one on every backend, in whatever time zone it is written.

SQLite and MySQL keep no offset, and SQLAlchemy sends them a moment without its own: one that is
written in another zone than UTC was another moment.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import BindParameter, DateTime, Time
from sqlalchemy.types import TupleType, TypeEngine

from ormolu.query import is_converted

__all__ = ["is_elsewhere", "value_in_utc"]

_DAY = date(2000, 1, 1)


def is_elsewhere(bind: BindParameter[Any]) -> bool:
    """Tell whether a parameter has a moment in another time zone than UTC."""
    return any(_in_utc(each, bind.type) is not each for each in _values_of(bind))


def value_in_utc(bind: BindParameter[Any]) -> Any:
    """Return the value of a parameter as it is sent: each moment in UTC."""
    value: Any = bind.effective_value
    if not is_elsewhere(bind):
        return value
    if bind.expanding:
        return [_in_utc(each, bind.type) for each in value]
    return _in_utc(value, bind.type)


def _values_of(bind: BindParameter[Any]) -> Iterable[Any]:
    value: Any = bind.effective_value
    return (value or ()) if bind.expanding else (value,)


def _in_utc(value: Any, type_: TypeEngine[Any]) -> Any:
    if isinstance(type_, TupleType) and isinstance(value, (list, tuple)):
        parts = tuple(map(_in_utc, value, type_.types))
        return value if all(map(operator.is_, parts, value)) else parts
    if not isinstance(value, (datetime, time)) or not value.utcoffset():
        return value
    is_kept = isinstance(type_, (DateTime, Time)) and type_.timezone
    # Code of the program's own makes of a value what it will.
    if not is_kept or is_converted(type_):
        return value
    moment = value if isinstance(value, datetime) else datetime.combine(_DAY, value)
    moment = moment.astimezone(UTC)
    return moment if isinstance(value, datetime) else moment.timetz()
