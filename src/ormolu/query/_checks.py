"""Checks and readers of single values, for Pydantic. Knows no SQL type and no HTTP.

A value that one backend refuses, truncates or rounds is refused here, so that all answer alike.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import struct
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from pydantic import BeforeValidator, TypeAdapter, ValidationInfo, ValidatorFunctionWrapHandler
from pydantic_core import PydanticCustomError
from sqlalchemy.dialects.postgresql import Range

__all__ = [
    "check_bits", "check_digits", "check_end", "check_finite", "check_fraction", "check_interval",
    "check_json", "check_list", "check_offset_time", "check_single", "check_six_digits",
    "check_size", "check_text", "check_time", "check_unit", "read_base64", "read_decimal",
    "read_range", "reader_of_queries", "refuse_offset", "require_offset", "require_text", "to_utc",
]  # fmt: skip

# MariaDB accepts JSON of this depth.
_JSON_DEPTH = 32

# The range of normal floats of four bytes; smaller ones have fewer digits.
_LARGEST_SINGLE, _LEAST_SINGLE = 3.4e38, 1.2e-38

# A double keeps any number of so many digits.
_DOUBLE_DIGITS = 15

_EPOCH = datetime(1970, 1, 1)


def check_text(value: str) -> str:
    if "\x00" in value:
        raise PydanticCustomError("string_nul", "Must not contain the character NUL")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise PydanticCustomError("string_unicode", "Must be valid Unicode, without surrogates")
    return value


def check_end(value: str) -> str:
    """Refuse blanks at the end of a CHAR: only SQLite keeps them as they were sent."""
    if value.endswith(" "):
        message = "Must not end in a blank, which a column of fixed length does not keep"
        raise PydanticCustomError("trailing_blank", message)
    return value


def check_json(value: Any, depth: int = 1) -> Any:
    if depth > _JSON_DEPTH - 1 and isinstance(value, (dict, list)):
        raise PydanticCustomError("json_depth", "Must not be nested deeper than 31 levels")
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, float):
        check_finite(value)
    elif isinstance(value, int) and not (-(2**63) <= value < 2**63 or _is_double(value)):
        raise PydanticCustomError("int_range", "Must be an integer of 64 bits")
    elif isinstance(value, dict):
        for key, inner in value.items():
            check_json(key)
            check_json(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            check_json(inner, depth + 1)
    return value


def _is_double(value: int) -> bool:
    """Tell whether an integer is a float without its exponent: PostgreSQL writes 1e22 so."""
    try:
        return int(Decimal(repr(float(value)))) == value
    except OverflowError:
        return False


def check_finite(value: float) -> float:
    if not math.isfinite(value):
        raise PydanticCustomError("finite_number", "Must be a finite number")
    return value


def shortest(value: float) -> float:
    """Return the number with the fewest digits that is the same in four bytes."""
    try:
        stored = struct.pack("f", value)
    except OverflowError:
        return value
    digits = (float(f"{value:.{count}g}") for count in range(6, 10))
    return next((each for each in digits if struct.pack("f", each) == stored), value)


def check_single(value: float) -> float:
    """Refuse a number that four bytes do not keep."""
    is_kept = value == 0 or _LEAST_SINGLE <= abs(value) <= _LARGEST_SINGLE
    if not is_kept or shortest(struct.unpack("f", struct.pack("f", value))[0]) != value:
        raise PydanticCustomError("single", "Has more digits than the column keeps")
    return value


def check_six_digits(value: float) -> float:
    """Refuse a number that MySQL's FLOAT does not show: it writes six digits."""
    is_kept = value == 0 or _LEAST_SINGLE <= abs(value) <= _LARGEST_SINGLE
    if not is_kept or float(f"{value:.6g}") != value:
        raise PydanticCustomError("single", "Must have at most 6 digits, which the column keeps")
    return value


def check_digits(precision: int, scale: int) -> Callable[[float], float]:
    """Return a check that a number has no more digits than a column of decimals keeps."""

    def check(value: float) -> float:
        number = Decimal(repr(value)).normalize()
        _, digits, exponent = number.as_tuple()
        is_whole_kept = not number or number.adjusted() < precision - scale
        # psycopg sends as many digits of a float as it keeps for certain.
        is_kept = is_whole_kept and len(digits) <= _DOUBLE_DIGITS and int(exponent) >= -scale
        if not is_kept:
            message = "Must have at most {digits} digits, {places} of them after the point"
            raise PydanticCustomError("digits", message, {"digits": precision, "places": scale})
        return value

    return check


def check_size(least: int, most: int) -> Callable[[bytes], bytes]:
    """Return a check of the number of bytes."""

    def check(value: bytes) -> bytes:
        if len(value) > most:
            raise PydanticCustomError("too_long", "Must have at most {size} bytes", {"size": most})
        if len(value) < least:
            raise PydanticCustomError("too_short", "Must have {size} bytes", {"size": least})
        return value

    return check


def check_list(value: Any) -> Any:
    """Refuse a list of empty lists, of which PostgreSQL makes one empty list."""
    for inner in value:
        if isinstance(inner, list):
            if not inner:
                raise PydanticCustomError("empty_list", "Must not have an empty list in it")
            check_list(inner)
    return value


