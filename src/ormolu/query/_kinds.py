"""Kinds of columns: what clients send and see, and how it compares. One table, by SQL type.

A plain type is known by its SQL. Where code of a decorator's own stands between a value and what
is stored, the value is what is told of it, and the SQL is what each backend stores.
Knows no model and no HTTP.
"""

from __future__ import annotations

import enum
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import AfterValidator, TypeAdapter
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.dialects.postgresql import ranges
from sqlalchemy.types import TypeEngine

from ormolu.backends import is_short_float
from ormolu.models import UTCDateTime
from ormolu.query import _native as native
from ormolu.query import _readers as readers
from ormolu.query._coded import comparable, storable
from ormolu.query._kept_back import bare_hint, holds_secret
from ormolu.query._members import are_told_apart, member_type
from ormolu.query._readers import Limits, Make
from ormolu.query._stored import (
    is_coded,
    is_named_apart,
    named_types,
    reads_as_stored,
    stored_types,
    undecorated,
)
from ormolu.query._told import SECRET, Like, told_type, value_type

__all__ = ["ORDER", "PATTERNS", "Family", "Kind", "family_of", "kind_of"]

Family = Literal[
    "address", "array", "binary", "bits", "boolean", "date", "document", "enum", "interval",
    "jsonb", "moment", "number", "opaque", "range", "secret", "set", "text", "time", "uuid",
    "value",
]  # fmt: skip

_EQUAL = ("eq", "ne", "in", "not_in", "isnull")
_NULL = ("isnull",)
ORDER = ("lt", "le", "gt", "ge", "between")
PATTERNS = ("like", "ilike", "startswith", "endswith", "contains")

# MySQL's whole numbers, which may have no sign.
_MYSQL_WHOLE = (mysql.TINYINT, mysql.SMALLINT, mysql.MEDIUMINT, mysql.INTEGER, mysql.BIGINT)

_COMPARED = frozenset({"boolean", "date", "interval", "moment", "number", "text", "time"})
_SORTED = _COMPARED | {"address", "binary", "bits", "enum", "uuid"}
_EQUATED = _SORTED | {"array", "range", "set", "value"}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a column's values are to clients.

    Attributes:
        family: What they are, whatever they are stored as.
        written: Pydantic's type of a value that is stored.
        filtered: The same of a value that is compared with.
        shown: The same of what an answer has.
        operators: Those of a filter; the first needs not be written.
        is_ordered: Whether the order of what is stored means something to those who see the values.
        is_coded: Whether code of a decorator's own stands between a value and what is stored.
        item: Pydantic's type of one item of a list that is compared with, None if it is no list.
    """

    family: Family
    written: Any
    filtered: Any
    shown: Any
    operators: tuple[str, ...]
    is_ordered: bool
    is_coded: bool = False
    item: Any = None


def kind_of(type_: TypeEngine[Any], annotation: Any = None) -> Kind:
    """Return the kind of a column's values."""
    word = told_type(type_, annotation) if is_coded(type_) else annotation
    if holds_secret(word):
        # Its own, but for who sees it: whoever may write it, nobody is shown it.
        kind = _kind_of(type_, word if is_coded(type_) else bare_hint(word))
        return replace(kind, family="secret", operators=_NULL, is_ordered=False)
    return _kind_of(type_, annotation)


def _kind_of(type_: TypeEngine[Any], annotation: Any) -> Kind:
    if not is_coded(type_) and family_of(type_) != "opaque":
        return _plain_kind(type_, annotation)
    told = told_type(type_, annotation)
    if told is SECRET:
        return _make(type_, "secret", readers.any_text, operators=_NULL)
    is_enum = isinstance(told, type) and issubclass(told, enum.Enum)
    if told is None or (is_enum and not _is_legible(told)):
        return _opaque_kind(type_)
    return _coded_kind(type_, told)


def _opaque_kind(type_: TypeEngine[Any]) -> Kind:
    """Return the kind of values that nobody tells: any JSON, where they are written at all."""
    kind = _make(type_, *_OPAQUE, operators=_NULL)
    # What a decorator does not take is a client's mistake.
    check = AfterValidator(storable(type_))
    return replace(kind, written=Annotated[kind.written, check]) if is_coded(type_) else kind


def family_of(type_: TypeEngine[Any]) -> Family:
    """Return what a plain SQL type holds."""
    return _row_of(type_)[0]


