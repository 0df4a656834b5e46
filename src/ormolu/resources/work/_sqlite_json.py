"""What SQLite itself makes JSON of, as `encode` would. Sends nothing."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Dialect, case, func, literal_column

from ormolu.query import is_unlimited, undecorated

__all__ = ["MOST_IN_JSON", "in_json", "is_in_json", "row_number_of", "within"]

# A function has 127 arguments at most: a name and a value for each.
MOST_IN_JSON = 60


def row_number_of(table: Any) -> Any:
    """Return the column in which SQLite stores nothing but a whole number, if there is one."""
    column = table.autoincrement_column if isinstance(table, sa.Table) else None
    return column if column is not None and type(column.type) is sa.Integer else None


def is_in_json(type_: Any, declared: Any, dialect: Dialect) -> bool:
    """Tell whether values of a plain type are in JSON what `encode` makes of what is read.

    Args:
        type_: The plain type of its values here.
        declared: The column's, which may name that for SQLite alone.
        dialect: Of the engine.
    """
    if isinstance(undecorated(declared), sa.Boolean) and not isinstance(type_, sa.Boolean):
        # Stored as a number, and shown as a truth value.
        return False
    # A variant of this backend is another type.
    impl = type_.dialect_impl(dialect)
    if isinstance(type_, sa.Boolean) and isinstance(impl, sa.Boolean):
        return True
    is_known = isinstance(type_, (sa.Boolean, sa.Integer, sa.String))
    is_read = isinstance(type_, sa.Enum) or impl.result_processor(dialect, None) is not None
    return is_known and not is_read


def within(column: Any, longest: Any, dialect: Dialect) -> Any:
    """Return a value; an error, and so the session's business, if it has more characters.

    SQLite makes all of the JSON before it looks at how long it is.
    """
    if not is_unlimited(column.type, dialect):
        return column
    kind = func.json(func.typeof(column))
    return case((func.length(column) > longest, kind), else_=column)


def in_json(column: Any, type_: Any) -> Any:
    """Return a value for json_object; an error, and so the session's business, if it is odd.

    Args:
        column: What is read.
        type_: The plain type of its values.
    """
    kind = func.typeof(column)
    if isinstance(type_, sa.Boolean):
        # Not IS NULL, which SQLite 3.40 takes for false of some columns in RETURNING: "null" is
        # JSON, and the other kinds are none.
        words: list[tuple[Any, Any]]
        words = [(literal_column("1"), literal_column("'true'")),
                 (literal_column("0"), literal_column("'false'"))]  # fmt: skip
        return func.json(case(*words, value=column, else_=kind))
    # SQLite 3.45 reads a BLOB as JSON of its own; 3.40 writes 15 of the 17 digits of a REAL.
    odd = ["blob", "real"] if isinstance(type_, sa.Integer) else ["blob"]
    refused: list[tuple[Any, Any]]
    refused = [(literal_column(f"'{each}'"), func.json(kind)) for each in odd]
    return case(*refused, value=kind, else_=column)
