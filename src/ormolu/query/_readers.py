"""Pydantic's types of values to store or to compare with, by the SQL type of their column.

A value must fit on every backend. Knows no model and no HTTP.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    TypeAdapter,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import to_jsonable_python

from ormolu.backends import is_short_float
from ormolu.query import _checks as checks
from ormolu.query._masked import holds_secret, revealed
from ormolu.query._members import member_type
from ormolu.query._python_types import is_readable, plain_hint
from ormolu.query._stored import is_fixed_length

__all__ = [
    "ANY_DECIMAL", "DATE", "INSTANT", "NAIVE", "STRING_CHARACTERS", "Limits", "Make", "any_decimal",
    "any_moment", "any_text", "anything", "array", "binary", "boolean", "clock", "counting", "day",
    "decimal", "document", "documented", "enumeration", "identifier", "in_query", "instant",
    "integer", "interval", "moment", "number", "single", "string", "text", "uuid_object", "whole",
]  # fmt: skip


# Long text is sorted by so many characters: MariaDB sorts by the first 1024 bytes.
STRING_CHARACTERS = 255

# The places of SQLAlchemy's decimals from a float, and the digits that a double keeps.
_PLACES, _DOUBLE_DIGITS = 10, 15

_SHIFTS = {sa.SmallInteger: 15, sa.BigInteger: 63, sa.Integer: 31}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a reader is needed for.

    Attributes:
        annotation: The type in `Mapped[...]`, None where it is not known.
        is_limited: Whether the value has the limits of its column; operands have none.
        is_shown: Whether it is a value of an answer, which is not checked again.
        read: Returns the Pydantic type for another SQL type, as of an array's items.
    """

    annotation: Any
    is_limited: bool
    is_shown: bool
    read: Callable[[Any], Any]


Make = Callable[[Any, Limits], Any]


def enumeration(type_: Any, limits: Limits) -> Any:
    """Return the members of an enumeration, by value; no combinations, since names are stored."""
    if type_.enum_class is None:
        return Literal[tuple(type_.enums)]
    kind, is_compared = type_.enum_class, not limits.is_limited
    return member_type(kind, is_compared=is_compared, may_be_several=False)


def string(type_: Any, limits: Limits) -> Any:
    """Return text of a column's length."""
    # Without a length there is no limit here; MySQL enforces the one that its DDL needs.
    kind = text(type_.length if limits.is_limited else None)
    has_end = limits.is_limited and is_fixed_length(type_)
    return Annotated[kind, AfterValidator(checks.check_end), _NO_BLANKS] if has_end else kind


def any_text(_type: Any, _limits: Limits) -> Any:
    """Return text of any length."""
    return text(None)


def text(characters: int | None) -> Any:
    rule = AfterValidator(checks.check_text)
    return Annotated[str, Field(strict=True, max_length=characters), rule]


def boolean(_type: Any, _limits: Limits) -> Any:
    """Return a truth value."""
    return Annotated[bool, Field(strict=True)]


def integer(type_: Any, _limits: Limits) -> Any:
    """Return whole numbers of a column's bits."""
    shift = next((bits for kind, bits in _SHIFTS.items() if isinstance(type_, kind)), 63)
    return whole(-(2**shift), 2**shift - 1)


