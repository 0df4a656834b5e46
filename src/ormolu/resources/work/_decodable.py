"""Which of PostgreSQL's values Python can decode: not dates before the year 1 or after 9999.

A lane decodes a row after its write is committed, so it writes only rows that can be decoded. The
session decodes before it commits, and rolls back. Sends nothing.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Dialect, cast, literal_column, or_

from ormolu.models import UTCDateTime
from ormolu.query import plain_type

__all__ = ["is_decodable"]

# A tenth of a timedelta, in the years of 365 days that asyncpg counts in.
_INTERVALS = ("INTERVAL '-270000 years'", "INTERVAL '270000 years'")
_DATES = ("DATE '0001-01-01'", "DATE '9999-12-31'")
_MOMENTS = ("TIMESTAMP '0001-01-01'", "TIMESTAMP '9999-12-31 23:59:59.999999'")
_INSTANTS = ("TIMESTAMPTZ '0001-01-01 00:00:00+00'", "TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'")
_TIMES = ("TIME '00:00'", "TIME '23:59:59.999999'")


def is_decodable(column: Any, dialect: Dialect) -> ColumnElement[bool] | None:
    """Return the condition that a column's value can be decoded; None if it always can."""
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
