"""Enumerations that are types of the database: Alembic sees neither their values nor their ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from alembic.operations import ops
from sqlalchemy import Column, MetaData, types

from ormolu.backends import backend_of

__all__ = ["follow_enumerations"]


def follow_enumerations(
    context: Any,
    metadata: MetaData,
    up: ops.UpgradeOps,
    down: ops.DowngradeOps,
    report: Callable[[str], None],
) -> None:
    """Add what makes types of new columns, drops them again, and adds values to those there are."""
    known = backend_of(context.dialect).enumerations(context.connection)
    if known is None:
        return
    quote = context.dialect.identifier_preparer.quote
    mapped = _types_of(column for table in metadata.tables.values() for column in table.columns)
    # CREATE TABLE makes the types of its columns; ADD COLUMN does not.
    created = _types_of(_columns_of_new_tables(up))
    added = _types_of(_new_columns(up))
    values = list(_new_values(mapped, known, quote, report))
    up.ops[:0] = [
        *values,
        *(
            ops.ExecuteSQLOp(f"CREATE TYPE {quote(name)} AS ENUM ({_listed(enum.enums)})")
            for name, enum in added.items()
            if name not in known and name not in created
        ),
    ]
    down.ops.extend(
        ops.ExecuteSQLOp(f"DROP TYPE {quote(name)}")
        for name in {**created, **added}
        if name not in known
    )


def _new_values(
    mapped: Mapping[str, types.Enum],
    known: Mapping[str, Sequence[str]],
    quote: Callable[[str], str],
    report: Callable[[str], None],
) -> Iterator[ops.ExecuteSQLOp]:
    for name, enum in mapped.items():
        there = known.get(name, enum.enums)
        for value in [each for each in enum.enums if each not in there]:
            text = f"ALTER TYPE {quote(name)} ADD VALUE IF NOT EXISTS {_listed([value])}"
            yield ops.ExecuteSQLOp(text)
        if lost := [each for each in there if each not in enum.enums]:
            report(
                f"The type {name} keeps the values {', '.join(lost)}: PostgreSQL cannot take "
                "values from a type."
            )


def _columns_of_new_tables(up: ops.UpgradeOps) -> Iterator[Column[Any]]:
    for operation in up.ops:
        if isinstance(operation, ops.CreateTableOp):
            yield from (each for each in operation.columns if isinstance(each, Column))


def _new_columns(up: ops.UpgradeOps) -> Iterator[Column[Any]]:
    for table in up.ops:
        if isinstance(table, ops.ModifyTableOps):
            yield from (each.column for each in table.ops if isinstance(each, ops.AddColumnOp))


def _types_of(columns: Iterable[Column[Any]]) -> dict[str, types.Enum]:
    """Return the enumerations among the types of columns that have types of their own."""
    found = (each.type for each in columns)
    return {
        str(each.name): each
        for each in found
        if isinstance(each, types.Enum) and each.native_enum and each.schema is None
    }


def _listed(values: Iterable[str]) -> str:
    return ", ".join("'" + each.replace("'", "''") + "'" for each in values)
