"""How values are read to be shown: alike on every backend, and whatever is stored.

A row may hold what its type does not know: an enumeration's member of yesterday, a text that a
decorator cannot read. Such a value must not take a whole list with it. Knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy import Dialect
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import TypeEngine

from ormolu.models import UTCDateTime
from ormolu.query import _readings as readings
from ormolu.query._stored import (
    is_coded,
    is_fixed,
    is_named_apart,
    named_type,
    named_types,
    undecorated,
)
from ormolu.query._told import value_type

__all__ = ["as_key", "as_shown", "plain_value"]


def as_shown(column: Any) -> Any:
    """Return a column as it is read."""
    shown = _shown_type(column.type)
    return column if shown is None else sa.type_coerce(column, shown)


def as_key(column: Any) -> Any:
    """Return a column of a key as it is read and compared with.

    A value that its type does not know, or no longer, tells rows apart as it is stored.
    """
    type_ = column.type
    if is_coded(type_):
        make = readings.CodedAsStored if _is_kept(type_) else readings.UncachedAsStored
        return sa.type_coerce(column, make(type_))
    forms = named_types(type_) if is_named_apart(type_) else [undecorated(type_)]
    is_as_shown = any(isinstance(each, sa.Enum) or is_fixed(each) for each in forms)
    return as_shown(column) if is_as_shown else column


def plain_value(value: Any) -> Any:
    """Return what JSON shows of an object that it has no form for; None, and a line in the log."""
    if isinstance(value, memoryview):
        return bytes(value)
    for kind in type(value).__mro__:
        write = _OBJECTS.get((kind.__module__.partition(".")[0], kind.__name__))
        if write is not None:
            return write(value)
    try:
        # Whatever Pydantic knows: paths, say, of which JSON knows some.
        return TypeAdapter(type(value)).dump_python(value, mode="json")
    except Exception:  # a schema of the program's own may raise anything
        readings.note(type(value), "JSON has no form for it")
        return None


def _shown_type(type_: TypeEngine[Any]) -> TypeEngine[Any] | None:
    """Return the type that reads a column to show it, None for its own."""
    if is_coded(type_):
        return _shielded(type_)
    if not is_named_apart(type_):
        return _reader_of(undecorated(type_))
    plain = value_type(type_)
    if all(_reader_beside(plain, named) is None for named in named_types(type_)):
        return None
    return _Named(type_) if _is_kept(type_) else _UncachedNamed(type_)


def _reader_of(plain: TypeEngine[Any]) -> TypeEngine[Any] | None:
    return next((make(plain) for kind, make in _READERS if isinstance(plain, kind)), None)


def _reader_beside(plain: TypeEngine[Any], named: TypeEngine[Any]) -> TypeEngine[Any] | None:
    """Return the type that reads what is stored as another type than its values are of."""
    if is_coded(named):
        return _shielded(named)
    if isinstance(plain, sa.Boolean) and not isinstance(named, sa.Boolean):
        return readings.Truth(named)
    if isinstance(plain, (sa.DateTime, sa.Time)):
        # The column keeps no offset elsewhere: that a value has one, the model says.
        return _reader_of(plain)
    if isinstance(named, _DECIMALS) and isinstance(plain, (sa.Integer, *_DECIMALS)):
        return _number_beside(plain, named)
    return _reader_of(named)


def _number_beside(plain: Any, named: Any) -> TypeEngine[Any] | None:
    """Return the type that reads a number as what the program says that it is."""
    if isinstance(plain, sa.Integer):
        return readings.Whole(named)
    if plain.asdecimal == named.asdecimal:
        return _reader_of(named)
    return readings.Exact(getattr(plain, "scale", None)) if plain.asdecimal else sa.Double()


def _shielded(type_: Any) -> TypeEngine[Any]:
    return readings.Shielded(type_) if _is_kept(type_) else readings.UncachedShielded(type_)


def _is_kept(type_: Any) -> bool:
    """Tell whether SQLAlchemy keeps statements by a type, and may by one around it."""
    is_own = isinstance(type_, sa.types.ExternalType)
    return not is_own or type(type_).__dict__.get("cache_ok") is True


class _Named(readings.Around):
    """Reads a column as the type that the program names for the database at hand."""

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type that reads it."""
        named = named_type(self.inner, dialect)
        return _reader_beside(value_type(self.inner), named) or named


class _UncachedNamed(_Named):
    """The same, of a type by which no statement may be kept."""

    cache_ok = False


def _with_offset(type_: Any) -> TypeEngine[Any] | None:
    return UTCDateTime() if type_.timezone else None


def _time_with_offset(type_: Any) -> TypeEngine[Any] | None:
    return readings.UTCTime() if type_.timezone else None


def _with_digits(type_: Any) -> TypeEngine[Any] | None:
    scale = getattr(type_, "scale", None)
    is_short = scale is not None and 0 <= scale <= _PLAIN_PLACES
    return readings.Digits(type_) if type_.asdecimal and not is_short else None


# What reads decimals or floats, as it is told.
_DECIMALS = (sa.Numeric, sa.Float)

# A number with more places may be written with an exponent: 0E-7.
_PLAIN_PLACES = 6

_READERS: tuple[tuple[Any, Callable[[Any], TypeEngine[Any] | None]], ...] = (
    (sa.ARRAY, readings.AsStored),
    (sa.Enum, readings.AsStored),
    ((sa.CHAR, sa.NCHAR), readings.Unfilled),
    (sa.REAL, lambda _type: readings.Single()),
    (sa.DateTime, _with_offset),
    (_DECIMALS, _with_digits),
    (sa.Time, _time_with_offset),
    (mysql.SET, readings.Names),
    (postgresql.TSTZRANGE, lambda _type: readings.UTCRange()),
    (postgresql.TSTZMULTIRANGE, lambda _type: readings.UTCRanges()),
)

# Objects of well-known packages, by what they are stored as.
_UTILS = "sqlalchemy_utils"
_OBJECTS: dict[tuple[str, str], Callable[[Any], Any]] = {
    (_UTILS, "Choice"): lambda each: each.code,
    (_UTILS, "Country"): lambda each: each.code,
    (_UTILS, "Currency"): lambda each: each.code,
    (_UTILS, "Ltree"): lambda each: each.path,
    (_UTILS, "PhoneNumber"): lambda each: each.e164,
    (_UTILS, "WeekDays"): lambda each: each.as_bit_string(),
    ("babel", "Locale"): str,
    ("colour", "Color"): lambda each: each.hex,
    ("furl", "furl"): str,
    ("pytz", "BaseTzInfo"): str,
    ("zoneinfo", "ZoneInfo"): str,
}  # fmt: skip
