"""Which attributes of a model are unique together."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper

from ormolu.query import keys_of_table

__all__ = ["unique_keys_of"]


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
