"""The mapped names of tables and columns, noted at them: what errors call them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Table

__all__ = ["field_name", "model_name", "note_field", "note_model"]

_MODEL_KEY = "ormolu.model"
_FIELD_KEY = "ormolu.field"


def model_name(table: Table) -> str | None:
    """Return the name of the class that is mapped to a table, None where none is known."""
    name = table.info.get(_MODEL_KEY)
    return name if isinstance(name, str) else None


def field_name(column: Column[Any]) -> str:
    """Return the name of the attribute that is mapped to a column, else the column's own."""
    name = column.info.get(_FIELD_KEY)
    return name if isinstance(name, str) else column.name


def note_model(table: Table, name: str) -> None:
    """Note the class that is mapped to a table; the first one stays."""
    table.info.setdefault(_MODEL_KEY, name)


def note_field(column: Column[Any], name: str) -> None:
    """Note the attribute that is mapped to a column; the first one stays."""
    column.info.setdefault(_FIELD_KEY, name)