def read_decimal(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise PydanticCustomError("decimal_type", 'Must be a decimal number, as "12.50"')
    if isinstance(value, float):
        # The JSON 12.5 means the decimal 12.5, not the nearest binary number.
        return repr(check_finite(value))
    if isinstance(value, str) and not _is_plain_number(value):
        raise PydanticCustomError("decimal_parsing", 'Must be a decimal number, as "12.50"')
    return value


def _is_plain_number(text: str) -> bool:
    # Check before any arithmetic: MySQL's drivers take a minute for 1e999999999.
    digits = text.removeprefix("-")
    whole, point, fraction = digits.partition(".")
    is_fraction = fraction.isdigit() if point else True
    return digits.isascii() and whole.isdigit() and is_fraction and len(text) <= 100


def read_base64(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    try:
        # Answers use the URL-safe alphabet; both are read.
        return base64.b64decode(value.replace("-", "+").replace("_", "/"), validate=True)
    except (AttributeError, ValueError, binascii.Error):
        raise PydanticCustomError("base64", "Must be text in base64") from None


def require_text(example: str, *, is_number_fine: bool = False) -> BeforeValidator:
    def check(value: Any) -> Any:
        if isinstance(value, str) and (is_number_fine or not _reads_as_number(value)):
            return value
        if isinstance(value, (date, time, timedelta, uuid.UUID)):
            return value
        raise PydanticCustomError("text", 'Must be a text, as "{example}"', {"example": example})

    return BeforeValidator(check)


def _reads_as_number(text: str) -> bool:
    # Pydantic would read a number as seconds since 1970.
    return text.strip().lstrip("+-").replace(".", "", 1).isdigit()


def aware_to_utc(value: datetime) -> datetime:
    return value if value.utcoffset() is None else to_utc(value)


def to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        message = "Must be between the years 1 and 9999 in UTC"
        raise PydanticCustomError("datetime_range", message) from None


def require_offset(value: datetime) -> datetime:
    if value.utcoffset() is None:
        message = 'Must have an offset, as "2026-01-31T12:00:00Z"'
        raise PydanticCustomError("timezone_aware", message)
    return value


def refuse_offset(value: datetime) -> datetime:
    if value.tzinfo is not None:
        raise PydanticCustomError("timezone_naive", "Must have no offset")
    return value


def check_interval(value: timedelta) -> timedelta:
    try:
        _ = _EPOCH + value
    except OverflowError:
        raise PydanticCustomError("interval_range", "Is too long") from None
    return value


def check_fraction(places: int) -> Callable[[Any], Any]:
    """Return a check that a datetime or an interval has no more digits of a second."""

    def check(value: Any) -> Any:
        micros = value.microseconds if isinstance(value, timedelta) else value.microsecond
        if micros % 10 ** (6 - places):
            message = "Must have at most {places} digits of a second, which the column keeps"
            raise PydanticCustomError("fraction", message, {"places": places})
        return value

    return check


def check_unit(unit: timedelta) -> Callable[[timedelta], timedelta]:
    """Return a check that an interval is a multiple of a column's unit."""

    def check(value: timedelta) -> timedelta:
        if value % unit:
            raise PydanticCustomError("unit", "Is no multiple of the unit that the column keeps")
        return value

    return check


def check_time(value: time) -> time:
    if value.microsecond or value.tzinfo is not None:
        raise PydanticCustomError("time_precision", "Must be whole seconds, without an offset")
    return value


def check_offset_time(value: time) -> time:
    """Return a time of day in UTC: most backends keep no offset of it."""
    offset = value.utcoffset()
    if value.microsecond or offset is None:
        message = 'Must be whole seconds with an offset, as "12:00:00Z"'
        raise PydanticCustomError("time_offset", message)
    moment = (
        datetime.combine(_EPOCH.date(), value.replace(tzinfo=None)) + timedelta(days=1) - offset
    )
    return moment.time().replace(tzinfo=UTC)


def reader_of_queries(adapter: TypeAdapter[Any], *, is_list: bool) -> Callable[..., Any]:
    """Return a reader of operands: a body has the value, a query string its JSON."""

    def read(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        is_text = isinstance(value, str) and (not is_list or value.startswith("["))
        # `validate_strings` has this mode, which Pydantic's types do not list.
        if is_text and str(info.mode) == "string":
            return adapter.validate_python(_read_json(value))
        is_item = is_list and not isinstance(value, (list, tuple, set, frozenset))
        return handler([value] if is_item else value)

    return read


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise PydanticCustomError("json_invalid", "Must be JSON") from None


def check_bits(length: int | None, *, is_fixed: bool) -> Callable[[str], str]:
    """Return a check of a text of zeros and ones."""

    def check(value: str) -> str:
        size = len(value)
        has_size = length is None or (size == length if is_fixed else size <= length)
        if not has_size or set(value) - {"0", "1"}:
            most = "" if length is None else f"{'' if is_fixed else 'at most '}{length} "
            message = "Must be a text of {most}zeros and ones"
            raise PydanticCustomError("bits", message, {"most": most})
        return value

    return check


def read_range(read_end: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a reader of ranges: objects with `lower`, `upper`, `bounds` and `empty`."""

    def read(value: Any) -> Any:
        if isinstance(value, Range):
            return value
        if not isinstance(value, dict) or set(value) - {"lower", "upper", "bounds", "empty"}:
            raise PydanticCustomError("range", 'Must be an object, as {"lower": 1, "upper": 2}')
        if value.get("empty"):
            return Range(empty=True)
        lower, upper = (
            None if value.get(end) is None else read_end(value[end]) for end in ("lower", "upper")
        )
        if lower is not None and upper is not None and lower > upper:
            raise PydanticCustomError("range_order", "Must not end before it begins")
        return Range(lower, upper, bounds=_read_bounds(value.get("bounds", "[)")))

    return read


def _read_bounds(bounds: Any) -> Any:
    if bounds not in {"[)", "[]", "(]", "()"}:
        raise PydanticCustomError("range_bounds", "Must have bounds of [), [], (] or ()")
    return bounds
