"""Guards: a statement that returns no long values where they are too many bytes in all.

The server adds them up before it sends them, which costs it little: PostgreSQL knows a value's
length without reading it. SQLite hands over rows one by one, and needs none. Knows no HTTP.
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

# Columns of at most so many characters are never too long.
_SHORT = 1000

_SHORT_TYPES = (
    sa.Boolean, sa.Date, sa.DateTime, sa.Enum, sa.Integer, sa.Interval, sa.Numeric, sa.Time,
    sa.Uuid,
)  # fmt: skip
_MEASURED = (sa.String, sa.LargeBinary, sa.BINARY, sa.VARBINARY)


def is_guarded(statement: Select[Any], dialect: Dialect) -> bool:
    """Tell whether a statement may return values of any length, and the server can count them."""
    if backend_of(dialect).sends_rows_singly:
        return False
    return any(is_unlimited(each.type, dialect) for each in statement.selected_columns)


def guard(
    statement: Select[Any], order: Sequence[ColumnElement[Any]], dialect: Dialect, most: int
) -> Select[Any]:
    """Return a statement for the same rows, with the bytes of their long values in all at the end.

    Args:
        statement: Whose columns have names; with an ORDER BY, if it has a LIMIT.
        order: The ORDER BY.
        dialect: Of the engine.
        most: Bytes; where there are more, the long values are NULL.
    """
    width = len(statement.selected_columns)
    keys = [getattr(each, "element", each) for each in order]
    inner = statement.add_columns(
        *[key.label(f"o{index}") for index, key in enumerate(keys)]
    ).subquery()
    columns = list(inner.c)[:width]
    # A sum for each: two values of a gigabyte are too much for the 32 bits that a length has.
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
    """Return a statement with a column at the end that tells whether a value of a row is long.

    It costs less than to add them up, and what has no long values is not too much.

    Args:
        statement: Whose columns have names.
        dialect: Of the engine.
        most: Bytes of each; a value that is longer is NULL.
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
    """Return the rows of a statement; or none, and how many bytes they have, if that is too much.

    Args:
        session: Where it is sent.
        statement: A guarded one, where the backend has such.
        dialect: Of its engine.
        most_bytes: What is not too much.
        options: Execution options.
        values: Of its parameters, beside those that stand in it.
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
    """Tell whether a column may hold values of any length."""
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
