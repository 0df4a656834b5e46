"""Which model and fields a database error is about, by the mapped metadata."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CheckConstraint, Column, Index, MetaData, Table, UniqueConstraint
from sqlalchemy.sql import visitors
from sqlalchemy.sql.schema import ColumnCollectionConstraint
from starlette.types import Scope

from ormolu.faults import Fault
from ormolu.names import field_name, model_name

__all__ = ["CallColumn", "Place", "call_columns", "callers_of", "find_place"]

_CALLERS_KEY = "ormolu.columns"

# From a column and the attribute that is mapped to it to what the client calls it; None where the
# client must not hear of it.
CallColumn = Callable[[Column[Any], str], str | None]


def callers_of(scope: Scope) -> list[CallColumn]:
    """Return what calls the columns of a request's errors, kept in its scope from now on."""
    callers: list[CallColumn] = scope.setdefault(_CALLERS_KEY, [])
    return callers


def call_columns(scope: Scope, call: CallColumn) -> None:
    """Note what the client of a request calls the columns that a resource serves it."""
    callers_of(scope)[:] = [call]


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a constraint guards.

    Attributes:
        noun: The model in words, like `order item`; None if it is not known.
        fields: What clients call the mapped attributes, in the constraint's order.
    """

    noun: str | None = None
    fields: tuple[str, ...] = ()


def find_place(
    fault: Fault, metadatas: Iterable[MetaData], callers: Sequence[CallColumn] = ()
) -> Place:
    """Return the model and the fields that a fault names, as far as they are mapped."""
    tables = [table for metadata in metadatas for table in metadata.tables.values()]
    # The named table first: two tables may have a key of one name.
    tables.sort(key=lambda table: table.name != fault.table)
    if fault.constraint is not None:
        for table in tables:
            guarded = _constrained_columns(table, fault.constraint)
            if guarded is not None:
                return Place(noun=_noun(table), fields=_called(guarded, callers))
    if not tables or tables[0].name != fault.table:
        return Place(fields=fault.columns)
    columns = [tables[0].columns.get(name) for name in fault.columns]
    known = [column for column in columns if column is not None]
    guarded = known or _default_named_columns(tables[0], fault.constraint)
    return Place(noun=_noun(tables[0]), fields=_called(guarded, callers))


def _called(columns: Iterable[Column[Any]], callers: Sequence[CallColumn]) -> tuple[str, ...]:
    found = []
    for column in columns:
        name: str | None = field_name(column)
        for call in callers:
            name = None if name is None else call(column, name)
        found += [] if name is None else [name]
    return tuple(found)


def _constrained_columns(table: Table, name: str) -> list[Column[Any]] | None:
    guards: list[ColumnCollectionConstraint | Index]
    guards = [c for c in table.constraints if isinstance(c, ColumnCollectionConstraint)]
    for guard in [*guards, *table.indexes]:
        if guard.name == name:
            return _guarded_columns(table, guard)
    return None


def _guarded_columns(table: Table, guard: ColumnCollectionConstraint | Index) -> list[Column[Any]]:
    if isinstance(guard, CheckConstraint) and not guard.columns:
        words = set(re.findall(r"\w+", str(guard.sqltext)))
        return [column for column in table.columns if column.name in words]
    if isinstance(guard, Index):
        # Of an expression the index's own columns have one alone.
        expressions: Sequence[Any] = guard.expressions
        parts = (part for each in expressions for part in visitors.iterate(each))
        return list(dict.fromkeys(part for part in parts if isinstance(part, Column)))
    return list(guard.columns)


def _default_named_columns(table: Table, name: str | None) -> list[Column[Any]]:
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
    return list(keys[0].columns) if len(keys) == 1 else []


def _noun(table: Table) -> str | None:
    name = model_name(table)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower() if name else None
