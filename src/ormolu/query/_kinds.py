"""Kinds of columns: what clients send and see, and how it compares. One table, by SQL type.

A plain type is known by its SQL. Where a TypeDecorator's code converts values, their Python type
is found elsewhere, and the SQL tells only what each backend stores. Knows no model and no HTTP.
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
from ormolu.query._converted import comparable, storable
from ormolu.query._masked import bare_hint, holds_secret
from ormolu.query._members import have_distinct_forms, member_type
from ormolu.query._python_types import SECRET, Like, python_type_of, value_type
from ormolu.query._readers import Limits, Make
from ormolu.query._stored import (
    has_variants,
    is_converted,
    reads_as_stored,
    stored_types,
    undecorated,
    variant_types,
)

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

# MySQL's integers, which may be unsigned.
_MYSQL_WHOLE = (mysql.TINYINT, mysql.SMALLINT, mysql.MEDIUMINT, mysql.INTEGER, mysql.BIGINT)

_COMPARED = frozenset({"boolean", "date", "interval", "moment", "number", "text", "time"})
_SORTED = _COMPARED | {"address", "binary", "bits", "enum", "uuid"}
_EQUATED = _SORTED | {"array", "range", "set", "value"}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a column's values are to clients.

    Attributes:
        family: The sort of values, whatever they are stored as.
        written: Pydantic's type of a value to store.
        filtered: Pydantic's type of a value to compare with.
        shown: Pydantic's type of a value in an answer.
        operators: The operators of filters; the first is the default.
        is_ordered: Whether the order of the stored values makes sense for those that are shown.
        is_converted: Whether code of a TypeDecorator converts the values.
        item: Pydantic's type of one item of a list to compare with, None if it is no list.
    """

    family: Family
    written: Any
    filtered: Any
    shown: Any
    operators: tuple[str, ...]
    is_ordered: bool
    is_converted: bool = False
    item: Any = None


def kind_of(type_: TypeEngine[Any], annotation: Any = None) -> Kind:
    """Return the kind of a column's values."""
    hint = python_type_of(type_, annotation) if is_converted(type_) else annotation
    if holds_secret(hint):
        # It is written as its own kind, but never shown.
        kind = _kind_of(type_, hint if is_converted(type_) else bare_hint(hint))
        return replace(kind, family="secret", operators=_NULL, is_ordered=False)
    return _kind_of(type_, annotation)


def _kind_of(type_: TypeEngine[Any], annotation: Any) -> Kind:
    if not is_converted(type_) and family_of(type_) != "opaque":
        return _plain_kind(type_, annotation)
    python = python_type_of(type_, annotation)
    if python is SECRET:
        return _make(type_, "secret", readers.any_text, operators=_NULL)
    is_enum = isinstance(python, type) and issubclass(python, enum.Enum)
    if python is None or (is_enum and not _can_be_sent(python)):
        return _opaque_kind(type_)
    return _converted_kind(type_, python)


def _opaque_kind(type_: TypeEngine[Any]) -> Kind:
    """Return the kind of values whose Python type is unknown: any JSON, if they are writable."""
    kind = _make(type_, *_OPAQUE, operators=_NULL)
    # A value that a decorator refuses is the client's mistake.
    check = AfterValidator(storable(type_))
    return replace(kind, written=Annotated[kind.written, check]) if is_converted(type_) else kind


def family_of(type_: TypeEngine[Any]) -> Family:
    """Return the family of a plain SQL type."""
    return _row_of(type_)[0]


def _row_of(type_: Any) -> tuple[Family, Make]:
    plain = undecorated(type_)
    if not _can_be_sent(getattr(plain, "enum_class", None)):
        return _OPAQUE
    for kind, family, make in _ROWS:
        if isinstance(plain, kind):
            return family, make
    return _OPAQUE


