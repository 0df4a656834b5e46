"""Guards: statements that return no long values if these have too many bytes in all.

The server adds up the lengths before it sends the values, which is cheap: PostgreSQL knows a length
without reading the value. SQLite returns rows one by one and needs no guard. Knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Dialect, Select, case, cast, func, or_, select, type_coerce
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.operators import desc_op
from sqlalchemy.types import TypeEngine

from ormolu.backends import backend_of
from ormolu.faults import fault_of
from ormolu.query._stored import stored_type

__all__ = ["fetch_rows", "guard", "guard_each", "is_guarded", "is_unlimited"]

# Columns of at most so many characters need no guard.
_SHORT = 1000

_SHORT_TYPES = (
    sa.Boolean, sa.Date, sa.DateTime, sa.Enum, sa.Integer, sa.Interval, sa.Numeric, sa.Time,
    sa.Uuid,
)  # fmt: skip
_MEASURED = (sa.String, sa.LargeBinary, sa.BINARY, sa.VARBINARY)


def is_guarded(statement: Select[Any], dialect: Dialect) -> bool:
    """Tell whether a statement may return values of any length, on a server that needs a guard."""
    if backend_of(dialect).sends_rows_singly:
        return False
    return any(is_unlimited(each.type, dialect) for each in statement.selected_columns)


def guard(
    statement: Select[Any], order: Sequence[ColumnElement[Any]], dialect: Dialect, most: int
) -> Select[Any]:
    """Return the statement with a last column for the bytes of all long values.

    Args:
        statement: A statement with named columns; with an ORDER BY, if it has a LIMIT.
        order: The ORDER BY.
        dialect: Of the engine.
        most: The most bytes; if there are more, the long values are NULL.
    """
    width = len(statement.selected_columns)
    keys = [getattr(each, "element", each) for each in order]
    inner = statement.add_columns(
        *[key.label(f"o{index}") for index, key in enumerate(keys)]
    ).subquery()
    columns = list(inner.c)[:width]
    # Sum each column alone: a length has 32 bits, too few for two values of a gigabyte.
    sums = [func.coalesce(func.sum(_size(each, dialect), type_=sa.BigInteger()).over(), 0)
            for each in columns if is_unlimited(each.type, dialect)]  # fmt: skip
    total = sum(sums[1:], sums[0])
    shown = [
        case((total <= most, each)).label(each.name) if is_unlimited(each.type, dialect) else each
        for each in columns
    ]
    sorts = [
        column.desc() if getattr(each, "modifier", None) is desc_op else column.asc()
        for each, column in zip(order, list(inner.c)[width:], strict=True)
    ]
    return select(*shown, type_coerce(total, sa.BigInteger()).label("bytes")).order_by(*sorts)


def guard_each(statement: Select[Any], dialect: Dialect, most: Any) -> Select[Any]:
    """Return the statement with a last column that tells whether a row has a long value.

    This is cheaper than adding them up, where many short values cannot be too much.

    Args:
        statement: A statement with named columns.
        dialect: Of the engine.
        most: The most bytes of one value; a longer value is NULL.
    """
    columns = list(statement.selected_columns)
    sizes = {
        each.name: _size(each, dialect) for each in columns if is_unlimited(each.type, dialect)
    }
    shown = [
        case((sizes[each.name] <= most, each)).label(each.name) if each.name in sizes else each
        for each in columns
    ]
    has_long = case((or_(*[size > most for size in sizes.values()]), 1), else_=0)
    return statement.with_only_columns(*shown, has_long.label("bytes"))


async def fetch_rows(
    session: AsyncSession,
    statement: Select[Any],
    dialect: Dialect,
    most_bytes: int,
    options: Mapping[str, Any] | None = None,
    *,
    values: Mapping[str, Any] | None = None,
) -> tuple[Sequence[Any], int]:
    """Return the rows of a statement and 0; or no rows and their bytes, if these are too many.

    Args:
        session: The session.
        statement: A guarded statement, if the backend needs that.
        dialect: Of the engine.
        most_bytes: The most bytes.
        options: Execution options.
        values: Parameters beside those in the statement.
    """
    within = {**(options or {}), "max_result_bytes": most_bytes}
    try:
        rows = (await session.execute(statement, values, execution_options=within)).all()
    except StatementError as error:
        if fault_of(error).kind != "too_large":
            raise
        return [], most_bytes + 1
    if is_guarded(statement, dialect) and rows and rows[0][-1] > most_bytes:
        return [], int(rows[0][-1])
    return rows, 0


def is_unlimited(type_: TypeEngine[Any], dialect: Dialect) -> bool:
    """Tell whether a column may have values of any length."""
    plain: Any = stored_type(type_, dialect)
    if isinstance(plain, _SHORT_TYPES):
        return False
    length = getattr(plain, "length", None)
    return not (isinstance(plain, _MEASURED) and length is not None and length <= _SHORT)


def _size(column: Any, dialect: Dialect) -> Any:
    if backend_of(dialect).measures_text_alone:
        is_measured = isinstance(stored_type(column.type, dialect), _MEASURED)
        column = column if is_measured else cast(column, sa.Text)
    return func.octet_length(column, type_=sa.Integer())
