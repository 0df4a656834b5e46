"""What DDL for MySQL says where a model says less, or other, than MySQL needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Double, Float
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects.mysql.base import MySQLTypeCompiler
from sqlalchemy.engine.interfaces import Dialect

__all__ = ["complete_ddl"]

# Of four bytes at most, so many characters fit into an index of InnoDB.
_CHARACTERS = 255
# What is taken from clients where a model does not say.
_DIGITS, _PLACES = 38, 10


def complete_ddl(dialect: Dialect) -> None:
    """Give a dialect of MySQL, which is one engine's own, the types that it lacks."""
    compiler = _MySQLTypes(dialect)
    dialect.type_compiler_instance = dialect.type_compiler = compiler
    dialect.colspecs = {**dialect.colspecs, Double: _MySQLDouble}


class _MySQLDouble(mysql.DOUBLE):
    """A double of any bits; MySQL's has digits, all or none, and is refused by SQLAlchemy."""

    def __init__(self, precision: int | None = None, **options: Any) -> None:
        super().__init__(None if options.get("scale") is None else precision, **options)


class _MySQLTypes(MySQLTypeCompiler):
    """MySQL's types; text without a length gets one, numbers and moments keep their digits."""

    def visit_VARCHAR(self, type_: Any, **options: Any) -> str:  # noqa: N802 -- SQLAlchemy's form
        return super().visit_VARCHAR(_with_length(type_), **options)

    def visit_NVARCHAR(self, type_: Any, **options: Any) -> str:  # noqa: N802 -- as above
        return super().visit_NVARCHAR(_with_length(type_), **options)

    def visit_VARBINARY(self, type_: Any, **options: Any) -> str:  # noqa: N802 -- as above
        return super().visit_VARBINARY(_with_length(type_), **options)

    def visit_FLOAT(self, type_: Any, **options: Any) -> str:  # noqa: N802 -- as above
        # MySQL's has four bytes, of which it shows six digits; others' has eight.
        kind: type[Any] = type(type_)
        is_open = kind is Float and type_.precision is None
        return "DOUBLE" if is_open else super().visit_FLOAT(type_, **options)

    def visit_NUMERIC(self, type_: Any, **options: Any) -> str:  # noqa: N802 -- as above
        return super().visit_NUMERIC(_with_digits(type_), **options)

    def visit_DECIMAL(self, type_: Any, **options: Any) -> str:  # noqa: N802 -- as above
        return super().visit_DECIMAL(_with_digits(type_), **options)

    def visit_TIMESTAMP(self, type_: Any, **options: Any) -> str:  # noqa: N802 -- as above
        return super().visit_TIMESTAMP(_with_fractions(type_, mysql.TIMESTAMP, options), **options)

    def visit_DATETIME(self, type_: Any, **options: Any) -> str:  # noqa: N802 -- as above
        return super().visit_DATETIME(_with_fractions(type_, mysql.DATETIME, options), **options)

    def visit_UUID(self, type_: Any, **options: Any) -> str:  # noqa: N802 -- as above
        # MySQL has no such type; MariaDB has one.
        has_one = self.dialect.supports_native_uuid
        return super().visit_UUID(type_, **options) if has_one else "CHAR(32)"


def _with_fractions(type_: Any, kind: Any, options: Mapping[str, Any]) -> Any:
    """Return a type of moments that keeps microseconds, unless the model says otherwise."""
    column = options.get("type_expression")
    is_open = getattr(type_, "fsp", None) is None
    # Where a default is CURRENT_TIMESTAMP, MySQL wants the same digits of it.
    has_default = getattr(column, "server_default", None) is not None
    return kind(fsp=6) if is_open and not has_default else type_


def _with_digits(type_: Any) -> Any:
    """Return a type of decimals that keeps fractions: MySQL's own has whole numbers alone."""
    if type_.precision is not None:
        return type_
    sized = type_.copy()
    sized.precision, sized.scale = _DIGITS, _PLACES
    return sized


def _with_length(type_: Any) -> Any:
    if type_.length is not None:
        return type_
    sized = type_.copy()
    sized.length = _CHARACTERS
    return sized
