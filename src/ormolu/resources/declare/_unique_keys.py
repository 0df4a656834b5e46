"""Which columns of a table, or attributes of a model, are unique together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper

__all__ = ["keys_of_table", "unique_keys_of"]


def unique_keys_of(mapper: Mapper[Any]) -> list[frozenset[str]]:
    """Return the sets of attributes that are unique together."""
    groups: list[Any] = []
    for table in mapper.tables:
        assert isinstance(table, sa.Table)
        groups += keys_of_table(table)
    by_column = {column: prop.key for prop in mapper.column_attrs for column in prop.columns}
    return [
        frozenset(by_column[column] for column in group)
        for group in groups
        if group and all(column in by_column for column in group)
    ]


def keys_of_table(table: Any) -> Iterator[set[Any]]:
    """Yield the sets of columns that are unique together; an expression may be among them.

    The columns of an index do not tell: of an expression it has those that are in it.
    """
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint):
            yield set(constraint.columns)
    for index in table.indexes:
        if index.unique and not _is_partial(index):
            yield set(index.expressions)
    yield set(table.primary_key.columns)


def _is_partial(index: sa.Index) -> bool:
    # postgresql_where, sqlite_where
    return any(name.endswith("_where") for name in index.kwargs)
