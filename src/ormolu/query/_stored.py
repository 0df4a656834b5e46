"""The SQL side of a column's type: what each backend stores, and the decorators before it.

What the database has is not a decorator's `impl`, but what it loads for the dialect, and the same
holds for variants. Knows no model and no HTTP.
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
    "bound_form", "has_variants", "is_converted", "is_fixed_length", "is_padded", "read_form",
    "reads_as_inner", "reads_as_stored", "stored_type", "stored_types", "undecorated",
    "variant_type", "variant_types",
]  # fmt: skip

_BINDS = ("process_bind_param", "bind_processor", "bind_expression")
_READS = ("process_result_value", "result_processor", "column_expression")


def stored_type(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """Return the type that the database has for a column."""
    stored: TypeEngine[Any] = type_.dialect_impl(dialect)
    while isinstance(stored, TypeDecorator) and not isinstance(stored, sa.Interval):
        stored = stored.impl_instance.dialect_impl(dialect)
    return stored


def stored_types(type_: TypeEngine[Any]) -> list[TypeEngine[Any]]:
    """Return the types that the backends have for a column, if it supports them."""
    found = []
    for dialect in _dialects():
        # A type of one backend may fail for the others.
        with suppress(Exception):
            found.append(stored_type(type_, dialect))
    return found


def variant_type(
    type_: TypeEngine[Any], dialect: Dialect, *, is_below: bool = False
) -> TypeEngine[Any]:
    """Return the type that a program names for a backend: a variant, or what a decorator loads.

    A type with code that converts values is returned itself.

    Args:
        type_: Type of a column.
        dialect: Of the database.
        is_below: Whether to look below such code, too.
    """
    named = type_
    while is_below or not is_converted(named):
        variant = variants_of(named).get(dialect.name)
        if variant is not None:
            named = variant
        elif isinstance(named, TypeDecorator) and not _is_whole(named):
            named = named.load_dialect_impl(dialect)
        else:
            break
    return named


def variant_types(type_: TypeEngine[Any]) -> list[TypeEngine[Any]]:
    """Return the types that a program names for the backends, if the type supports them."""
    found = []
    for dialect in _dialects():
        with suppress(Exception):
            found.append(variant_type(type_, dialect))
    return found


def has_variants(type_: TypeEngine[Any]) -> bool:
    """Tell whether a program names another type for some backend."""
    if not isinstance(type_, TypeDecorator):
        # Fast path: this is called for each column of each list.
        return bool(variants_of(type_))
    return any(
        bool(variants_of(each)) or _is_overridden(each, ("load_dialect_impl",))
        for each in _layers(type_)
    )


def is_converted(type_: TypeEngine[Any]) -> bool:
    """Tell whether the program's own code converts the values."""
    return any(_is_overridden(each, (*_BINDS, *_READS)) for each in _layers(type_))


def is_padded(type_: TypeEngine[Any], dialect: Dialect) -> bool:
    """Tell whether a backend pads text with blanks to the length of its column."""
    # Use the program's type: dialects have one type for all text.
    return backend_of(dialect).fills_char and is_fixed_length(
        variant_type(type_, dialect, is_below=True)
    )


def is_fixed_length(type_: TypeEngine[Any]) -> bool:
    """Tell whether a column has text of a fixed length."""
    return isinstance(type_, (sa.CHAR, sa.NCHAR))


def reads_as_stored(type_: TypeEngine[Any]) -> bool:
    """Tell whether a column is read without conversion by the program's code."""
    return not any(_is_overridden(each, _READS) for each in _layers(type_))


def reads_as_inner(type_: TypeEngine[Any]) -> bool:
    """Tell whether a decorator reads values as the type that it decorates."""
    return isinstance(type_, TypeDecorator) and not _is_overridden(type_, _READS)


def undecorated(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the type below all decorators and domains."""
    while True:
        if isinstance(type_, postgresql.DOMAIN):
            type_ = type_.data_type
        elif isinstance(type_, TypeDecorator) and not _is_whole(type_):
            type_ = type_.impl_instance
        else:
            return type_


def is_cacheable(type_: Any) -> bool:
    """Tell whether SQLAlchemy may cache statements with a type, and with a wrapper of it."""
    is_own = isinstance(type_, sa.types.ExternalType)
    return not is_own or type(type_).__dict__.get("cache_ok") is True


def bound_form(type_: TypeEngine[Any], value: Any, dialect: Dialect) -> Any:
    """Return a value after `process_bind_param` of all decorators."""
    layer: Any = type_.dialect_impl(dialect)
    while isinstance(layer, TypeDecorator) and not isinstance(layer, sa.Interval):
        if _is_overridden(layer, ("process_bind_param",)):
            value = layer.process_bind_param(value, dialect)
        layer = layer.impl_instance
    return value


def read_form(type_: TypeEngine[Any], value: Any, dialect: Dialect) -> Any:
    """Return a value after `process_result_value` of all decorators."""
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
    """Yield a type and those that it decorates, down to SQLAlchemy's."""
    yield type_
    while isinstance(type_, TypeDecorator) and not _is_whole(type_):
        type_ = type_.impl_instance
        yield type_


def _is_whole(type_: TypeEngine[Any]) -> bool:
    """Tell whether a decorator counts as a plain type."""
    return isinstance(type_, (sa.Interval, UTCDateTime))


def _is_overridden(type_: Any, names: tuple[str, ...]) -> bool:
    kinds = type(type_).__mro__
    own = next(each for each in kinds if _is_known(each))
    if own is kinds[0]:
        # Fast path: most types are SQLAlchemy's, and this is asked for each column of each list.
        return False
    return any(getattr(type(type_), name, None) is not getattr(own, name, None) for name in names)


def _is_known(kind: type[Any]) -> bool:
    if kind is sa.PickleType:
        # It stores bytes and reads any object, so it counts as the program's code.
        return False
    return kind.__module__.partition(".")[0] in {"ormolu", "sqlalchemy"}


@cache
def _dialects() -> tuple[Dialect, ...]:
    known = (sqlite.dialect, postgresql.dialect, mysql.dialect, MariaDBDialect)
    return tuple(make() for make in known)
