"""Plans: statements that are compiled once, and only get other values from then on.

Knows SQLAlchemy's compiler and types; no connection, no request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.sql import Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import Float, Numeric, TypeEngine

__all__ = ["Plan", "PointPlan", "Slot", "UnplannableError"]

Values = Mapping[str, Any]

# What asyncpg says of a column, by which SQLAlchemy's types choose how to read it.
_FLOAT_OID, _NUMERIC_OID = 701, 1700


class UnplannableError(Exception):
    """A statement is not the same text for all values, or needs what only a session gives."""


class Slot:
    """Stands in a statement for a value that comes later; to SQLAlchemy it is a value.

    Attributes:
        name: What the value is called.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Plan:
    """One statement: its text, and how values become parameters and columns become values.

    Attributes:
        text: SQL, in the form that the driver takes.
    """

    def __init__(
        self, statement: Executable, types: Sequence[TypeEngine[Any]], dialect: Dialect
    ) -> None:
        """Compile a statement.

        Args:
            statement: With a `Slot` wherever a value comes later.
            types: Types of the columns that it returns.
            dialect: Of the engine.

        Raises:
            UnplannableError: Its text depends on its values.
        """
        compiled = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
        assert isinstance(compiled, SQLCompiler)
        if compiled.post_compile_params or compiled.literal_execute_params:
            message = "a list of values makes another text each time"
            raise UnplannableError(message)
        self.text = compiled.string
        defaults = _defaults_of(compiled)
        self._sources = [
            _source_of(compiled, name, defaults, dialect) for name in compiled.positiontup or ()
        ]
        self._readers = [_reader_of(type_, dialect) for type_ in types]
        self._is_read_as_is = not any(self._readers)

    def arguments(self, values: Values) -> list[Any]:
        """Return the parameters for some values.

        Raises:
            Exception: A value cannot be stored, or a default needs more than itself.
        """
        return [source(values) for source in self._sources]

    def read(self, row: Sequence[Any]) -> Sequence[Any]:
        """Return the values in a row that the driver returned."""
        if self._is_read_as_is:
            return row
        return [
            value if reader is None else reader(value)
            for reader, value in zip(self._readers, row, strict=True)
        ]


@dataclass(frozen=True, kw_only=True)
class PointPlan:
    """A read of one row by its key.

    Attributes:
        one: For one key; its parameters are the key's parts.
        many: For any number of keys, in a list that is its only parameter; None where there is no
            such form.
        place: Where in a row of `many` the key is.
    """

    one: Plan
    many: Plan | None = None
    place: int = 0


def _source_of(
    compiled: SQLCompiler, name: str, defaults: Mapping[str, Any], dialect: Dialect
) -> Callable[[Values], Any]:
    """Return what makes one parameter of the values.

    Raises:
        UnplannableError: It has none.
    """
    bind = compiled.binds[name]
    write = bind.type.dialect_impl(dialect).bind_processor(dialect)
    if isinstance(bind.value, Slot):
        return _slot_source(bind.value.name, write)
    if name in defaults:
        return _default_source(defaults[name], write)
    if bind.required:
        message = f"the parameter {name!r} has no value"
        raise UnplannableError(message)
    fixed = bind.effective_value if write is None else write(bind.effective_value)
    return lambda _values: fixed


def _slot_source(key: str, write: Callable[[Any], Any] | None) -> Callable[[Values], Any]:
    if write is None:
        return lambda values: values[key]
    return lambda values: write(values[key])


def _default_source(default: Any, write: Callable[[Any], Any] | None) -> Callable[[Values], Any]:
    def make(_values: Values) -> Any:
        value = default.arg(_NoContext()) if default.is_callable else default.arg
        return value if write is None else write(value)

    return make


class _NoContext:
    """What a default of the program's own is given: it has to do without the statement."""


def _defaults_of(compiled: SQLCompiler) -> dict[str, Any]:
    """Return the defaults that Python makes for columns left out, by their parameter.

    Raises:
        UnplannableError: One takes a statement.
    """
    found = {}
    for columns, kind in (
        (compiled.insert_prefetch, "default"), (compiled.update_prefetch, "onupdate"),
    ):  # fmt: skip
        for column in columns:
            default: Any = getattr(column, kind)
            if default is None or not (default.is_callable or default.is_scalar):
                message = f"{column.name} gets its value from a statement of its own"
                raise UnplannableError(message)
            found[column.key] = default
    return found


def _reader_of(type_: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    code = None
    if dialect.driver == "asyncpg" and isinstance(type_, Numeric):
        code = _FLOAT_OID if isinstance(type_, Float) else _NUMERIC_OID
    reader: Callable[[Any], Any] | None
    reader = type_.dialect_impl(dialect).result_processor(dialect, code)
    return reader
