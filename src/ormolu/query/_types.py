"""What a client may send for a column, by the column's SQL type, the same on every backend.

A value that one backend refuses, cuts or rounds is refused here, so that all answer alike.
Source of the limits: the smallest of SQLite, PostgreSQL and MariaDB. Knows no model, no HTTP.
"""

from __future__ import annotations

import base64
import binascii
import math
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError
from sqlalchemy.types import TypeDecorator, TypeEngine

from ormolu.models import UTCDateTime

__all__ = [
    "STRING_CHARACTERS", "as_shown", "filtered_type", "has_equality", "is_compared", "is_json",
    "is_long", "is_ordered", "is_text", "key_type", "undecorated", "written_type",
]  # fmt: skip

# JSON in MariaDB is checked to this depth.
_JSON_DEPTH = 32
# What is read of a long text to sort by it: MariaDB sorts by the first 1024 bytes.
STRING_CHARACTERS = 255

_SHIFTS = {sa.SmallInteger: 15, sa.BigInteger: 63, sa.Integer: 31}

_EPOCH = datetime(1970, 1, 1)


def written_type(type_: TypeEngine[Any], annotation: Any = None) -> Any:
    """Return the type that a body's value must have, for Pydantic."""
    return _Reader(annotation=annotation, is_limited=True).read(type_)


def filtered_type(type_: TypeEngine[Any]) -> Any:
    """Return the type of a value that is only compared with: any length will do."""
    return _Reader(annotation=None, is_limited=False).read(type_)


def key_type(type_: TypeEngine[Any]) -> Any:
    """Return the type of a key in a path: a number out of range is a key that nobody has."""
    plain = undecorated(type_)
    return int if isinstance(plain, sa.Integer) else filtered_type(type_)


def as_shown(column: Any) -> Any:
    """Return a column as it is read: an instant has an offset where the backend stores none."""
    is_instant = isinstance(column.type, sa.DateTime) and column.type.timezone
    return sa.type_coerce(column, UTCDateTime()) if is_instant else column


def is_text(type_: TypeEngine[Any]) -> bool:
    """Tell whether a column holds text, which has patterns and a collation."""
    plain = undecorated(type_)
    return isinstance(plain, sa.String) and not isinstance(plain, sa.Enum)


def is_long(type_: TypeEngine[Any]) -> bool:
    """Tell whether a column is declared to hold more text than is sorted by."""
    plain: Any = undecorated(type_)
    if not is_text(type_):
        return False
    return isinstance(plain, sa.Text) if plain.length is None else plain.length > STRING_CHARACTERS


def is_json(type_: TypeEngine[Any]) -> bool:
    """Tell whether a column holds JSON."""
    return isinstance(undecorated(type_), sa.JSON)


def has_equality(type_: TypeEngine[Any]) -> bool:
    """Tell whether values can be equal: JSON differs by backend, and so do types of one alone."""
    plain = undecorated(type_)
    return not is_json(plain) and isinstance(plain, tuple(kind for kind, _ in _MAKERS))


def is_ordered(type_: TypeEngine[Any]) -> bool:
    """Tell whether a column's values have an order that is the same everywhere."""
    plain = undecorated(type_)
    return isinstance(plain, _ORDERED)


def is_compared(type_: TypeEngine[Any]) -> bool:
    """Tell whether a column's values can be compared with one of a request's."""
    return is_ordered(type_) and not isinstance(undecorated(type_), (sa.Enum, sa.Uuid))


_ORDERED = (
    sa.String, sa.Integer, sa.Float, sa.Numeric, sa.Boolean, sa.Date, sa.DateTime, sa.Time,
    sa.Interval, sa.Uuid,
)  # fmt: skip


