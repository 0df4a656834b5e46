"""Types that read stored values so that they can be shown, one class for each reason.

A column is read by such a type, which wraps its own type or replaces it. Knows no HTTP.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Dialect
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.types import TypeDecorator

from ormolu.query._checks import shortest
from ormolu.query._stored import is_padded, stored_type

__all__ = [
    "AsStored", "ConvertedAsStored", "Digits", "Exact", "Names", "NullIfUnreadable", "Single",
    "Truth", "UTCRange", "UTCRanges", "UTCTime", "UncachedAsStored", "UncachedNullIfUnreadable",
    "Unpadded", "Whole", "Wrapper", "log_null",
]  # fmt: skip

_log = logging.getLogger("ormolu")


def log_null(kind: type[Any], reason: str) -> None:
    _log_once(f"{kind.__module__}.{kind.__qualname__}", reason)


@lru_cache(maxsize=1000)
def _log_once(name: str, reason: str) -> None:
    _log.warning("A value of %s is shown as null: %s. Hide its column, or say what it is.",
                 name, reason)  # fmt: skip


class Wrapper(TypeDecorator[Any]):
    """Wraps another type."""

    impl = sa.types.NullType
    cache_ok = True

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.impl = self.impl_instance = inner


class NullIfUnreadable(Wrapper):
    """Reads as another type, and returns None for what that cannot read."""

    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        """Return what reads a value."""
        read = super().result_processor(dialect, coltype)
        kind, prepare = type(self.inner), _preparation_of(self.inner, dialect)
        if read is None:
            return prepare

        def process(value: Any) -> Any:
            try:
                return read(value if prepare is None else prepare(value))
            except (OSError, RuntimeError):
                # The value is not the cause: a vault does not answer, or a key is not set.
                raise
            except Exception:
                log_null(kind, "it cannot read what is stored")
                return None

        return process


def _preparation_of(type_: Any, dialect: Dialect) -> Callable[[Any], Any] | None:
    """Return what makes a stored value the same on every backend, before a decorator reads it."""
    if is_padded(type_, dialect):
        return _unpadded
    return _in_utc if isinstance(stored_type(type_, dialect), sa.DateTime) else None


def _unpadded(value: Any) -> Any:
    return value.rstrip(" ") if isinstance(value, str) else value


def _in_utc(value: Any) -> Any:
    # psycopg returns datetimes in the time zone of the session.
    if isinstance(value, list):
        return [_in_utc(each) for each in value]
    is_aware = isinstance(value, datetime) and value.tzinfo is not None
    return value.astimezone(UTC) if is_aware else value


class UncachedNullIfUnreadable(NullIfUnreadable):
    """The same, for a type without `cache_ok`."""

    cache_ok = False


class AsStored(Wrapper):
    """Reads an enumeration or an array, and returns what that cannot read as it is stored.

    A member may have been removed, and an array may have other dimensions than declared.
    """

    cache_ok = True
    unknown: tuple[type[Exception], ...] = (LookupError, TypeError)

    def bind_processor(self, dialect: Dialect) -> Any:
        """Return what writes a value, also one that was read as it is stored."""
        return self._tolerant(super().bind_processor(dialect))

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        """Return what reads a value."""
        read: Callable[[Any], Any] | None = super().result_processor(dialect, coltype)
        if isinstance(getattr(self.inner, "item_type", None), sa.DateTime):
            read = _after(read)
        return self._tolerant(read)

    def _tolerant(self, process: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
        """Return a processor that returns a value that it cannot process."""
        if process is None:
            return None

        def process_or_return(value: Any) -> Any:
            try:
                return process(value)
            except (OSError, RuntimeError):
                # The value is not the cause: a vault does not answer, or a key is not set.
                raise
            except self.unknown:
                return value

        return process_or_return


class ConvertedAsStored(AsStored):
    """The same, for a decorator, whose code may raise anything."""

    cache_ok = True
    unknown = (Exception,)


class UncachedAsStored(ConvertedAsStored):
    """The same, for a decorator without `cache_ok`."""

    cache_ok = False


def _after(read: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """Return what reads the datetimes of an array, in UTC."""
    return _in_utc if read is None else lambda value: _in_utc(read(value))


class Unpadded(Wrapper):
    """Text of a CHAR, without the blanks that PostgreSQL pads it with."""

    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        """Return what reads a value; the type's own where nothing is padded."""
        read = super().result_processor(dialect, coltype)
        if not is_padded(self.inner, dialect):
            return read
        return _unpadded if read is None else lambda value: _unpadded(read(value))


class UTCTime(TypeDecorator[time]):
    """A time of day in UTC, of which most backends keep no offset."""

    impl = sa.Time(timezone=True)
    cache_ok = True

    def process_result_value(self, value: time | None, dialect: Dialect) -> time | None:
        """Return the time with an offset."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Single(TypeDecorator[float]):
    """A number of four bytes, with the digits that were sent, not those of eight bytes."""

    impl = sa.REAL
    cache_ok = True

    def process_result_value(self, value: float | None, dialect: Dialect) -> float | None:
        """Return the shortest number that is stored as this one."""
        return None if value is None else shortest(value)


class _PlainDecimal(Decimal):
    """A decimal whose text has no exponent; clients may send none either."""

    def __str__(self) -> str:
        return format(self, "f")


class Truth(Wrapper):
    """A truth value that one backend stores as a number."""

    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> bool | None:
        """Return the truth value."""
        return None if value is None else bool(value)


class Digits(Wrapper):
    """A decimal of many places, whose default text may have an exponent."""

    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Return the number with a plain text."""
        return _PlainDecimal(value) if isinstance(value, Decimal) else value


class Exact(TypeDecorator[Decimal]):
    """A decimal that one backend stores as a double."""

    impl = sa.Double
    cache_ok = True

    def __init__(self, scale: int | None) -> None:
        super().__init__()
        self.scale = scale

    def process_result_value(self, value: float | None, dialect: Dialect) -> Decimal | None:
        """Return the decimal with as many places as its type has."""
        if value is None:
            return None
        return _PlainDecimal(repr(value) if self.scale is None else f"{value:.{self.scale}f}")


class Whole(Wrapper):
    """An integer that one backend stores as a decimal."""

    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        """Return the whole number."""
        return None if value is None else int(value)


class Names(Wrapper):
    """The names of MySQL's SET, in the order of its declaration."""

    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Return a list."""
        return None if value is None else [each for each in self.inner.values if each in value]


class UTCRange(TypeDecorator[Any]):
    """Ranges of instants, in UTC whatever the session's time zone is."""

    impl = postgresql.TSTZRANGE
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Return the range in UTC."""
        if value is None or value.empty:
            return value
        ends = (None if end is None else end.astimezone(UTC) for end in (value.lower, value.upper))
        return Range(*ends, bounds=value.bounds)


class UTCRanges(TypeDecorator[Any]):
    """Multiranges of instants, in UTC."""

    impl = postgresql.TSTZMULTIRANGE
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Return the ranges in UTC."""
        read = UTCRange().process_result_value
        return None if value is None else [read(each, dialect) for each in value]
