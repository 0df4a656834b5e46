"""How values are read to be shown: alike on every backend, and whatever is stored.

A row may hold what its type does not know: an enumeration's member of yesterday, a text that a
decorator cannot read. Such a value must not take a whole list with it. Knows no HTTP.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy import Dialect
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.types import TypeDecorator, TypeEngine

from ormolu.models import UTCDateTime
from ormolu.query._checks import shortest
from ormolu.query._kinds import undecorated
from ormolu.query._stored import is_coded, stored_type
from ormolu.seams import variants_of

__all__ = ["as_key", "as_shown", "plain_value"]

_log = logging.getLogger("ormolu")


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
        kept = _CodedAsStored(type_) if _is_kept(type_) else _UncachedAsStored(type_)
        return sa.type_coerce(column, kept)
    is_enum = isinstance(undecorated(type_), sa.Enum)
    return sa.type_coerce(column, _AsStored(type_)) if is_enum else column


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
        _note(type(value), "JSON has no form for it")
        return None


def _note(kind: type[Any], reason: str) -> None:
    _note_once(f"{kind.__module__}.{kind.__qualname__}", reason)


@lru_cache(maxsize=1000)
def _note_once(name: str, reason: str) -> None:
    _log.warning("A value of %s is shown as null: %s. Hide its column, or say what it is.",
                 name, reason)  # fmt: skip


def _shown_type(type_: TypeEngine[Any]) -> TypeEngine[Any] | None:
    """Return the type that reads a column to show it, None for its own."""
    if is_coded(type_):
        return _shielded(type_)
    plain = undecorated(type_)
    make = next((make for kind, make in _READERS if isinstance(plain, kind)), None)
    return None if make is None else make(plain)


def _shielded(type_: Any) -> TypeEngine[Any]:
    return _Shielded(type_) if _is_kept(type_) else _UncachedShielded(type_)


def _is_kept(type_: Any) -> bool:
    """Tell whether SQLAlchemy keeps statements by a type, and may by one around it."""
    return type(type_).__dict__.get("cache_ok") is True


class _Shielded(TypeDecorator[Any]):
    """Reads as another type; what that cannot read is None."""

    impl = sa.types.NullType
    cache_ok = True

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.impl = self.impl_instance = inner

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        """Return what reads a value, or None of it."""
        read = super().result_processor(dialect, coltype)
        kind = type(self.inner)
        is_moment = isinstance(stored_type(self.inner, dialect), sa.DateTime)
        if read is None:
            return _in_utc if is_moment else None

        def process(value: Any) -> Any:
            try:
                return read(_in_utc(value) if is_moment else value)
            except (OSError, RuntimeError):
                # Not of this value: a vault that does not answer, a key that is not set.
                raise
            except Exception:
                _note(kind, "it cannot read what is stored")
                return None

        return process


def _in_utc(value: Any) -> Any:
    # psycopg reads moments in the time zone of its session.
    if isinstance(value, list):
        return [_in_utc(each) for each in value]
    is_aware = isinstance(value, datetime) and value.tzinfo is not None
    return value.astimezone(UTC) if is_aware else value


class _UncachedShielded(_Shielded):
    """The same, of a type by which no statement may be kept."""

    cache_ok = False


class _AsStored(TypeDecorator[Any]):
    """Reads an enumeration or an array; what that does not know is as it is stored.

    A member of yesterday is text, and an array may be deeper or flatter than is declared.
    """

    impl = sa.types.NullType
    cache_ok = True
    unknown: tuple[type[Exception], ...] = (LookupError, TypeError)

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.impl = self.impl_instance = inner

    def bind_processor(self, dialect: Dialect) -> Any:
        """Return what writes a value, or one that was read as it is stored."""
        return self._kept(super().bind_processor(dialect))

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        """Return what reads a value."""
        read: Callable[[Any], Any] | None = super().result_processor(dialect, coltype)
        if isinstance(getattr(self.inner, "item_type", None), sa.DateTime):
            read = _after(read)
        return self._kept(read)

    def _kept(self, process: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
        if process is None:
            return None

        def try_to(value: Any) -> Any:
            try:
                return process(value)
            except (OSError, RuntimeError):
                # Not of this value: a vault that does not answer, a key that is not set.
                raise
            except self.unknown:
                return value

        return try_to


class _CodedAsStored(_AsStored):
    """The same, of a decorator, whose code raises whatever it likes."""

    cache_ok = True
    unknown = (Exception,)


class _UncachedAsStored(_CodedAsStored):
    """The same, of a decorator by which no statement may be kept."""

    cache_ok = False


def _after(read: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """Return what reads moments of an array, in UTC."""
    return _in_utc if read is None else lambda value: _in_utc(read(value))


class _UTCTime(TypeDecorator[time]):
    """A time of the day in UTC, of which most backends keep no offset."""

    impl = sa.Time(timezone=True)
    cache_ok = True

    def process_result_value(self, value: time | None, dialect: Dialect) -> time | None:
        """Return the time with an offset."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class _Single(TypeDecorator[float]):
    """A number of four bytes, with as many digits as it was given, not as eight bytes have."""

    impl = sa.REAL
    cache_ok = True

    def process_result_value(self, value: float | None, dialect: Dialect) -> float | None:
        """Return the shortest number that is stored so."""
        return None if value is None else shortest(value)