def undecorated(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the type that a program's own type decorates."""
    while isinstance(type_, TypeDecorator) and not isinstance(type_, sa.Interval):
        type_ = type_.impl_instance
    return type_


class _Reader:
    """Finds the Pydantic type of an SQL type; `is_limited` where it will be stored."""

    def __init__(self, *, annotation: Any, is_limited: bool) -> None:
        self._annotation = annotation
        self._is_limited = is_limited

    def read(self, type_: TypeEngine[Any]) -> Any:
        if isinstance(type_, UTCDateTime):
            return _INSTANT
        plain = undecorated(type_)
        for kind, make in _MAKERS:
            if isinstance(plain, kind):
                return make(self, plain)
        return self._python_type(type_)

    def enumeration(self, type_: Any) -> Any:
        if type_.enum_class is not None:
            texts = BeforeValidator(
                _read_member({str(each.value): each for each in type_.enum_class})
            )
            return type_.enum_class if self._is_limited else Annotated[type_.enum_class, texts]
        return Literal[tuple(type_.enums)]

    def string(self, type_: Any) -> Any:
        # Without a length there is none: MySQL's own, which its DDL asks for, it enforces itself.
        return _text(type_.length if self._is_limited else None)

    def integer(self, type_: Any) -> Any:
        shift = next(bits for kind, bits in _SHIFTS.items() if isinstance(type_, kind))
        return Annotated[int, Field(strict=True, ge=-(2**shift), le=2**shift - 1)]

    def decimal(self, type_: Any) -> Any:
        if not type_.asdecimal:
            return _FLOAT
        limits: dict[str, Any] = {"allow_inf_nan": False}
        scale = 10 if type_.scale is None else type_.scale
        precision = type_.precision or 38
        if self._is_limited:
            limits |= {"max_digits": precision, "decimal_places": scale}
        pattern = rf"^-?\d{{1,{max(precision - scale, 1)}}}(\.\d{{1,{scale}}})?$"
        if scale == 0:
            pattern = rf"^-?\d{{1,{precision}}}$"
        return Annotated[
            Decimal,
            Field(**limits),
            BeforeValidator(_read_decimal),
            WithJsonSchema({"type": "string", "format": "decimal", "pattern": pattern}),
        ]

    def bytes(self, type_: Any) -> Any:
        length = type_.length if self._is_limited else None
        most = {} if length is None else {"maxLength": 4 * math.ceil(length / 3)}
        schema = {"type": "string", "contentEncoding": "base64", "pattern": _BASE64, **most}
        limit = AfterValidator(_at_most(length)) if length else Field()
        return Annotated[bytes, limit, BeforeValidator(_read_base64), WithJsonSchema(schema)]

    def moment(self, type_: Any) -> Any:
        return _INSTANT if type_.timezone else _NAIVE

    def uuid(self, type_: Any) -> Any:
        return (
            _UUID if type_.as_uuid else Annotated[_UUID, AfterValidator(str), PlainSerializer(str)]
        )

    def json(self, _type: Any) -> Any:
        shape = getattr(self._annotation, "__origin__", self._annotation)
        container: Any = dict[str, Any] if shape is dict else list[Any] if shape is list else Any
        return Annotated[container, AfterValidator(_check_json)]

    def array(self, type_: Any) -> Any:
        item = self.read(type_.item_type)
        for _ in range((type_.dimensions or 1) - 1):
            item = Annotated[list[item], Field(fail_fast=True)]  # type: ignore[valid-type]
        # One error is enough of a list whose items may all be wrong.
        return Annotated[list[item], Field(fail_fast=True)]  # type: ignore[valid-type]

    def _python_type(self, type_: TypeEngine[Any]) -> Any:
        return Any if type_.python_type is object else type_.python_type


def _text(characters: int | None) -> Any:
    return Annotated[str, Field(strict=True, max_length=characters), AfterValidator(_check_text)]


def _at_most(size: int) -> Callable[[bytes], bytes]:
    def check(value: bytes) -> bytes:
        if len(value) > size:
            raise PydanticCustomError("too_long", "Must have at most {size} bytes", {"size": size})
        return value

    return check


def _check_text(value: str) -> str:
    if "\x00" in value:
        raise PydanticCustomError("string_nul", "Must not contain the character NUL")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise PydanticCustomError("string_unicode", "Must be valid Unicode, without surrogates")
    return value


def _check_json(value: Any, depth: int = 1) -> Any:
    if depth > _JSON_DEPTH - 1 and isinstance(value, (dict, list)):
        raise PydanticCustomError("json_depth", "Must not be nested deeper than 31 levels")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, float):
        _check_finite(value)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise PydanticCustomError("int_range", "Must be an integer of 64 bits")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_text(key)
            _check_json(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check_json(inner, depth + 1)
    return value


def _check_finite(value: float) -> float:
    if not math.isfinite(value):
        raise PydanticCustomError("finite_number", "Must be a finite number")
    return value


def _read_decimal(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise PydanticCustomError("decimal_type", 'Must be a decimal number, as "12.50"')
    if isinstance(value, float):
        # 12.5 is 12.5 in JSON; its binary neighbour is an accident of the parser.
        return repr(_check_finite(value))
    if isinstance(value, str) and not _is_plain_number(value):
        raise PydanticCustomError("decimal_parsing", 'Must be a decimal number, as "12.50"')
    return value


def _is_plain_number(text: str) -> bool:
    # Before any arithmetic: the drivers of MySQL take a minute for 1e999999999.
    digits = text.removeprefix("-")
    whole, point, fraction = digits.partition(".")
    is_fraction = fraction.isdigit() if point else True
    return digits.isascii() and whole.isdigit() and is_fraction and len(text) <= 100


def _read_base64(value: Any) -> Any:
    if isinstance(value, bytes):
        return value
    try:
        # Answers use the alphabet of URLs; both are read.
        return base64.b64decode(value.replace("-", "+").replace("_", "/"), validate=True)
    except (AttributeError, ValueError, binascii.Error):
        raise PydanticCustomError("base64", "Must be text in base64") from None


def _read_member(members: Mapping[str, Any]) -> Callable[[Any], Any]:
    # Of a value that is no text, a path and a query string have the text.
    return lambda value: members.get(value, value) if isinstance(value, str) else value


def _require_text(example: str, *, is_number_fine: bool = False) -> BeforeValidator:
    def check(value: Any) -> Any:
        if isinstance(value, str) and (is_number_fine or not _reads_as_number(value)):
            return value
        if isinstance(value, (date, time, timedelta, uuid.UUID)):
            return value
        raise PydanticCustomError("text", 'Must be a text, as "{example}"', {"example": example})

    return BeforeValidator(check)


def _reads_as_number(text: str) -> bool:
    # Pydantic would take it for seconds since 1970.
    return text.strip().lstrip("+-").replace(".", "", 1).isdigit()


def _to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        message = "Must be between the years 1 and 9999 in UTC"
        raise PydanticCustomError("datetime_range", message) from None


def _require_offset(value: datetime) -> datetime:
    if value.utcoffset() is None:
        message = 'Must have an offset, as "2026-01-31T12:00:00Z"'
        raise PydanticCustomError("timezone_aware", message)
    return value


def _refuse_offset(value: datetime) -> datetime:
    if value.tzinfo is not None:
        raise PydanticCustomError("timezone_naive", "Must have no offset")
    return value


def _check_interval(value: timedelta) -> timedelta:
    try:
        _ = _EPOCH + value
    except OverflowError:
        raise PydanticCustomError("interval_range", "Is too long") from None
    return value


def _check_time(value: time) -> time:
    if value.microsecond or value.tzinfo is not None:
        raise PydanticCustomError("time_precision", "Must be whole seconds, without an offset")
    return value


_BASE64 = r"^[A-Za-z0-9+/_-]*={0,2}$"
_FLOAT = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_MOMENT = _require_text("2026-01-31T12:00:00Z")
_INSTANT = Annotated[datetime, AfterValidator(_require_offset), AfterValidator(_to_utc), _MOMENT]
_NAIVE = Annotated[datetime, AfterValidator(_refuse_offset), _MOMENT]
_UUID = Annotated[uuid.UUID, _require_text(str(uuid.NAMESPACE_DNS), is_number_fine=True)]

# The first that fits: a subclass stands before its base.
_MAKERS: tuple[tuple[Any, Callable[[_Reader, Any], Any]], ...] = (
    (sa.Enum, _Reader.enumeration),
    (sa.String, _Reader.string),
    (sa.Boolean, lambda _reader, _type: Annotated[bool, Field(strict=True)]),
    (sa.Integer, _Reader.integer),
    (sa.Float, lambda _reader, type_: Decimal if type_.asdecimal else _FLOAT),
    (sa.Numeric, _Reader.decimal),
    (sa.DateTime, _Reader.moment),
    (sa.Date, lambda _reader, _type: Annotated[date, _require_text("2026-01-31")]),
    (
        sa.Time,
        lambda _r, _t: Annotated[time, AfterValidator(_check_time), _require_text("12:00:00")],
    ),
    (
        sa.Interval,
        lambda _r, _t: Annotated[
            timedelta, AfterValidator(_check_interval), _require_text("P1DT2H")
        ],
    ),
    (sa.Uuid, _Reader.uuid),
    (sa.LargeBinary, _Reader.bytes),
    (sa.JSON, _Reader.json),
    (sa.ARRAY, _Reader.array),
)
