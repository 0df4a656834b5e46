"""The SQL side of a column's type: what each backend stores, and what stands before it in Python.

A decorator's `impl` is what it was written over; what the database has is what it names for that
database's dialect, and so it is with variants. Knows no value of a client, no model, no HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Dialect
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.dialects.mysql.mariadb import MariaDBDialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from ormolu.backends import backend_of
from ormolu.models import UTCDateTime
from ormolu.seams import variants_of

__all__ = [
    "bound_form", "is_coded", "is_filled", "is_fixed", "is_named_apart", "named_type",
    "named_types", "read_form", "reads_as_inner", "reads_as_stored", "stored_type", "stored_types",
    "undecorated",
]  # fmt: skip

_BINDS = ("process_bind_param", "bind_processor", "bind_expression")
_READS = ("process_result_value", "result_processor", "column_expression")


def stored_type(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """Return what the database has for a column."""
    stored: TypeEngine[Any] = type_.dialect_impl(dialect)
    while isinstance(stored, TypeDecorator) and not isinstance(stored, sa.Interval):
        stored = stored.impl_instance.dialect_impl(dialect)
    return stored


def stored_types(type_: TypeEngine[Any]) -> list[TypeEngine[Any]]:
    """Return what each backend has for a column, of those whose dialect a type can tell."""
    found = []
    for dialect in _dialects():
        # A type of one backend may not know the others at all.
        with suppress(Exception):
            found.append(stored_type(type_, dialect))
    return found


def named_type(
    type_: TypeEngine[Any], dialect: Dialect, *, is_below: bool = False
) -> TypeEngine[Any]:
    """Return the type that a program names for a database: a variant, or what a decorator loads.

    SQLAlchemy's own for that database is made of it. One with code between is returned as it is.

    Args:
        type_: Of a column.
        dialect: Of the database.
        is_below: Whether to return what is named below such code.
    """
    named = type_
    while is_below or not is_coded(named):
        variant = variants_of(named).get(dialect.name)
        if variant is not None:
            named = variant
        elif isinstance(named, TypeDecorator) and not _is_whole(named):
            named = named.load_dialect_impl(dialect)
        else:
            break
    return named


def named_types(type_: TypeEngine[Any]) -> list[TypeEngine[Any]]:
    """Return what a program names for each backend, of those whose dialect a type can tell."""
    found = []
    for dialect in _dialects():
        with suppress(Exception):
            found.append(named_type(type_, dialect))
    return found


def is_named_apart(type_: TypeEngine[Any]) -> bool:
    """Tell whether a program names a type of its own for some database."""
    if not isinstance(type_, TypeDecorator):
        # The common case, fast: this is asked of each column of each list.
        return bool(variants_of(type_))
    return any(
        bool(variants_of(each)) or _is_overridden(each, ("load_dialect_impl",))
        for each in _layers(type_)
    )


def is_coded(type_: TypeEngine[Any]) -> bool:
    """Tell whether code of the program's own stands between a value and what is stored."""
    return any(_is_overridden(each, (*_BINDS, *_READS)) for each in _layers(type_))


def is_filled(type_: TypeEngine[Any], dialect: Dialect) -> bool:
    """Tell whether a database fills text up with blanks, to the length of its column."""
    # Ask the type that the program names: drivers see all text alike.
    return backend_of(dialect).fills_char and is_fixed(named_type(type_, dialect, is_below=True))


def is_fixed(type_: TypeEngine[Any]) -> bool:
    """Tell whether all text of a column has the same length, as far as SQL goes."""
    return isinstance(type_, (sa.CHAR, sa.NCHAR))


def reads_as_stored(type_: TypeEngine[Any]) -> bool:
    """Tell whether what is read of a column is what is stored there, as it is."""
    return not any(_is_overridden(each, _READS) for each in _layers(type_))


def reads_as_inner(type_: TypeEngine[Any]) -> bool:
    """Tell whether what is read of a decorator is what the type that it decorates reads."""
    return isinstance(type_, TypeDecorator) and not _is_overridden(type_, _READS)


def undecorated(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the type that a program's own type decorates, or that a domain is of."""
    while True:
        if isinstance(type_, postgresql.DOMAIN):
            type_ = type_.data_type
        elif isinstance(type_, TypeDecorator) and not _is_whole(type_):
            type_ = type_.impl_instance
        else:
            return type_


def bound_form(type_: TypeEngine[Any], value: Any, dialect: Dialect) -> Any:
    """Return what decorators make of a value, before the type below them writes it."""
    layer: Any = type_.dialect_impl(dialect)
    while isinstance(layer, TypeDecorator) and not isinstance(layer, sa.Interval):
        if _is_overridden(layer, ("process_bind_param",)):
            value = layer.process_bind_param(value, dialect)
        layer = layer.impl_instance
    return value


def read_form(type_: TypeEngine[Any], value: Any, dialect: Dialect) -> Any:
    """Return what decorators make of what the type below them reads."""
    layers = []
    layer: Any = type_.dialect_impl(dialect)
    while isinstance(layer, TypeDecorator) and not isinstance(layer, sa.Interval):
        layers.append(layer)
        layer = layer.impl_instance
    for each in reversed(layers):
        if _is_overridden(each, ("process_result_value",)):
            value = each.process_result_value(value, dialect)
    return value


def _layers(type_: Any) -> Iterator[Any]:
    """Yield a type, and those that it decorates, down to SQLAlchemy's."""
    yield type_
    while isinstance(type_, TypeDecorator) and not _is_whole(type_):
        type_ = type_.impl_instance
        yield type_


def _is_whole(type_: TypeEngine[Any]) -> bool:
    """Tell whether a decorator is a type of its own to all who ask, as SQLAlchemy's Interval is."""
    return isinstance(type_, (sa.Interval, UTCDateTime))


def _is_overridden(type_: Any, names: tuple[str, ...]) -> bool:
    kinds = type(type_).__mro__
    own = next(each for each in kinds if _is_known(each))
    return any(getattr(type(type_), name, None) is not getattr(own, name, None) for name in names)


def _is_known(kind: type[Any]) -> bool:
    if kind is sa.PickleType:
        # It stores bytes and reads any object, so its code counts as the program's.
        return False
    return kind.__module__.partition(".")[0] in {"ormolu", "sqlalchemy"}


@cache
def _dialects() -> tuple[Dialect, ...]:
    known = (sqlite.dialect, postgresql.dialect, mysql.dialect, MariaDBDialect)
    return tuple(make() for make in known)
