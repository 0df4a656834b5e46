"""The tables of which a policy may speak: one of another would make a product of rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ColumnClause, TableValuedColumn
from sqlalchemy.sql.selectable import FromClause, SelectBase

from ormolu.sessions import cached_on_mapper

__all__ = ["columns_of_others"]


def columns_of_others(condition: sa.ColumnElement[bool], mapper: Mapper[Any]) -> Iterator[str]:
    """Yield what is wrong with each column of a condition that is not one of a model's tables."""
    known = cached_on_mapper(mapper, _tables_of, mapper)
    name = mapper.class_.__name__
    for column, table in _columns_of(condition):
        if table is None and not column.is_literal:
            # What SQLite does not know in quotes is text to it: not "isHidden" would be true.
            told = f"of no table. Write {name}.{column.name}."
        elif table is not None and table not in known:
            told = f"and {table} is no table of {name}. Write that as exists(), any() or has()."
        else:
            continue
        yield f"compares {column}, {told}"


def _tables_of(mapper: Mapper[Any]) -> frozenset[Any]:
    joined = [part for part in visitors.iterate(mapper.selectable) if isinstance(part, FromClause)]
    return frozenset([*mapper.tables, *joined])


def _columns_of(condition: sa.ColumnElement[bool]) -> Iterator[tuple[Any, Any]]:
    """Yield the columns of a condition with their tables, without those in subqueries.

    Nothing is compiled for it: that takes the dialect of the database, and conditions kept apart.
    """
    waiting: list[Any] = [condition]
    while waiting:
        part = waiting.pop()
        if isinstance(part, ColumnClause):
            yield part, part.table
        elif isinstance(part, TableValuedColumn):
            # A function that returns rows, and has become a column, is a table of its own.
            yield part, part.scalar_alias
        elif not isinstance(part, SelectBase):
            waiting += part.get_children()
