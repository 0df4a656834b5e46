"""What RETURNING may contain: expressions that every release of a backend computes as in a SELECT.

In RETURNING, SQLite up to 3.40 takes the type, collation and NOT NULL of every column from the
first column of the table. So `IS NULL` of a NULL is 0 if the first column is NOT NULL, a comparison
may use another collation, and 1.0 may come as 1, or 1 as 1.0. It is right about stored columns,
inside of an expression if the table has floats, and about arithmetic on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.exc import CompileError
from sqlalchemy.orm import Mapper
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import (
    BinaryExpression,
    ColumnClause,
    ExpressionClauseList,
    Grouping,
    UnaryExpression,
)
from sqlalchemy.sql.selectable import SelectBase

from ormolu.backends import backend_of
from ormolu.query import is_text_sql
from ormolu.sessions import cached_on_mapper

__all__ = ["as_returned", "can_return", "has_lists"]

_ARITHMETIC = frozenset(
    {operators.add, operators.sub, operators.mul, operators.neg, operators.concat_op}
)
# A type with one of these in its name has SQLite's REAL affinity.
_REAL_NAMES = ("REAL", "FLOA", "DOUB")


def can_return(columns: Sequence[Any], dialect: sa.Dialect) -> bool:
    """Tell whether a statement that writes a row can return these columns of it."""
    if backend_of(dialect).returns_by_columns:
        return all(_is_right(column, dialect) for column in columns)
    # Some backends refuse a subquery there, and none sees the new row in it. The ORM does not find
    # a column that is written as text.
    parts = (part for column in columns for part in visitors.iterate(column))
    return not any(isinstance(part, SelectBase) or is_text_sql(part) for part in parts)


def has_lists(columns: Sequence[Any]) -> bool:
    """Tell whether columns have parameters that SQLAlchemy writes out when it sends a statement.

    It does so for the values of one row, as in a list, and not for those of many.
    """
    parts = (part for column in columns for part in visitors.iterate(column))
    return any(
        isinstance(part, sa.BindParameter) and (part.expanding or part.literal_execute)
        for part in parts
    )


def as_returned(column: Any, mapper: Mapper[Any], dialect: sa.Dialect) -> Any:
    """Return a column in a form that RETURNING computes rightly."""
    is_exact = not backend_of(dialect).returns_by_columns
    if is_exact or not cached_on_mapper(mapper, _has_floats, mapper):
        return column
    element = column.element if isinstance(column, sa.Label) else column
    is_float = isinstance(element.type, sa.Float)
    value = element + sa.literal_column("0.0") if is_float else sa.func.coalesce(element, sa.null())
    form = sa.type_coerce(value, element.type)
    return form.label(column.name) if isinstance(column, sa.Label) else form


def _has_floats(mapper: Mapper[Any]) -> bool:
    tables = [table for table in mapper.tables if isinstance(table, sa.Table)]
    return any(_is_real(column) for table in tables for column in table.columns)


def _is_real(column: sa.Column[Any]) -> bool:
    """Tell whether a column may have SQLite's REAL affinity."""
    try:
        name = column.type.compile(dialect=SQLiteDialect()).upper()
    except CompileError:
        return True
    return any(part in name for part in _REAL_NAMES)


def _is_right(column: Any, dialect: sa.Dialect) -> bool:
    """Tell whether SQLite computes a column of RETURNING as in a SELECT."""
    element = column.__clause_element__() if hasattr(column, "__clause_element__") else column
    # A type may wrap the column in an expression.
    read = element.type.dialect_impl(dialect).column_expression(element)
    is_plain = read is None or read is element
    return is_plain and all(map(_is_part_right, visitors.iterate(element)))


def _is_part_right(part: Any) -> bool:
    match part:
        case sa.Column():
            is_read_rightly = isinstance(part.type, sa.Float) or not _is_real(part)
            return part.computed is None and is_read_rightly
        case ColumnClause():
            return bool(part.is_literal) and not is_text_sql(part)
        case BinaryExpression() | UnaryExpression() | ExpressionClauseList():
            return part.operator in _ARITHMETIC
        case _:
            return isinstance(part, (sa.BindParameter, Grouping, sa.Label, sa.TypeCoerce))
