"""Which model and fields a database error is about, by the mapped metadata."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CheckConstraint, Column, Index, MetaData, Table, UniqueConstraint
from sqlalchemy.sql.schema import ColumnCollectionConstraint

from ormolu.faults import Fault
from ormolu.models import field_name, model_name

__all__ = ["Place", "find_place"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a constraint guards.

    Attributes:
        noun: The model in words, like `order item`; None if it is not known.
        fields: Names of the mapped attributes, in the constraint's order.
    """

    noun: str | None = None
    fields: tuple[str, ...] = ()


def find_place(fault: Fault, metadatas: Iterable[MetaData]) -> Place:
    """Return the model and the fields that a fault names, as far as they are mapped."""
    tables = [table for metadata in metadatas for table in metadata.tables.values()]
    # The named table first: two tables may have a key of one name.
    tables.sort(key=lambda table: table.name != fault.table)
    if fault.constraint is not None:
        for table in tables:
            fields = _constrained_fields(table, fault.constraint)
            if fields is not None:
                return Place(noun=_noun(table), fields=fields)
    if not tables or tables[0].name != fault.table:
        return Place(fields=fault.columns)
    columns = [tables[0].columns.get(name) for name in fault.columns]
    fields = tuple(field_name(column) for column in columns if column is not None)
    return Place(
        noun=_noun(tables[0]), fields=fields or _default_named_fields(tables[0], fault.constraint)
    )


def _constrained_fields(table: Table, name: str) -> tuple[str, ...] | None:
    guards: list[ColumnCollectionConstraint | Index]
    guards = [c for c in table.constraints if isinstance(c, ColumnCollectionConstraint)]
    for guard in [*guards, *table.indexes]:
        if guard.name == name:
            return tuple(field_name(column) for column in _guarded_columns(table, guard))
    return None


def _guarded_columns(table: Table, guard: ColumnCollectionConstraint | Index) -> list[Column[Any]]:
    if isinstance(guard, CheckConstraint) and not guard.columns:
        words = set(re.findall(r"\w+", str(guard.sqltext)))
        return [column for column in table.columns if column.name in words]
    return list(guard.columns)


def _default_named_fields(table: Table, name: str | None) -> tuple[str, ...]:
    """Find a key without a name, which MySQL calls after its first column, with a number."""
    keys: list[ColumnCollectionConstraint] = (
        [table.primary_key]
        if name == "PRIMARY"
        else [
            constraint
            for constraint in table.constraints
            if isinstance(constraint, UniqueConstraint)
            and constraint.name is None
            and re.fullmatch(rf"{re.escape(constraint.columns[0].name)}(_\d+)?", name or "")
        ]
    )
    return tuple(field_name(column) for column in keys[0].columns) if len(keys) == 1 else ()


def _noun(table: Table) -> str | None:
    name = model_name(table)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower() if name else None
