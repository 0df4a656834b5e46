"""Statements of `session.get`, made once for each class: making one costs more than SQLite does."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, inspect, select
from sqlalchemy.orm import Mapper, Session

__all__ = ["KEY", "lookup_of"]

# The parameter of the statement.
KEY = "key"

# Of keys that are what they seem; a composite, say, is more than one.
_PLAIN = frozenset({int, str, UUID})

# Where a class keeps its statement: elsewhere that, which refers to it, would keep it for good.
_INFO_KEY = "ormolu.lookup"


def lookup_of(session: Session, entity: Any, key: object) -> Select[Any] | None:
    """Return the statement that reads an object by its key.

    Returns:
        None if SQLAlchemy has to see to it: the object is there already, its key has several
        columns, or its class has subclasses.
    """
    mapper = inspect(entity, raiseerr=False)
    if type(key) not in _PLAIN or not isinstance(mapper, Mapper):
        return None
    info = mapper.class_manager.info
    if _INFO_KEY not in info:
        info[_INFO_KEY] = _make(mapper)
    statement: Select[Any] | None = info[_INFO_KEY]
    if statement is None or mapper.identity_key_from_primary_key((key,)) in session.identity_map:
        return None
    return statement


def _make(mapper: Mapper[Any]) -> Select[Any] | None:
    is_alone = mapper.inherits is None and mapper.polymorphic_on is None
    column, *others = mapper.primary_key
    if others or not is_alone or mapper.always_refresh:
        return None
    # The column, as SQLAlchemy does: its attribute may be compared in ways of the program's own.
    return select(mapper.class_).where(column == bindparam(KEY, type_=column.type))