def _can_be_sent(kind: type[enum.Enum] | None) -> bool:
    """Tell whether clients can send the members of an enumeration."""
    return kind is None or have_distinct_forms(kind)


def _plain_kind(type_: TypeEngine[Any], annotation: Any) -> Kind:
    if not has_variants(type_):
        family, make = _row_of(type_)
        return _make(type_, family, make, annotation=annotation, operators=_operators(family))
    narrow = _narrowest(value_type(type_, annotation), variant_types(type_))
    family, make = _row_of(narrow)
    operators, is_ordered = _comparisons(type_, family)
    kind = _make(narrow, family, make, annotation=annotation, operators=operators)
    return replace(kind, is_ordered=kind.is_ordered and is_ordered)


def _narrowest(type_: TypeEngine[Any], named: Sequence[TypeEngine[Any]]) -> TypeEngine[Any]:
    """Return the type that takes the fewest values: `type_`, or a variant of it.

    Text must be valid as a UUID, an address or bits where it is stored as these on some backend,
    and a number must fit into four bytes where some backend has only these.
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


def _converted_kind(type_: TypeEngine[Any], python: Any) -> Kind:
    """Return the kind of values that a decorator's code converts."""
    if isinstance(python, Like):
        inner = kind_of(python.type)
        family, make = inner.family, _same(inner)
    else:
        family, make = _python_row(python)
    operators, is_ordered = _comparisons(type_, family)
    kind = _make(type_, family, make, operators=operators, annotation=python)
    return replace(
        kind,
        is_converted=True,
        is_ordered=is_ordered,
        written=Annotated[kind.written, AfterValidator(storable(type_))],
        filtered=Annotated[kind.filtered, AfterValidator(comparable(type_))],
    )


def _comparisons(type_: TypeEngine[Any], family: Family) -> tuple[tuple[str, ...], bool]:
    """Return the operators of values that are stored as other types, and whether they sort."""
    is_plain = family != "text" or reads_as_stored(type_)
    stored = {family_of(each) for each in stored_types(type_)}
    is_equated = family in _EQUATED and stored <= _EQUATED - {"array", "range"}
    itself: frozenset[str] = frozenset() if is_converted(type_) else frozenset({family})
    is_alike = is_plain and stored <= _LIKE.get(family, itself)
    operators = _operators(family) if is_alike else _EQUAL if is_equated else _NULL
    return operators, is_alike and family in _SORTED


def _python_row(python: Any) -> tuple[Family, Make]:
    if isinstance(python, type):
        for kind, family, make in _PYTHON:
            if issubclass(python, kind):
                return family, make
    is_container = _json_type(python) in {"array", "object"}
    return "document" if is_container else "value", _as_python


def _json_type(python: Any) -> Any:
    """Return the type of values in JSON, if their schema names one."""
    try:
        schema = TypeAdapter(python).json_schema(mode="serialization")
    except Exception:  # a schema of the program's own may raise anything
        return None
    if "$ref" in schema:
        schema = schema["$defs"].get(schema["$ref"].rpartition("/")[2], {})
    return schema.get("type")


def _as_python(_type: Any, limits: Limits) -> Any:
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
    """Tell whether bytes may be longer than MariaDB sorts by, and than fit into a cursor."""
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

# The stored families that keep the order of a family's values, or their text.
_NUMBERS = frozenset({"boolean", "number"})
_LIKE: dict[Family, frozenset[str]] = {
    "boolean": _NUMBERS, "number": _NUMBERS, "date": frozenset({"date", "moment"}),
    "enum": frozenset({"enum", "number", "text"}), "interval": frozenset({"interval", "number"}),
    "moment": frozenset({"moment", "number"}), "text": frozenset({"text"}),
    "time": frozenset({"number", "time"}),
    "uuid": frozenset({"binary", "text", "uuid"}),
}  # fmt: skip

# The family of a Python class; a subclass comes before its base.
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

# The first that fits is used: a subclass comes before its base.
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
