"""Parameters of policies: each is the same value on every backend.

PostgreSQL cuts a value to what the column that it is compared with has place for.
"""

from __future__ import annotations

import operator
from typing import Any

from sqlalchemy import BindParameter, ClauseElement
from sqlalchemy.sql import visitors
from sqlalchemy.types import TupleType, TypeEngine

from ormolu.query import unlimited

__all__ = ["is_sent_otherwise", "named_alike", "send_exactly"]


def is_sent_otherwise(bind: BindParameter[Any]) -> bool:
    """Tell whether a parameter would not be sent exactly as it is on every backend."""
    return _unlimited(bind.type) is not bind.type


def named_alike(condition: ClauseElement) -> list[list[BindParameter[Any]]]:
    """Return the parameters of a condition that have one name: to SQLAlchemy they are one."""
    named: dict[str, list[BindParameter[Any]]] = {}
    for part in visitors.iterate(condition):
        if isinstance(part, BindParameter) and not part.unique:
            named.setdefault(part.key, []).append(part)
    return [binds for binds in named.values() if len(binds) > 1]


def send_exactly(bind: BindParameter[Any]) -> None:
    """Give a parameter the value that it has at this moment, and a type that keeps it."""
    bind.value, bind.callable = bind.effective_value, None
    bind.type = _unlimited(bind.type)


def _unlimited(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    if not isinstance(type_, TupleType):
        found: TypeEngine[Any] = unlimited(type_)
        return found
    parts = list(map(unlimited, type_.types))
    return type_ if all(map(operator.is_, parts, type_.types)) else TupleType(*parts)
