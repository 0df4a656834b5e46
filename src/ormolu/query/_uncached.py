"""SQL of the program's own that nobody may keep: SQLAlchemy compiles it for each execution.

A construct says so by `inherit_cache = False`, or by not saying `inherit_cache = True`: its text
may depend on who asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Boolean, ClauseElement, Column, ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapper, RelationshipProperty
from sqlalchemy.sql import visitors

from ormolu.sessions import cached_on_mapper

__all__ = ["uncached_attributes", "unkept"]


class _Always(ColumnElement[bool]):
    """A condition that holds, in a statement that is compiled for each execution."""

    inherit_cache = False
    type = Boolean()


@compiles(_Always)
def _compile_always(*_: Any, **__: Any) -> str:
    return "1 = 1"


def uncached_attributes(mapper: Mapper[Any]) -> frozenset[str]:
    """Return the column properties and relations of a class whose SQL must not be kept."""
    return cached_on_mapper(mapper, _uncached_attributes, mapper)


def unkept(link: Any) -> Any:
    """Return a relation on a class, so that SQLAlchemy keeps no statement that it must not keep.

    In the key by which it keeps statements a relation is its name alone.
    """
    relation: RelationshipProperty[Any] = link.property
    is_kept = relation.key not in uncached_attributes(relation.parent)
    return link if is_kept else link.and_(_Always())


def _uncached_attributes(mapper: Mapper[Any]) -> frozenset[str]:
    parts = ((name, part) for name, sql in _sql_of(mapper) for part in visitors.iterate(sql))
    return frozenset(name for name, part in parts if not _is_cached(type(part)))


def _sql_of(mapper: Mapper[Any]) -> Iterator[tuple[str, Any]]:
    for prop in mapper.column_attrs:
        yield from ((prop.key, each) for each in prop.columns if not isinstance(each, Column))
    for relation in mapper.relationships:
        parts = (relation.primaryjoin, relation.secondaryjoin, *(relation.order_by or ()))
        yield from ((relation.key, each) for each in parts if each is not None)


def _is_cached(kind: type[Any]) -> bool:
    """Tell whether SQLAlchemy keeps what it compiles of a class of SQL."""
    kinds = [each for each in kind.__mro__ if issubclass(each, ClauseElement)]
    own = [each for each in kinds if each.__module__.partition(".")[0] != "sqlalchemy"]
    # It asks each class itself, since a subclass may have a state of its own.
    return all(vars(each).get("inherit_cache") is True for each in own)
