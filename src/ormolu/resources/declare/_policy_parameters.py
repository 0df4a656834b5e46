"""Parameters of policies: each is the same value on every backend.

SQLite and MySQL keep no offset, and SQLAlchemy sends them a moment without its own: one that is
written in another zone than UTC was another moment. PostgreSQL cuts a value to what the column that
it is compared with has place for.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import BindParameter, ClauseElement, DateTime, Time
from sqlalchemy.sql import visitors
from sqlalchemy.types import TupleType, TypeEngine

from ormolu.query import is_converted, unlimited

__all__ = ["is_sent_otherwise", "named_alike", "send_exactly", "value_in_utc"]

_DAY = date(2000, 1, 1)


def is_sent_otherwise(bind: BindParameter[Any]) -> bool:
    """Tell whether a parameter would not be sent exactly as it is on every backend."""
    return _unlimited(bind.type) is not bind.type or _is_elsewhere(bind)


def named_alike(condition: ClauseElement) -> list[list[BindParameter[Any]]]:
    """Return the parameters of a condition that have one name: to SQLAlchemy they are one."""
    named: dict[str, list[BindParameter[Any]]] = {}
    for part in visitors.iterate(condition):
        if isinstance(part, BindParameter) and not part.unique:
            named.setdefault(part.key, []).append(part)
    return [binds for binds in named.values() if len(binds) > 1]


def send_exactly(bind: BindParameter[Any]) -> None:
    """Give a parameter the value that it has at this moment, and a type that keeps it."""
    bind.value, bind.callable = value_in_utc(bind), None
    bind.type = _unlimited(bind.type)


def value_in_utc(bind: BindParameter[Any]) -> Any:
    """Return the value of a parameter as it is sent: each moment in UTC."""
    value: Any = bind.effective_value
    if not _is_elsewhere(bind):
        return value
    if bind.expanding:
        return [_in_utc(each, bind.type) for each in value]
    return _in_utc(value, bind.type)


def _unlimited(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    if not isinstance(type_, TupleType):
        found: TypeEngine[Any] = unlimited(type_)
        return found
    parts = list(map(unlimited, type_.types))
    return type_ if all(map(operator.is_, parts, type_.types)) else TupleType(*parts)


def _is_elsewhere(bind: BindParameter[Any]) -> bool:
    """Tell whether a parameter has a moment in another time zone than UTC."""
    return any(_in_utc(each, bind.type) is not each for each in _values_of(bind))


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
