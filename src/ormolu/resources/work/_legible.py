"""Which of PostgreSQL's values Python can read: it knows moments before year 1 and after 9999.

A door's write is committed when its row is read; a session fails before, and rolls back. So the
statement changes none but legible rows, and others are left to the session. Sends nothing.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Dialect, cast, literal_column, or_

from ormolu.models import UTCDateTime
from ormolu.query import plain_type

__all__ = ["is_legible"]

# In years of 365 days, as asyncpg counts them, a tenth of what a timedelta holds.
_INTERVALS = ("INTERVAL '-270000 years'", "INTERVAL '270000 years'")
_DATES = ("DATE '0001-01-01'", "DATE '9999-12-31'")
_MOMENTS = ("TIMESTAMP '0001-01-01'", "TIMESTAMP '9999-12-31 23:59:59.999999'")
_INSTANTS = ("TIMESTAMPTZ '0001-01-01 00:00:00+00'", "TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'")
_TIMES = ("TIME '00:00'", "TIME '23:59:59.999999'")


def is_legible(column: Any, dialect: Dialect) -> ColumnElement[bool] | None:
    """Return the condition that a column's value can be read; None if that is sure."""
    type_ = plain_type(column.type, dialect)
    if isinstance(type_, sa.Enum):
        labels = [label.replace("'", "''") for label in type_.enums]
        known: list[ColumnElement[str]]
        known = [literal_column(f"'{label}'") for label in labels]
        return or_(column.is_(None), cast(column, sa.String()).in_(known))
    limits = _limits_of(type_)
    if limits is None:
        return None
    if isinstance(type_, sa.Time):
        column = cast(column, sa.Time())
    least: ColumnElement[Any] = literal_column(limits[0])
    most: ColumnElement[Any] = literal_column(limits[1])
    return or_(column.is_(None), column.between(least, most))


def _limits_of(type_: Any) -> tuple[str, str] | None:
    if isinstance(type_, UTCDateTime):
        return _INSTANTS
    if isinstance(type_, sa.DateTime):
        return _INSTANTS if type_.timezone else _MOMENTS
    kinds = ((sa.Date, _DATES), (sa.Time, _TIMES), (sa.Interval, _INTERVALS))
    return next((limits for kind, limits in kinds if isinstance(type_, kind)), None)
