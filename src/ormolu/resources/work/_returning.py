"""What RETURNING may hold: forms that every release of a backend computes as a SELECT would.

SQLite up to 3.40 looks up the first column of the table wherever it asks for the type, the
collation or the NOT NULL of a column in RETURNING. So `IS NULL` of a column that is NULL is 0 there
if the first is NOT NULL, a comparison may take another collation, and 1.0 may come as 1, or 1 as
1.0. What is right there are columns as they are stored, within an expression if the table has
decimals, and arithmetic on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    Dialect,
    Float,
    Label,
    Table,
    TypeCoerce,
    func,
    literal_column,
    null,
    type_coerce,
)
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
from ormolu.query import is_written
from ormolu.sessions import cached_on_mapper

__all__ = ["as_returned", "can_return"]

_ARITHMETIC = frozenset(
    {operators.add, operators.sub, operators.mul, operators.neg, operators.concat_op}
)
# What of a type's name makes SQLite store whole numbers of its columns as decimals.
_DECIMALS = ("REAL", "FLOA", "DOUB")


def can_return(columns: Sequence[Any], dialect: Dialect) -> bool:
    """Tell whether a statement that writes a row can return these columns of it."""
    if backend_of(dialect).returns_by_columns:
        return all(_is_right(column, dialect) for column in columns)
    # Not every backend takes a subquery there, none sees the new row in it, and the ORM does not
    # find there what is written as text.
    parts = (part for column in columns for part in visitors.iterate(column))
    return not any(isinstance(part, SelectBase) or is_written(part) for part in parts)


def as_returned(column: Any, mapper: Mapper[Any], dialect: Dialect) -> Any:
    """Return a column in the form in which RETURNING has it right."""
    is_exact = not backend_of(dialect).returns_by_columns
    if is_exact or not cached_on_mapper(mapper, _has_decimals, mapper):
        return column
    element = column.element if isinstance(column, Label) else column
    is_decimal = isinstance(element.type, Float)
    value = element + literal_column("0.0") if is_decimal else func.coalesce(element, null())
    form = type_coerce(value, element.type)
    return form.label(column.name) if isinstance(column, Label) else form


def _has_decimals(mapper: Mapper[Any]) -> bool:
    tables = [table for table in mapper.tables if isinstance(table, Table)]
    return any(_is_decimal(column) for table in tables for column in table.columns)


def _is_decimal(column: Column[Any]) -> bool:
    try:
        name = column.type.compile(dialect=SQLiteDialect()).upper()
    except CompileError:
        return True
    return any(part in name for part in _DECIMALS)


def _is_right(column: Any, dialect: Dialect) -> bool:
    """Tell whether SQLite computes a column of RETURNING as it does in a SELECT."""
    element = column.__clause_element__() if hasattr(column, "__clause_element__") else column
    # A type may ask for more than the column itself.
    read = element.type.dialect_impl(dialect).column_expression(element)
    is_plain = read is None or read is element
    return is_plain and all(map(_is_part_right, visitors.iterate(element)))


def _is_part_right(part: Any) -> bool:
    match part:
        case Column():
            is_decimal = isinstance(part.type, Float) or not _is_decimal(part)
            return part.computed is None and is_decimal
        case ColumnClause():
            return bool(part.is_literal) and not is_written(part)
        case BinaryExpression() | UnaryExpression() | ExpressionClauseList():
            return part.operator in _ARITHMETIC
        case _:
            return isinstance(part, (BindParameter, Grouping, Label, TypeCoerce))
