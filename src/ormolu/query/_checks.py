"""What one value must be, whatever column it is for: checks and readers for Pydantic.

A value that one backend refuses, cuts or rounds is refused here, so that all answer alike.
Knows no SQL type, no HTTP.
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

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError
from sqlalchemy.dialects.postgresql import Range

__all__ = [
    "check_bits", "check_finite", "check_interval", "check_json", "check_offset_time",
    "check_single", "check_six_digits",
    "check_text", "check_time", "read_base64", "read_decimal", "read_list",
    "read_range", "read_text_as_json", "refuse_offset", "require_offset", "require_text", "to_utc",
]  # fmt: skip

# JSON in MariaDB is checked to this depth.
_JSON_DEPTH = 32

# Of four bytes, without those that have fewer digits.
_LARGEST_SINGLE, _LEAST_SINGLE = 3.4e38, 1.2e-38

_EPOCH = datetime(1970, 1, 1)


def check_text(value: str) -> str:
    if "\x00" in value:
        raise PydanticCustomError("string_nul", "Must not contain the character NUL")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise PydanticCustomError("string_unicode", "Must be valid Unicode, without surrogates")
    return value


def check_json(value: Any, depth: int = 1) -> Any:
    if depth > _JSON_DEPTH - 1 and isinstance(value, (dict, list)):
        raise PydanticCustomError("json_depth", "Must not be nested deeper than 31 levels")
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, float):
        check_finite(value)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise PydanticCustomError("int_range", "Must be an integer of 64 bits")
    elif isinstance(value, dict):
        for key, inner in value.items():
            check_json(key)
            check_json(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            check_json(inner, depth + 1)
    return value


def check_finite(value: float) -> float:
    if not math.isfinite(value):
        raise PydanticCustomError("finite_number", "Must be a finite number")
    return value


def shortest(value: float) -> float:
    """Return the number with the fewest digits that is the same one in four bytes."""
    try:
        stored = struct.pack("f", value)
    except OverflowError:
        return value
    digits = (float(f"{value:.{count}g}") for count in range(6, 10))
    return next((each for each in digits if struct.pack("f", each) == stored), value)


def check_single(value: float) -> float:
    """Refuse a number of which four bytes keep another one."""
    is_kept = value == 0 or _LEAST_SINGLE <= abs(value) <= _LARGEST_SINGLE
    if not is_kept or shortest(struct.unpack("f", struct.pack("f", value))[0]) != value:
        raise PydanticCustomError("single", "Has more digits than the column keeps")
    return value


def check_six_digits(value: float) -> float:
    """Refuse a number of which MySQL's FLOAT shows another one: it writes six digits."""
    if abs(value) > _LARGEST_SINGLE or float(f"{value:.6g}") != value:
        raise PydanticCustomError("single", "Must have at most 6 digits, which the column keeps")
    return value


def read_decimal(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise PydanticCustomError("decimal_type", 'Must be a decimal number, as "12.50"')
    if isinstance(value, float):
        # 12.5 is 12.5 in JSON; its binary neighbour is an accident of the parser.
        return repr(check_finite(value))
    if isinstance(value, str) and not _is_plain_number(value):
        raise PydanticCustomError("decimal_parsing", 'Must be a decimal number, as "12.50"')
    return value


def _is_plain_number(text: str) -> bool:
    # Before any arithmetic: the drivers of MySQL take a minute for 1e999999999.
    digits = text.removeprefix("-")
    whole, point, fraction = digits.partition(".")
    is_fraction = fraction.isdigit() if point else True
    return digits.isascii() and whole.isdigit() and is_fraction and len(text) <= 100


def read_base64(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    try:
        # Answers use the alphabet of URLs; both are read.
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
    # Pydantic would take it for seconds since 1970.
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


def check_time(value: time) -> time:
    if value.microsecond or value.tzinfo is not None:
        raise PydanticCustomError("time_precision", "Must be whole seconds, without an offset")
    return value


def check_offset_time(value: time) -> time:
    """Return a time of the day in UTC: most backends keep no offset of it."""
    offset = value.utcoffset()
    if value.microsecond or offset is None:
        message = 'Must be whole seconds with an offset, as "12:00:00Z"'
        raise PydanticCustomError("time_offset", message)
    moment = (
        datetime.combine(_EPOCH.date(), value.replace(tzinfo=None)) + timedelta(days=1) - offset
    )
    return moment.time().replace(tzinfo=UTC)


def read_list(value: Any) -> Any:
    """Read a list to compare with: of a query string, as JSON; or its only item."""
    if isinstance(value, str) and value.startswith("["):
        return read_text_as_json(value)
    return value if isinstance(value, (list, tuple, set, frozenset)) else [value]


def read_text_as_json(value: Any) -> Any:
    """Read a value of JSON from a query string, which has the text of it."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise PydanticCustomError("json_invalid", "Must be JSON") from None


def check_bits(length: int | None, *, is_fixed: bool) -> Callable[[str], str]:
    """Return what checks a text of zeros and ones."""

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
    """Return what reads a range, an object with `lower`, `upper`, `bounds` and `empty`."""

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
