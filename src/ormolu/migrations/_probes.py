"""Temporary tables, of which a database says how it writes a constraint or a default."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Inspector, Integer, MetaData, Table, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateTable

__all__ = ["can_probe", "probe"]

_Found = TypeVar("_Found")


def probe(
    connection: Connection, items: Sequence[Any], look: Callable[[Inspector, str], _Found]
) -> _Found | None:
    """Make a temporary table of columns and constraints, look at it, and undo it.

    On MySQL it stays until the connection ends.

    Args:
        connection: Where; its transaction goes on as it was.
        items: The columns and constraints.
        look: Gets an inspector, and the table's name.

    Returns:
        What was seen; None if the database cannot have the table: a column's type comes with the
        next revision, say.
    """
    name = f"ormolu_probe_{uuid.uuid4().hex[:12]}"
    made = Table(name, MetaData(), *items, prefixes=["TEMPORARY"])
    savepoint = connection.begin_nested()
    try:
        connection.execute(CreateTable(made))
        return look(inspect(connection), name)
    except DBAPIError:
        return None
    finally:
        savepoint.rollback()


def can_probe(connection: Connection) -> bool:
    """Tell whether whoever is connected may make temporary tables."""
    return probe(connection, [Column("id", Integer)], lambda *_: True) is not None