def _row_of(type_: Any) -> tuple[Family, Make]:
    plain = undecorated(type_)
    if not _is_legible(getattr(plain, "enum_class", None)):
        return _OPAQUE
    for kind, family, make in _ROWS:
        if isinstance(plain, kind):
            return family, make
    return _OPAQUE


def _is_legible(kind: type[enum.Enum] | None) -> bool:
    """Tell whether clients can send the members of an enumeration."""
    return kind is None or are_told_apart(kind)


def _plain_kind(type_: TypeEngine[Any], annotation: Any) -> Kind:
    if not is_named_apart(type_):
        family, make = _row_of(type_)
        return _make(type_, family, make, annotation=annotation, operators=_operators(family))
    narrow = _narrowest(value_type(type_, annotation), named_types(type_))
    family, make = _row_of(narrow)
    operators, is_ordered = _comparisons(type_, family)
    kind = _make(narrow, family, make, annotation=annotation, operators=operators)
    return replace(kind, is_ordered=kind.is_ordered and is_ordered)


def _narrowest(type_: TypeEngine[Any], named: Sequence[TypeEngine[Any]]) -> TypeEngine[Any]:
    """Return the type that takes the fewest values: of those that a program names beside one.

    What is text to the program is none that a backend would not take for a UUID, an address or
    bits, and its numbers are none that four bytes do not keep.
    """
    family = family_of(type_)
    for each in named:
        other = family_of(each)
        if family == "text" and other == "uuid":
            return sa.Uuid(as_uuid=False)
        is_text = other in {"address", "bits"} or isinstance(each, postgresql.TSVECTOR)
        if family == "text" and is_text:
            return each
        if isinstance(type_, sa.Float) and (isinstance(each, sa.REAL) or is_short_float(each)):
            return each
    return type_


def _coded_kind(type_: TypeEngine[Any], told: Any) -> Kind:
    """Return the kind of values that are stored in a form of their own."""
    if isinstance(told, Like):
        inner = kind_of(told.type)
        family, make = inner.family, _same(inner)
    else:
        family, make = _told_row(told)
    operators, is_ordered = _comparisons(type_, family)
    kind = _make(type_, family, make, operators=operators, annotation=told)
    return replace(
        kind,
        is_coded=True,
        is_ordered=is_ordered,
        written=Annotated[kind.written, AfterValidator(storable(type_))],
        filtered=Annotated[kind.filtered, AfterValidator(comparable(type_))],
    )


def _comparisons(type_: TypeEngine[Any], family: Family) -> tuple[tuple[str, ...], bool]:
    """Return the operators of values whose stored forms are of other types, and if they sort."""
    is_plain = family != "text" or reads_as_stored(type_)
    stored = {family_of(each) for each in stored_types(type_)}
    is_equated = family in _EQUATED and stored <= _EQUATED - {"array", "range"}
    itself: frozenset[str] = frozenset() if is_coded(type_) else frozenset({family})
    is_alike = is_plain and stored <= _LIKE.get(family, itself)
    operators = _operators(family) if is_alike else _EQUAL if is_equated else _NULL
    return operators, is_alike and family in _SORTED


def _told_row(told: Any) -> tuple[Family, Make]:
    if isinstance(told, type):
        for kind, family, make in _PYTHON:
            if issubclass(told, kind):
                return family, make
    is_container = _json_type(told) in {"array", "object"}
    return "document" if is_container else "value", _as_told


def _json_type(told: Any) -> Any:
    """Return what a type is in JSON, as far as its schema says it in a word."""
    try:
        schema = TypeAdapter(told).json_schema(mode="serialization")
    except Exception:  # a schema of the program's own may raise anything
        return None
    if "$ref" in schema:
        schema = schema["$defs"].get(schema["$ref"].rpartition("/")[2], {})
    return schema.get("type")


def _as_told(_type: Any, limits: Limits) -> Any:
    return readers.documented(limits.annotation)


def _as_member(_type: Any, limits: Limits) -> Any:
    is_compared = not limits.is_limited
    return member_type(limits.annotation, is_compared=is_compared, may_be_several=True)


def _same(kind: Kind) -> Make:
    def make(_type: Any, limits: Limits) -> Any:
        if limits.is_shown:
            return kind.shown
        return kind.written if limits.is_limited else kind.filtered

    return make


