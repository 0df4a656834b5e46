"""What SQLite's tables have to say for rows to get numbers, and values to stay as they are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.dialects.sqlite.base import SQLiteTypeCompiler

__all__ = ["SQLiteTypes"]


class SQLiteTypes(SQLiteTypeCompiler):
    """SQLite's types."""

    def process(self, type_: Any, **options: Any) -> str:
        """Return a column's type; SQLite numbers rows only where that is INTEGER, to the letter."""
        if _is_row_number(options.get("type_expression")):
            return "INTEGER"
        return super().process(type_, **options)

    def visit_UUID(self, type_: Any, **options: Any) -> str:  # noqa: N802 -- SQLAlchemy's form
        # SQLite takes an unknown type for a number, and of the hexadecimal digits 1e5 makes one.
        return "CHAR(32)"


def _is_row_number(column: Any) -> bool:
    """Tell whether the database is to number the rows in a column, whatever its size."""
    if not isinstance(column, Column) or not isinstance(column.table, Table):
        return False
    table = column.table
    return table.autoincrement_column is column and len(table.primary_key.columns) == 1
