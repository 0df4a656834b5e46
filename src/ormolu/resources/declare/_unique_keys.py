"""Which attributes of a model are unique together."""

from __future__ import annotations

from itertools import product
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper

from ormolu.query import keys_of_table

__all__ = ["unique_keys_of"]


def unique_keys_of(mapper: Mapper[Any]) -> list[frozenset[str]]:
    """Return the sets of attributes that are unique together, by each name that a column has."""
    groups: list[Any] = []
    for table in mapper.tables:
        assert isinstance(table, sa.Table)
        groups += keys_of_table(table)
    names: dict[Any, list[str]] = {}
    for prop in mapper.column_attrs:
        for column in prop.columns:
            names.setdefault(column, []).append(prop.key)
    return [
        frozenset(named)
        for group in groups
        if group
        for named in product(*(names.get(column, ()) for column in group))
    ]