def _make(
    type_: Any,
    family: Family,
    make: Make,
    *,
    operators: tuple[str, ...],
    annotation: Any = None,
) -> Kind:
    plain = undecorated(type_)

    def read(name: str) -> Any:
        limits = Limits(
            annotation=annotation,
            is_limited=name != "filtered",
            is_shown=name == "shown",
            read=lambda item: getattr(kind_of(item), name),
        )
        return make(plain, limits)

    return Kind(
        family=family,
        written=read("written"),
        filtered=read("filtered"),
        shown=read("shown"),
        operators=operators,
        is_ordered=family in _SORTED and not _is_endless(family, plain),
        item=_item_of(family, plain),
    )


def _is_endless(family: Family, type_: Any) -> bool:
    """Tell whether bytes may be longer than MariaDB looks at to sort them, and a cursor holds."""
    return family == "binary" and not getattr(type_, "length", None)


def _item_of(family: Family, type_: Any) -> Any:
    if family == "set":
        return Literal[tuple(type_.values)]
    is_flat = family == "array" and isinstance(type_, sa.ARRAY) and (type_.dimensions or 1) == 1
    return kind_of(type_.item_type).filtered if is_flat else None


def _operators(family: Family) -> tuple[str, ...]:
    if family == "jsonb":
        return ("isnull", "contains")
    found: tuple[str, ...] = _EQUAL if family in _EQUATED else _NULL
    found += ORDER if family in _COMPARED else ()
    found += PATTERNS if family == "text" else ()
    return found + (("contains", "overlap") if family == "array" else ())


_OPAQUE: tuple[Family, Make] = ("opaque", readers.anything)

# What of a value's order, or of its text, what is stored of it has.
_NUMBERS = frozenset({"boolean", "number"})
_LIKE: dict[Family, frozenset[str]] = {
    "boolean": _NUMBERS, "number": _NUMBERS, "date": frozenset({"date", "moment"}),
    "enum": frozenset({"enum", "number", "text"}), "interval": frozenset({"interval", "number"}),
    "moment": frozenset({"moment", "number"}), "text": frozenset({"text"}),
    "time": frozenset({"number", "time"}),
    "uuid": frozenset({"binary", "text", "uuid"}),
}  # fmt: skip

# What a class in Python is; a subclass stands before its base.
_PYTHON: tuple[tuple[type[Any], Family, Make], ...] = (
    (enum.Enum, "enum", _as_member),
    (bool, "boolean", readers.boolean),
    (str, "text", readers.any_text),
    (int, "number", readers.integer),
    (float, "number", readers.number),
    (Decimal, "number", readers.any_decimal),
    (datetime, "moment", readers.any_moment),
    (date, "date", readers.day),
    (time, "time", readers.clock),
    (timedelta, "interval", readers.interval),
    (uuid.UUID, "uuid", readers.uuid_object),
    (bytes, "binary", readers.binary),
)

# The first that fits: a subclass stands before its base.
_ROWS: tuple[tuple[Any, Family, Make], ...] = (
    (UTCDateTime, "moment", readers.instant),
    (mysql.SET, "set", native.names),
    (sa.Enum, "enum", readers.enumeration),
    (sa.String, "text", readers.string),
    (sa.Boolean, "boolean", readers.boolean),
    (_MYSQL_WHOLE, "number", readers.counting),
    (sa.Integer, "number", readers.integer),
    (sa.Float, "number", readers.single),
    (sa.Numeric, "number", readers.decimal),
    (sa.DateTime, "moment", readers.moment),
    (sa.Date, "date", readers.day),
    (sa.Time, "time", readers.clock),
    (sa.Interval, "interval", readers.interval),
    (postgresql.INTERVAL, "interval", readers.interval),
    (sa.Uuid, "uuid", readers.identifier),
    ((sa.LargeBinary, sa.BINARY, sa.VARBINARY), "binary", readers.binary),
    (postgresql.JSONB, "jsonb", readers.document),
    (sa.JSON, "document", readers.document),
    (sa.ARRAY, "array", readers.array),
    (postgresql.HSTORE, "jsonb", native.texts_by_key),
    (ranges.AbstractMultiRange, "range", native.spans),
    (ranges.AbstractRange, "range", native.span),
    (postgresql.BIT, "bits", native.bits),
    (postgresql.INET, "address", native.address),
    (postgresql.CIDR, "address", native.network),
    ((postgresql.MACADDR, postgresql.MACADDR8), "address", native.hardware_address),
    (postgresql.OID, "number", native.object_id),
    (mysql.BIT, "number", native.bit_number),
    (mysql.YEAR, "number", native.year),
)
