"""How values are read to be shown: alike on every backend, and whatever is stored.

A type may not be able to read a stored value: an enum's removed member, or text that a decorator
refuses. One such value must not make a whole list fail. Knows no HTTP.
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
from ormolu.query._python_types import value_type
from ormolu.query._stored import (
    has_variants,
    is_cacheable,
    is_converted,
    is_fixed_length,
    undecorated,
    variant_type,
    variant_types,
)

__all__ = ["as_key", "as_shown", "plain_value"]


def as_shown(column: Any) -> Any:
    """Return a column with the type that reads it to be shown."""
    shown = _shown_type(column.type)
    return column if shown is None else sa.type_coerce(column, shown)


def as_key(column: Any) -> Any:
    """Return a column of a key with the type that reads it to identify rows.

    A value that its own type cannot read is returned as it is stored.
    """
    type_ = column.type
    if is_converted(type_):
        make = readings.ConvertedAsStored if is_cacheable(type_) else readings.UncachedAsStored
        return sa.type_coerce(column, make(type_))
    forms = variant_types(type_) if has_variants(type_) else [undecorated(type_)]
    is_as_shown = any(isinstance(each, sa.Enum) or is_fixed_length(each) for each in forms)
    return as_shown(column) if is_as_shown else column


def plain_value(value: Any) -> Any:
    """Return the JSON value for an object that JSON has no form for; else None, and log that."""
    if isinstance(value, memoryview):
        return bytes(value)
    for kind in type(value).__mro__:
        write = _OBJECTS.get((kind.__module__.partition(".")[0], kind.__name__))
        if write is not None:
            return write(value)
    try:
        # Pydantic knows more classes than its JSON does: paths, say.
        return TypeAdapter(type(value)).dump_python(value, mode="json")
    except Exception:  # a schema of the program's own may raise anything
        readings.log_null(type(value), "JSON has no form for it")
        return None


def _shown_type(type_: TypeEngine[Any]) -> TypeEngine[Any] | None:
    """Return the type that reads a column to be shown, None for its own."""
    if is_converted(type_):
        return _null_if_unreadable(type_)
    if not has_variants(type_):
        return _reader_of(undecorated(type_))
    plain = value_type(type_)
    if all(_reader_beside(plain, variant) is None for variant in variant_types(type_)):
        return None
    return _Variant(type_) if is_cacheable(type_) else _UncachedVariant(type_)


def _reader_of(plain: TypeEngine[Any]) -> TypeEngine[Any] | None:
    return next((make(plain) for kind, make in _READERS if isinstance(plain, kind)), None)


def _reader_beside(plain: TypeEngine[Any], variant: TypeEngine[Any]) -> TypeEngine[Any] | None:
    """Return the type that reads values of one type which are stored as another."""
    if is_converted(variant):
        return _null_if_unreadable(variant)
    if isinstance(plain, sa.Boolean) and not isinstance(variant, sa.Boolean):
        return readings.Truth(variant)
    if isinstance(plain, (sa.DateTime, sa.Time)):
        # Other backends keep no offset, so the model's type tells whether there is one.
        return _reader_of(plain)
    if isinstance(variant, _DECIMALS) and isinstance(plain, (sa.Integer, *_DECIMALS)):
        return _number_beside(plain, variant)
    return _reader_of(variant)


def _number_beside(plain: Any, variant: Any) -> TypeEngine[Any] | None:
    """Return the type that reads a number as the program declares it."""
    if isinstance(plain, sa.Integer):
        return readings.Whole(variant)
    if plain.asdecimal == variant.asdecimal:
        return _reader_of(variant)
    return readings.Exact(getattr(plain, "scale", None)) if plain.asdecimal else sa.Double()


def _null_if_unreadable(type_: Any) -> TypeEngine[Any]:
    return (
        readings.NullIfUnreadable(type_)
        if is_cacheable(type_)
        else readings.UncachedNullIfUnreadable(type_)
    )


class _Variant(readings.Wrapper):
    """Reads a column by its variant for the backend."""

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type that reads it."""
        variant = variant_type(self.inner, dialect)
        return _reader_beside(value_type(self.inner), variant) or variant


class _UncachedVariant(_Variant):
    """The same, for a type without `cache_ok`."""

    cache_ok = False


def _with_offset(type_: Any) -> TypeEngine[Any] | None:
    return UTCDateTime() if type_.timezone else None


def _time_with_offset(type_: Any) -> TypeEngine[Any] | None:
    return readings.UTCTime() if type_.timezone else None


def _with_digits(type_: Any) -> TypeEngine[Any] | None:
    scale = getattr(type_, "scale", None)
    is_short = scale is not None and 0 <= scale <= _PLAIN_PLACES
    return readings.Digits(type_) if type_.asdecimal and not is_short else None


# Types that read decimals or floats, depending on `asdecimal`.
_DECIMALS = (sa.Numeric, sa.Float)

# The text of a decimal with more places may have an exponent: 0E-7.
_PLAIN_PLACES = 6

_READERS: tuple[tuple[Any, Callable[[Any], TypeEngine[Any] | None]], ...] = (
    (sa.ARRAY, readings.AsStored),
    (sa.Enum, readings.AsStored),
    ((sa.CHAR, sa.NCHAR), readings.Unpadded),
    (sa.REAL, lambda _type: readings.Single()),
    (sa.DateTime, _with_offset),
    (_DECIMALS, _with_digits),
    (sa.Time, _time_with_offset),
    (mysql.SET, readings.Names),
    (postgresql.TSTZRANGE, lambda _type: readings.UTCRange()),
    (postgresql.TSTZMULTIRANGE, lambda _type: readings.UTCRanges()),
)

# How objects of well-known packages are written: as they are stored.
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
