"""Statements of `session.get`, made once for each class: making one costs more than SQLite does."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, inspect, select
from sqlalchemy.orm import Mapper, Session

from ormolu.sessions._mapper_cache import cached_on_mapper

__all__ = ["KEY", "lookup_of"]

# The parameter of the statement.
KEY = "key"

# Types of keys that are sent as they are; a composite, say, has several columns.
_PLAIN = frozenset({int, str, UUID})


def lookup_of(session: Session, entity: Any, key: object) -> Select[Any] | None:
    """Return the statement, with the parameter `KEY`, by which an object is read.

    Returns:
        None if SQLAlchemy has to see to it: the object is there already, its key has several
        columns, or its class has subclasses.
    """
    mapper = inspect(entity, raiseerr=False)
    if type(key) not in _PLAIN or not isinstance(mapper, Mapper):
        return None
    lookup = cached_on_mapper(mapper, _make_lookup, mapper)
    if lookup is None or mapper.identity_key_from_primary_key((key,)) in session.identity_map:
        return None
    return lookup


def _make_lookup(mapper: Mapper[Any]) -> Select[Any] | None:
    is_alone = mapper.inherits is None and mapper.polymorphic_on is None
    is_plain = is_alone and len(mapper.primary_key) == 1 and not mapper.always_refresh
    if not is_plain:
        return None
    # Compare the column, as SQLAlchemy does: the attribute may have a comparator of its own.
    column = mapper.primary_key[0]
    return select(mapper.class_).where(column == bindparam(KEY, type_=column.type))