def counting(type_: Any, limits: Limits) -> Any:
    """Return the integers of one of MySQL's types, which may be unsigned."""
    bits = next((bits for name, bits in _MYSQL_BITS.items() if name == type(type_).__name__), None)
    if bits is None:
        return integer(type_, limits)
    if type_.unsigned:
        return whole(0, 2**bits - 1)
    return whole(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


_MYSQL_BITS = {"TINYINT": 8, "SMALLINT": 16, "MEDIUMINT": 24, "INTEGER": 32, "BIGINT": 64}


def whole(least: int, most: int) -> Any:
    return Annotated[int, Field(strict=True, ge=least, le=most)]


def number(_type: Any, _limits: Limits) -> Any:
    """Return finite numbers."""
    return _FLOAT


def single(type_: Any, limits: Limits) -> Any:
    """Return the values of a column of floats, which may be decimals in Python."""
    if type_.asdecimal and limits.is_limited:
        # SQLAlchemy rounds what it reads to these places.
        places = type_.decimal_return_scale or getattr(type_, "scale", None) or _PLACES
        digits = {"decimal_places": places, "max_digits": _DOUBLE_DIGITS}
        return _decimal(rf"^-?\d+(\.\d{{1,{places}}})?$", digits)
    if type_.asdecimal:
        return ANY_DECIMAL
    if not limits.is_limited:
        return _FLOAT
    if isinstance(type_, sa.REAL):
        return Annotated[_FLOAT, AfterValidator(checks.check_single)]
    least = Field(ge=0) if getattr(type_, "unsigned", False) else Field()
    kind: Any = Annotated[_FLOAT, least]
    if is_short_float(type_):
        kind = Annotated[kind, AfterValidator(checks.check_six_digits)]
    scale = getattr(type_, "scale", None)
    # MySQL's DOUBLE(10, 2) has digits as NUMERIC(10, 2).
    return kind if scale is None else Annotated[kind, _of_digits(type_.precision, scale)]


def decimal(type_: Any, limits: Limits) -> Any:
    """Return decimals of a column's digits."""
    precision, scale = _digits_of(type_)
    if not type_.asdecimal:
        return Annotated[_FLOAT, _of_digits(precision, scale)] if limits.is_limited else _FLOAT
    whole_digits = max(precision - scale, 1)
    digits: dict[str, Any] = {}
    if limits.is_limited:
        digits = {"max_digits": max(precision, whole_digits), "decimal_places": max(scale, 0)}
        digits |= {"ge": 0} if getattr(type_, "unsigned", False) else {}
        digits |= {"multiple_of": 10**-scale} if scale < 0 else {}
    pattern = rf"^-?\d{{1,{whole_digits}}}(\.\d{{1,{scale}}})?$"
    return _decimal(rf"^-?\d{{1,{whole_digits}}}$" if scale <= 0 else pattern, digits)


def _digits_of(type_: Any) -> tuple[int, int]:
    """Return how many digits a column of decimals has, and how many of them after the point."""
    if type_.precision is None:
        return 38, _PLACES if type_.scale is None else type_.scale
    return type_.precision, type_.scale or 0


def _of_digits(precision: int, scale: int) -> AfterValidator:
    return AfterValidator(checks.check_digits(precision, scale))


def any_decimal(_type: Any, _limits: Limits) -> Any:
    """Return decimals of any digits."""
    return ANY_DECIMAL


def _decimal(pattern: str, digits: dict[str, Any]) -> Any:
    return Annotated[
        Decimal,
        Field(allow_inf_nan=False, **digits),
        BeforeValidator(checks.read_decimal),
        WithJsonSchema({"type": "string", "format": "decimal", "pattern": pattern}),
    ]


def binary(type_: Any, limits: Limits) -> Any:
    """Return bytes, which are text in base64."""
    length = getattr(type_, "length", None) if limits.is_limited else None
    most = {} if length is None else {"maxLength": 4 * math.ceil(length / 3)}
    schema = {"type": "string", "contentEncoding": "base64", "pattern": _BASE64, **most}
    # MySQL pads a BINARY with zeros.
    least = (length or 0) if isinstance(type_, sa.BINARY) else 0
    limit = AfterValidator(checks.check_size(least, length)) if length else Field()
    return Annotated[bytes, limit, BeforeValidator(checks.read_base64), WithJsonSchema(schema)]


def moment(type_: Any, limits: Limits) -> Any:
    """Return datetimes, with an offset if the column has a time zone."""
    kind: Any = INSTANT if type_.timezone else NAIVE
    places = _places_of(type_, "fsp", "precision")
    if places is None or not limits.is_limited:
        return kind
    return Annotated[kind, AfterValidator(checks.check_fraction(places))]


def _places_of(type_: Any, *names: str) -> int | None:
    """Return how many digits of a second a column keeps, None for all of them."""
    found = (getattr(type_, name, None) for name in names)
    return next((places for places in found if places is not None and places < 6), None)


def clock(type_: Any, _limits: Limits) -> Any:
    """Return times of day, with an offset if the column has a time zone."""
    if getattr(type_, "timezone", False):
        example = checks.require_text("12:00:00Z")
        return Annotated[time, AfterValidator(checks.check_offset_time), example]
    example = checks.require_text("12:00:00")
    return Annotated[time, AfterValidator(checks.check_time), example, _LOCAL_TIME]


def any_moment(type_: Any, _limits: Limits) -> Any:
    """Return datetimes, with an offset or without: a decorator checks that."""
    # Not every backend keeps the offset of a DateTime, so convert to UTC.
    is_kept = not isinstance(type_, sa.DateTime)
    return _ANY_MOMENT if is_kept else Annotated[_ANY_MOMENT, AfterValidator(checks.aware_to_utc)]


def instant(_type: Any, _limits: Limits) -> Any:
    """Return datetimes with an offset."""
    return INSTANT


def day(_type: Any, _limits: Limits) -> Any:
    """Return dates."""
    return DATE


def interval(type_: Any, limits: Limits) -> Any:
    """Return lengths of time."""
    rule = AfterValidator(checks.check_interval)
    kind: Any = Annotated[timedelta, rule, checks.require_text("P1DT2H")]
    if not limits.is_limited:
        return kind
    places, unit = _places_of(type_, "precision", "second_precision"), _unit_of(type_)
    if places is not None:
        kind = Annotated[kind, AfterValidator(checks.check_fraction(places))]
    return kind if unit is None else Annotated[kind, AfterValidator(checks.check_unit(unit))]


def _unit_of(type_: Any) -> timedelta | None:
    """Return the unit of the intervals that PostgreSQL keeps in a column."""
    fields = getattr(type_, "fields", None) or "second"
    return _UNITS.get(fields.split()[-1].lower())


# A timedelta has no months and years, so such a column keeps nothing of it.
_UNITS = {
    "minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1),
    "month": timedelta.max, "year": timedelta.max,
}  # fmt: skip


def uuid_object(_type: Any, _limits: Limits) -> Any:
    """Return UUIDs."""
    return _UUID


def identifier(type_: Any, _limits: Limits) -> Any:
    """Return UUIDs, which are text in Python if the column has as_uuid=False."""
    if getattr(type_, "as_uuid", False):
        return _UUID
    return Annotated[_UUID, AfterValidator(str), PlainSerializer(str)]


def document(_type: Any, limits: Limits) -> Any:
    """Return JSON of the annotation's shape."""
    shape = plain_hint(limits.annotation)
    if not limits.is_limited:
        return in_query(Annotated[Any, AfterValidator(checks.check_json)], limits)
    if shape is None or shape is Any or not is_readable(shape):
        return Annotated[Any, AfterValidator(checks.check_json)]
    if limits.is_shown:
        return documented(shape)
    adapter: TypeAdapter[Any] = TypeAdapter(shape)

    has_secret = holds_secret(shape)

    def store(value: Any) -> Any:
        if has_secret:
            # In JSON mode a dump would mask them.
            python = revealed(adapter.dump_python(value, by_alias=True))
            return to_jsonable_python(python, fallback=str)
        # The column takes JSON, but the value may be an object of a class.
        return adapter.dump_python(value, mode="json", by_alias=True)

    # The stored value is plain JSON, so it is not serialized as the class.
    return Annotated[
        documented(shape),
        BeforeValidator(checks.check_json),
        AfterValidator(store),
        PlainSerializer(lambda each: each),
    ]


def documented(kind: Any) -> Any:
    """Return a type with a JSON schema, which allows anything if Pydantic makes none."""
    try:
        for mode in ("validation", "serialization"):
            TypeAdapter(kind).json_schema(mode=mode)
    except Exception:  # a schema of the program's own may raise anything
        return Annotated[kind, WithJsonSchema({})]
    return kind


def anything(_type: Any, _limits: Limits) -> Any:
    """Return any value of JSON."""
    return Annotated[Any, AfterValidator(checks.check_json)]


def array(type_: Any, limits: Limits) -> Any:
    """Return lists of a column's items, with its number of dimensions."""
    kind: Any = limits.read(type_.item_type) | None
    for _ in range(type_.dimensions or 1):
        # One error is enough, even if all items are wrong.
        kind = Annotated[list[kind], Field(fail_fast=True)]
    if limits.is_limited:
        kind = Annotated[kind, AfterValidator(checks.check_list)]
    return in_query(kind, limits, is_list=True)


def in_query(kind: Any, limits: Limits, *, is_list: bool = False) -> Any:
    """Return a type that is JSON in a query string; a list may be its only item there."""
    if limits.is_limited:
        return kind
    read = checks.reader_of_queries(TypeAdapter(kind), is_list=is_list)
    return Annotated[kind, WrapValidator(read)]


_NO_BLANKS = Field(json_schema_extra={"pattern": "(^|[^ ])$"})
ANY_DECIMAL = _decimal(r"^-?\d+(\.\d+)?$", {})
_BASE64 = r"^[A-Za-z0-9+/_-]*={0,2}$"
_FLOAT = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_MOMENT = checks.require_text("2026-01-31T12:00:00Z")
INSTANT = Annotated[
    datetime, AfterValidator(checks.require_offset), AfterValidator(checks.to_utc), _MOMENT
]
# JSON Schema's date-time and time have an offset; OpenAPI's registry has formats without one.
_LOCAL_MOMENT = WithJsonSchema(
    {
        "type": "string",
        "format": "date-time-local",
        "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?$",
    }
)
_LOCAL_TIME = WithJsonSchema(
    {"type": "string", "format": "time-local", "pattern": r"^\d{2}:\d{2}:\d{2}$"}
)
NAIVE = Annotated[
    datetime,
    AfterValidator(checks.refuse_offset),
    checks.require_text("2026-01-31T12:00:00"),
    _LOCAL_MOMENT,
]
_ANY_MOMENT = Annotated[datetime, _MOMENT]
DATE = Annotated[date, checks.require_text("2026-01-31")]
_UUID = Annotated[uuid.UUID, checks.require_text(str(uuid.NAMESPACE_DNS), is_number_fine=True)]