class _PlainDecimal(Decimal):
    """A number whose text has no exponent, which clients may not send either."""

    def __str__(self) -> str:
        return format(self, "f")


class _Truth(TypeDecorator[bool]):
    """A truth value that one backend has as a number."""

    impl = sa.types.NullType
    cache_ok = True

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.impl = self.impl_instance = inner

    def process_result_value(self, value: Any, dialect: Dialect) -> bool | None:
        """Return the truth value."""
        return None if value is None else bool(value)


class _Digits(TypeDecorator[Decimal]):
    """A decimal of many places, of which the usual text of some has an exponent."""

    impl = sa.types.NullType
    cache_ok = True

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.impl = self.impl_instance = inner

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Return the number with a plain text."""
        return _PlainDecimal(value) if isinstance(value, Decimal) else value


class _Names(TypeDecorator[Any]):
    """The names of MySQL's SET in the order of its declaration, not of a hash."""

    impl = sa.types.NullType
    cache_ok = True

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.impl = self.impl_instance = inner

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Return a list."""
        return None if value is None else [each for each in self.inner.values if each in value]


class _UTCRange(TypeDecorator[Any]):
    """Ranges of instants, in UTC whatever the session's time zone is."""

    impl = postgresql.TSTZRANGE
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Return the range in UTC."""
        if value is None or value.empty:
            return value
        ends = (None if end is None else end.astimezone(UTC) for end in (value.lower, value.upper))
        return Range(*ends, bounds=value.bounds)


class _UTCRanges(TypeDecorator[Any]):
    """Several of them."""

    impl = postgresql.TSTZMULTIRANGE
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Return the ranges in UTC."""
        read = _UTCRange().process_result_value
        return None if value is None else [read(each, dialect) for each in value]


def _with_offset(type_: Any) -> TypeEngine[Any] | None:
    return UTCDateTime() if type_.timezone else None


def _time_with_offset(type_: Any) -> TypeEngine[Any] | None:
    return _UTCTime() if type_.timezone else None


def _with_digits(type_: Any) -> TypeEngine[Any] | None:
    scale = getattr(type_, "scale", None)
    is_short = scale is not None and 0 <= scale <= _PLAIN_PLACES
    return _Digits(type_) if type_.asdecimal and not is_short else None


# A number with more places may be written with an exponent: 0E-7.
_PLAIN_PLACES = 6

_READERS: tuple[tuple[Any, Callable[[Any], TypeEngine[Any] | None]], ...] = (
    (sa.ARRAY, _AsStored),
    (sa.Enum, _AsStored),
    (sa.Boolean, lambda type_: _Truth(type_) if variants_of(type_) else None),
    (sa.REAL, lambda _type: _Single()),
    (sa.DateTime, _with_offset),
    ((sa.Numeric, sa.Float), _with_digits),
    (sa.Time, _time_with_offset),
    (mysql.SET, _Names),
    (postgresql.TSTZRANGE, lambda _type: _UTCRange()),
    (postgresql.TSTZMULTIRANGE, lambda _type: _UTCRanges()),
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
