"""Sort values in a cursor: how they are written as JSON, and read again by their column's type.

A cursor holds what the backend compares, so a value is read by the type of the expression that
the rows are sorted by, with the limits of a parameter of that type. Anybody can write a cursor, so
any other value is a ValueError. Knows no sort and no HTTP.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python
from sqlalchemy import Dialect
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import NullType, TypeEngine

from ormolu.backends import backend_of
from ormolu.query._types import filtered_type

__all__ = ["Reader", "json_of", "or_null", "reader_of"]

Reader = Callable[[Any], Any]

_T = TypeVar("_T")

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
# Enough for MariaDB's decimals; PostgreSQL's may have more digits than a cursor can hold.
_DECIMAL_CHARACTERS = 100


def json_of(value: Any) -> Any:
    """Return the JSON of a sort value."""
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value)
    return to_jsonable_python(value, fallback=str)


def _write_float(value: float) -> Any:
    # JSON has no infinity and no NaN.
    return value if math.isfinite(value) else {"float": str(value)}


def _write_bytes(value: Any) -> dict[str, str]:
    return {"base64": base64.b64encode(value).decode()}


# The first that fits is used: a datetime is also a date.
_WRITERS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    ((type(None), bool, int, str), lambda value: value),
    (float, _write_float),
    ((bytes, bytearray, memoryview), _write_bytes),
    (Decimal, lambda value: format(value, "f")),
    (timedelta, lambda value: value // _MICROSECOND),
    ((datetime, date, time), lambda value: value.isoformat()),
)


def reader_of(type_: TypeEngine[Any], dialect: Dialect) -> Reader:
    """Return the reader of a value that is compared as this type; it raises ValueError.

    Args:
        type_: Type of the expression that the rows are sorted by; NullType for what SQLite stores.
        dialect: Of the backend, since each has other limits.
    """
    if isinstance(type_, NullType):
        return _read_stored
    for kind, make in _MAKERS:
        if isinstance(type_, kind):
            return make(type_, dialect)
    adapter: TypeAdapter[Any] = TypeAdapter(filtered_type(type_))
    return adapter.validate_python


def or_null(read: Reader) -> Reader:
    """Return a reader that also takes None."""
    return lambda value: None if value is None else read(value)


def _read_stored(value: Any) -> Any:
    """Read a value of any type, since SQLite may store and compare all types in any column."""
    if isinstance(value, dict):
        return _read_float(value) if "float" in value else _read_bytes(value)
    if isinstance(value, str):
        return _read_text(value)
    return value if isinstance(value, float) else _read_integer(value, 63)


def _text(_type: Any, dialect: Dialect) -> Reader:
    return _read_text if backend_of(dialect).keeps_nul else _read_text_without_nul


def _read_text(value: Any) -> str:
    text = _require(value, str)
    # Lone surrogates raise a UnicodeEncodeError, which is a ValueError.
    text.encode()
    return text


def _read_text_without_nul(value: Any) -> str:
    text = _read_text(value)
    return _check(text, is_fine="\0" not in text)


def _integer(type_: Any, dialect: Dialect) -> Reader:
    bits = backend_of(dialect).integer_bits(type_)
    return lambda value: _read_integer(value, bits)


def _read_integer(value: Any, bits: int) -> int:
    number = _require(value, int)
    return _check(number, is_fine=-(2**bits) <= number < 2**bits)


def _float(_type: Any, dialect: Dialect) -> Reader:
    return _read_float if backend_of(dialect).keeps_infinity else _read_finite


def _read_finite(value: Any) -> float:
    number = float(value) if type(value) is int else _require(value, float)
    return _check(number, is_fine=math.isfinite(number))


def _read_float(value: Any) -> float:
    if not isinstance(value, dict):
        return _read_finite(value)
    return float(_check(value["float"], is_fine=value["float"] in {"nan", "inf", "-inf"}))


def _numeric(type_: Any, dialect: Dialect) -> Reader:
    if not type_.asdecimal:
        return _float(type_, dialect)
    has_infinity = backend_of(dialect).keeps_infinity

    def read(value: Any) -> Decimal:
        text = _require(value, str)
        # Check before any arithmetic: 1e999999 has a million digits.
        is_number = _DECIMAL.fullmatch(text) is not None
        if has_infinity:
            is_number = is_number or text in {"NaN", "Infinity", "-Infinity"}
        else:
            is_number = is_number and len(text) <= _DECIMAL_CHARACTERS
        return Decimal(_check(text, is_fine=is_number))

    return read


def _moment(type_: Any, dialect: Dialect) -> Reader:
    # The other backends store no offset, whatever the type says.
    has_offset = type_.timezone and backend_of(dialect).keeps_offsets

    def read(value: Any) -> datetime:
        moment = datetime.fromisoformat(_require(value, str))
        if not has_offset:
            return _check(moment, is_fine=moment.utcoffset() is None)
        # asyncpg stores the first and last datetime as infinity, and reads them without an offset.
        return (moment if moment.utcoffset() else moment.replace(tzinfo=UTC)).astimezone(UTC)

    return read


def _time(type_: Any, dialect: Dialect) -> Reader:
    has_offset = type_.timezone and backend_of(dialect).keeps_offsets

    def read(value: Any) -> time:
        moment = time.fromisoformat(_require(value, str))
        return _check(moment, is_fine=(moment.utcoffset() is not None) == has_offset)

    return read


def _read_date(value: Any) -> date:
    return date.fromisoformat(_require(value, str))


def _read_interval(value: Any) -> timedelta:
    interval = timedelta(microseconds=_read_integer(value, 63))
    # Backends without intervals store one as a datetime, which must be in range.
    _ = _EPOCH + interval
    return interval


def _uuid(type_: Any, _dialect: Dialect) -> Reader:
    def read(value: Any) -> UUID | str:
        found = UUID(_require(value, str))
        return found if type_.as_uuid else str(found)

    return read


def _read_bytes(value: Any) -> bytes:
    text = _require(value, dict).get("base64")
    return base64.b64decode(_require(text, str), validate=True)


def _require(value: Any, kind: type[_T]) -> _T:
    # Not isinstance, since True is an int.
    found: _T = _check(value, is_fine=type(value) is kind)
    return found


def _check(value: _T, *, is_fine: bool) -> _T:
    if not is_fine:
        raise ValueError
    return value


def _same(read: Reader) -> Callable[[Any, Dialect], Reader]:
    return lambda _type, _dialect: read


# The first that fits is used: a subclass comes before its base.
_MAKERS: tuple[tuple[Any, Callable[[Any, Dialect], Reader]], ...] = (
    (sa.String, _text),
    (sa.Boolean, _same(lambda value: _require(value, bool))),
    (sa.Integer, _integer),
    (sa.Float, _float),
    (sa.Numeric, _numeric),
    (sa.DateTime, _moment),
    (sa.Date, _same(_read_date)),
    (sa.Time, _time),
    ((sa.Interval, postgresql.INTERVAL), _same(_read_interval)),
    (sa.Uuid, _uuid),
    ((sa.LargeBinary, sa.BINARY, sa.VARBINARY), _same(_read_bytes)),
)
