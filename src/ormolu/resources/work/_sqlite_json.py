"""The values of which SQLite makes the same JSON as `encode`. Sends nothing."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Dialect, case, func, literal_column

from ormolu.query import is_unlimited, undecorated

__all__ = ["MAX_FIELDS", "in_json", "is_in_json", "limited", "row_number_of"]

# A function takes at most 127 arguments: a name and a value for each field.
MAX_FIELDS = 60


def row_number_of(table: Any) -> Any:
    """Return the INTEGER PRIMARY KEY, in which SQLite stores only integers, if there is one."""
    column = table.autoincrement_column if isinstance(table, sa.Table) else None
    return column if column is not None and type(column.type) is sa.Integer else None


def is_in_json(type_: Any, declared: Any, dialect: Dialect) -> bool:
    """Tell whether SQLite makes the same JSON of values of a type as `encode`.

    Args:
        type_: The plain type of the values on SQLite.
        declared: The type of the column, of which that may be a variant.
        dialect: Of the engine.
    """
    if isinstance(undecorated(declared), sa.Boolean) and not isinstance(type_, sa.Boolean):
        # The value is stored as a number, and shown as a truth value.
        return False
    # SQLite may have a variant of the type.
    impl = type_.dialect_impl(dialect)
    if isinstance(type_, sa.Boolean) and isinstance(impl, sa.Boolean):
        return True
    is_known = isinstance(type_, (sa.Boolean, sa.Integer, sa.String))
    is_read = isinstance(type_, sa.Enum) or impl.result_processor(dialect, None) is not None
    return is_known and not is_read


def limited(column: Any, longest: Any, dialect: Dialect) -> Any:
    """Return a value, or SQL that fails if it is longer; then the session answers.

    SQLite would make all of the JSON before it checks its length.
    """
    if not is_unlimited(column.type, dialect):
        return column
    kind = func.json(func.typeof(column))
    return case((func.length(column) > longest, kind), else_=column)


def in_json(column: Any, type_: Any) -> Any:
    """Return a value for json_object, or SQL that fails if it is odd; then the session answers.

    Args:
        column: What is read.
        type_: The plain type of its values.
    """
    kind = func.typeof(column)
    if isinstance(type_, sa.Boolean):
        # Without IS NULL, which SQLite 3.40 gets wrong in RETURNING: json() takes the type name
        # "null", and fails for the others.
        words: list[tuple[Any, Any]]
        words = [(literal_column("1"), literal_column("'true'")),
                 (literal_column("0"), literal_column("'false'"))]  # fmt: skip
        return func.json(case(*words, value=column, else_=kind))
    # SQLite 3.45 reads a BLOB as binary JSON; 3.40 writes 15 of the 17 digits of a REAL.
    odd = ["blob", "real"] if isinstance(type_, sa.Integer) else ["blob"]
    refused: list[tuple[Any, Any]]
    refused = [(literal_column(f"'{each}'"), func.json(kind)) for each in odd]
    return case(*refused, value=kind, else_=column)
