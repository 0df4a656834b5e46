"""Which model and fields a database error is about, by the mapped metadata."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Index, MetaData, Table
from sqlalchemy.sql.schema import ColumnCollectionConstraint

from ormolu.faults import Fault
from ormolu.models import model_name

__all__ = ["Place", "find_place"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a constraint guards.

    Attributes:
        noun: The model in words, like `order item`; None if it is not known.
        fields: Names of the columns, in the constraint's order.
    """

    noun: str | None = None
    fields: tuple[str, ...] = ()


def find_place(fault: Fault, metadatas: Iterable[MetaData]) -> Place:
    """Return the model and the fields that a fault names, as far as they are mapped."""
    tables = [table for metadata in metadatas for table in metadata.tables.values()]
    if fault.constraint is not None:
        for table in tables:
            fields = _constrained_fields(table, fault.constraint)
            if fields is not None:
                return Place(noun=_noun(table), fields=fields)
    named = [table for table in tables if table.name == fault.table]
    noun = _noun(named[0]) if named else None
    return Place(noun=noun, fields=fault.columns)


def _constrained_fields(table: Table, name: str) -> tuple[str, ...] | None:
    guards: list[ColumnCollectionConstraint | Index]
    guards = [c for c in table.constraints if isinstance(c, ColumnCollectionConstraint)]
    for guard in [*guards, *table.indexes]:
        if guard.name == name:
            return tuple(column.name for column in guard.columns)
    return None


def _noun(table: Table) -> str | None:
    name = model_name(table)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower() if name else None
