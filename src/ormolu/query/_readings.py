"""Types that read what a database has stored, so that it can be shown; one class a reason.

Each is put around a column's own type, or in its place. Knows no HTTP.
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
from ormolu.query._stored import is_filled, stored_type

__all__ = [
    "Around", "AsStored", "CodedAsStored", "Digits", "Exact", "Names", "Shielded", "Single",
    "Truth", "UTCRange", "UTCRanges", "UTCTime", "UncachedAsStored", "UncachedShielded", "Unfilled",
    "Whole", "note",
]  # fmt: skip

_log = logging.getLogger("ormolu")


def note(kind: type[Any], reason: str) -> None:
    _note_once(f"{kind.__module__}.{kind.__qualname__}", reason)


@lru_cache(maxsize=1000)
def _note_once(name: str, reason: str) -> None:
    _log.warning("A value of %s is shown as null: %s. Hide its column, or say what it is.",
                 name, reason)  # fmt: skip


class Around(TypeDecorator[Any]):
    """Reads the values of another type."""

    impl = sa.types.NullType
    cache_ok = True

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.impl = self.impl_instance = inner


class Shielded(Around):
    """Reads as another type; what that cannot read is None."""

    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        """Return what reads a value, or None of it."""
        read = super().result_processor(dialect, coltype)
        kind, prepare = type(self.inner), _preparation_of(self.inner, dialect)
        if read is None:
            return prepare

        def process(value: Any) -> Any:
            try:
                return read(value if prepare is None else prepare(value))
            except (OSError, RuntimeError):
                # Not of this value: a vault that does not answer, a key that is not set.
                raise
            except Exception:
                note(kind, "it cannot read what is stored")
                return None

        return process


def _preparation_of(type_: Any, dialect: Dialect) -> Callable[[Any], Any] | None:
    """Return what makes the same of a stored value on every backend, before a decorator reads."""
    if is_filled(type_, dialect):
        return _unfilled
    return _in_utc if isinstance(stored_type(type_, dialect), sa.DateTime) else None


def _unfilled(value: Any) -> Any:
    return value.rstrip(" ") if isinstance(value, str) else value


def _in_utc(value: Any) -> Any:
    # psycopg reads moments in the time zone of its session.
    if isinstance(value, list):
        return [_in_utc(each) for each in value]
    is_aware = isinstance(value, datetime) and value.tzinfo is not None
    return value.astimezone(UTC) if is_aware else value


class UncachedShielded(Shielded):
    """The same, of a type by which no statement may be kept."""

    cache_ok = False


class AsStored(Around):
    """Reads an enumeration or an array; what that does not know is as it is stored.

    A member of yesterday is text, and an array may be deeper or flatter than is declared.
    """

    cache_ok = True
    unknown: tuple[type[Exception], ...] = (LookupError, TypeError)

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


class CodedAsStored(AsStored):
    """The same, of a decorator, whose code raises whatever it likes."""

    cache_ok = True
    unknown = (Exception,)


class UncachedAsStored(CodedAsStored):
    """The same, of a decorator by which no statement may be kept."""

    cache_ok = False


def _after(read: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """Return what reads moments of an array, in UTC."""
    return _in_utc if read is None else lambda value: _in_utc(read(value))


class Unfilled(Around):
    """Text of a CHAR, without the blanks that PostgreSQL fills it up with."""

    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        """Return what reads a value; the type's own where nothing is filled up."""
        read = super().result_processor(dialect, coltype)
        if not is_filled(self.inner, dialect):
            return read
        return _unfilled if read is None else lambda value: _unfilled(read(value))


class UTCTime(TypeDecorator[time]):
    """A time of the day in UTC, of which most backends keep no offset."""

    impl = sa.Time(timezone=True)
    cache_ok = True

    def process_result_value(self, value: time | None, dialect: Dialect) -> time | None:
        """Return the time with an offset."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Single(TypeDecorator[float]):
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


class Truth(Around):
    """A truth value that one backend has as a number."""

    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> bool | None:
        """Return the truth value."""
        return None if value is None else bool(value)


class Digits(Around):
    """A decimal of many places, of which the usual text of some has an exponent."""

    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Return the number with a plain text."""
        return _PlainDecimal(value) if isinstance(value, Decimal) else value


class Exact(TypeDecorator[Decimal]):
    """A decimal that one backend has as a double."""

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


class Whole(Around):
    """A whole number that one backend has as a decimal."""

    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        """Return the whole number."""
        return None if value is None else int(value)


class Names(Around):
    """The names of MySQL's SET in the order of its declaration, not of a hash."""

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
    """Several of them."""

    impl = postgresql.TSTZMULTIRANGE
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Return the ranges in UTC."""
        read = UTCRange().process_result_value
        return None if value is None else [read(each, dialect) for each in value]
