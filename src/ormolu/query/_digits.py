"""Decimals that SQLite would store as another number: it has doubles, of 15 significant digits.

Knows no model, no HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Dialect
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine

from ormolu.query._stored import bound_form, stored_type

__all__ = ["SIGNIFICANT_DIGITS", "sqlite_keeps"]

SIGNIFICANT_DIGITS = 15

# What SQLAlchemy reads of a column that does not say.
_PLACES = 10


def sqlite_keeps(type_: TypeEngine[Any]) -> Callable[[Any], bool] | None:
    """Return what tells whether SQLite keeps a value of a column as it is; None if it keeps all."""
    stored = stored_type(type_, _dialect())
    if not isinstance(stored, sa.Numeric) or isinstance(stored, sa.Float) or not stored.asdecimal:
        return None
    is_short = stored.precision is not None and stored.precision <= SIGNIFICANT_DIGITS
    places = stored.decimal_return_scale or stored.scale or (0 if stored.scale == 0 else _PLACES)

    def check(value: Any) -> bool:
        number = bound_form(type_, value, _dialect())
        return not isinstance(number, Decimal) or Decimal(f"{float(number):.{places}f}") == number

    return None if is_short else check


@cache
def _dialect() -> Dialect:
    return sqlite.dialect()
