"""How a column of a driver's row becomes a value, where that is known before there is a row.

Knows SQLAlchemy's types; no connection, no request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.types import Float, Numeric, TypeDecorator, TypeEngine

__all__ = ["reader_of"]

# What asyncpg says of a column, by which SQLAlchemy's types choose how to read it.
_FLOAT_OID, _NUMERIC_OID = 701, 1700


def reader_of(type_: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """Return what reads a column; None if its values are as the driver returns them.

    Raises:
        InvalidRequestError: It depends on what the driver says of the column.
        TypeError: The same.
    """
    impl: Any = type_.dialect_impl(dialect)
    plain = impl
    while isinstance(plain, TypeDecorator):
        plain = plain.impl_instance
    if dialect.driver == "asyncpg" and isinstance(plain, (Float, Numeric)):
        return _number_reader(impl, dialect)
    reader: Callable[[Any], Any] | None = impl.result_processor(dialect, None)
    return reader


def _number_reader(impl: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """Return what reads a number: a float may be declared a decimal, and the other way round."""
    of_float: Callable[[Any], Any] | None = impl.result_processor(dialect, _FLOAT_OID)
    of_other: Callable[[Any], Any] | None = impl.result_processor(dialect, _NUMERIC_OID)

    def read(value: Any) -> Any:
        reader = of_float if isinstance(value, float) else of_other
        return value if reader is None else reader(value)

    return read
