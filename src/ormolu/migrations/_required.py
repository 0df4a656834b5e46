"""Columns that become NOT NULL in tables with rows: added, filled, and then NOT NULL."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy import Column, types
from sqlalchemy.sql.schema import DefaultClause, ScalarElementColumnDefault

from ormolu.migrations._texts import compiled_text

__all__ = ["plan_required"]

_Find = Callable[[ops.ModifyTableOps, str], Column[Any] | None]

# What a value is that nobody knows any more, by its Python type; the first that fits.
_NEUTRAL: tuple[tuple[type, Any], ...] = (
    (bool, False),
    (int, 0),
    (float, 0.0),
    (decimal.Decimal, decimal.Decimal(0)),
    (str, ""),
    (bytes, b""),
    (datetime.datetime, datetime.datetime(1970, 1, 1)),
    (datetime.date, datetime.date(1970, 1, 1)),
    (datetime.time, datetime.time(0)),
    (uuid.UUID, uuid.UUID(int=0)),
)


def plan_required(
    context: Any,
    container: ops.OpContainer,
    find: _Find,
    report: Callable[[str], None] | None = None,
) -> None:
    """Put three steps where a column becomes NOT NULL for which rows have no value.

    Args:
        context: Alembic's.
        container: The operations, which are changed in place.
        find: Returns the column that an operation makes NOT NULL, None if that is not known.
        report: Told of columns without a default. None fills new ones with a neutral value: a
            downgrade brings back what rows had, and that is gone.
    """
    container.ops[:] = [
        each
        for found in container.ops
        for each in (
            _planned(context, found, find, report)
            if isinstance(found, ops.ModifyTableOps)
            else (found,)
        )
    ]


def _planned(
    context: Any, found: ops.ModifyTableOps, find: _Find, report: Callable[[str], None] | None
) -> Iterator[ops.MigrateOperation]:
    first, last = list(found.ops), list[Any]()
    fills: list[ops.MigrateOperation] = []
    for operation in found.ops:
        column = _newly_required(operation, found, find)
        if column is None:
            continue
        fill = _fill(context, found, column, is_neutral=report is None)
        if fill is None and report is not None:
            report(
                f"{_shown(found)}.{column.name} is NOT NULL and has no default: fill it in the "
                "revision before that, if the table has rows."
            )
        fills += [ops.ExecuteSQLOp(fill)] if fill is not None else []
        if isinstance(operation, ops.AddColumnOp):
            first[first.index(operation)] = _nullable(operation, found)
            last.append(_required(column, found))
        elif fill is not None:
            first.remove(operation)
            last.append(operation)
    if first:
        yield ops.ModifyTableOps(found.table_name, first, schema=found.schema)
    yield from fills
    if last:
        yield ops.ModifyTableOps(found.table_name, last, schema=found.schema)


def _newly_required(operation: Any, table: ops.ModifyTableOps, find: _Find) -> Column[Any] | None:
    """Return the column that becomes NOT NULL, where rows that are there have no value for it."""
    if isinstance(operation, ops.AddColumnOp):
        column = find(table, operation.column.name)
        # A server default fills a new column, not one that has NULLs.
        if column is None or column.server_default is not None:
            return None
    elif isinstance(operation, ops.AlterColumnOp) and operation.modify_nullable is False:
        column = find(table, operation.column_name)
    else:
        return None
    if column is None or column.nullable:
        return None
    return None if column.computed is not None or column.identity is not None else column


def _fill(
    context: Any, table: ops.ModifyTableOps, column: Column[Any], *, is_neutral: bool
) -> str | None:
    """Return the UPDATE that gives rows a value, None if there is none to give."""
    value = _value(column)
    if value is None and is_neutral:
        value = _neutral(column)
    if value is None:
        return None
    named = sa.table(table.table_name, sa.column(column.name, column.type), schema=table.schema)
    target = named.c[column.name]
    update = named.update().where(target.is_(None)).values({target: value})
    compiled = update.compile(dialect=context.dialect, compile_kwargs={"literal_binds": True})
    return compiled_text(compiled)


def _value(column: Column[Any]) -> Any:
    """Return the value of the default of a column, in Python or on the server; None without."""
    if isinstance(column.default, ScalarElementColumnDefault):
        return column.default.arg
    if isinstance(column.server_default, DefaultClause):
        default = column.server_default.arg
        return _quoted(default) if isinstance(default, str) else default
    return None


def _neutral(column: Column[Any]) -> Any:
    if isinstance(column.type, types.Enum) and column.type.enums:
        return _quoted(column.type.enums[0])
    if isinstance(column.type, types.JSON):
        return _quoted("{}")
    try:
        kind = column.type.python_type
    except NotImplementedError:
        return None
    return next((value for known, value in _NEUTRAL if issubclass(kind, known)), None)


def _quoted(value: str) -> Any:
    """Return text in quotes, of no type: the database takes it for the column's."""
    return sa.literal(value, sa.String())


def _nullable(operation: ops.AddColumnOp, table: ops.ModifyTableOps) -> ops.AddColumnOp:
    column = operation.column
    same: Column[Any] = Column(column.name, column.type, comment=column.comment)
    return ops.AddColumnOp(table.table_name, same, schema=table.schema)


def _required(column: Column[Any], table: ops.ModifyTableOps) -> ops.AlterColumnOp:
    return ops.AlterColumnOp(
        table.table_name,
        column.name,
        schema=table.schema,
        existing_type=column.type,
        existing_nullable=True,
        modify_nullable=False,
    )


def _shown(table: ops.ModifyTableOps) -> str:
    return table.table_name if table.schema is None else f"{table.schema}.{table.table_name}"
