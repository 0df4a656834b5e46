"""Decimals that SQLite cannot store exactly: it has only doubles, of 15 significant digits."""

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

__all__ = ["SIGNIFICANT_DIGITS", "sqlite_digit_check"]

SIGNIFICANT_DIGITS = 15

# The places that SQLAlchemy reads of a column without a scale.
_PLACES = 10


def sqlite_digit_check(type_: TypeEngine[Any]) -> Callable[[Any], bool] | None:
    """Return a check that SQLite keeps a value of a column exactly; None if it keeps all."""
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
