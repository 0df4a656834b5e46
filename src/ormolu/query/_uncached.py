"""SQL of the program's own that nobody may keep: SQLAlchemy compiles it for each execution.

A construct says so by `inherit_cache = False`, or by not saying `inherit_cache = True`: its text
may depend on who asks.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, ClauseElement, Column, ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapper, RelationshipProperty
from sqlalchemy.sql import visitors

__all__ = ["uncached_attributes", "unkept"]

# Kept with a relation: whether statements over it may be.
_KEY = "ormolu_is_kept"


class _Always(ColumnElement[bool]):
    """A condition that holds, in a statement that is compiled for each execution."""

    inherit_cache = False
    type = Boolean()


@compiles(_Always)
def _compile_always(*_: Any, **__: Any) -> str:
    return "1 = 1"


def uncached_attributes(mapper: Mapper[Any]) -> list[str]:
    """Return the column properties and relations of a class whose SQL must not be kept."""
    computed = ((each.key, each.expression) for each in mapper.column_attrs)
    # Nearly all are plain columns, at whose parts nobody need look.
    found = [name for name, sql in computed if type(sql) is not Column and not _is_kept(sql)]
    return found + [each.key for each in mapper.relationships if not _is_relation_kept(each)]


def unkept(link: Any) -> Any:
    """Return a relation on a class, so that SQLAlchemy keeps no statement that it must not keep.

    In the key by which it keeps statements a relation is its name alone.
    """
    return link if _is_relation_kept(link.property) else link.and_(_Always())


def _is_relation_kept(relation: RelationshipProperty[Any]) -> bool:
    is_kept: bool | None = relation.info.get(_KEY)
    if is_kept is None:
        is_kept = relation.info[_KEY] = _is_kept(*_sql_of(relation))
    return is_kept


def _sql_of(relation: RelationshipProperty[Any]) -> list[Any]:
    parts = (relation.primaryjoin, relation.secondaryjoin, *(relation.order_by or ()))
    return [each for each in parts if each is not None]


def _is_kept(*expressions: Any) -> bool:
    parts = (part for each in expressions for part in visitors.iterate(each))
    return all(_is_cached(type(part)) for part in parts)


def _is_cached(kind: type[Any]) -> bool:
    """Tell whether SQLAlchemy keeps what it compiles of a class of SQL."""
    kinds = [each for each in kind.__mro__ if issubclass(each, ClauseElement)]
    own = [each for each in kinds if each.__module__.partition(".")[0] != "sqlalchemy"]
    # It asks each class itself, since a subclass may have a state of its own.
    return all(vars(each).get("inherit_cache") is True for each in own)
