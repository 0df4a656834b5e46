"""Queries that are compiled once: their text, how parameters are written and rows are read.

Knows SQLAlchemy's compiler and types; no session and no connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Column, ColumnElement, Dialect, Select, bindparam, select
from sqlalchemy.engine.interfaces import BindTyping
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.compiler import WARN_LINTING, SQLCompiler

from ormolu.backends import backend_of
from ormolu.engines import BorrowedConnection
from ormolu.seams import knows_schema_time, result_columns, tell_schema_time
from ormolu.taps import TAPS, tell

__all__ = ["CompiledQuery", "Parameters", "UncompilableError", "columns_of", "compile_query"]

# The parameters of one statement, in the order in which SQLAlchemy finds them in it.
Parameters = Sequence[BindParameter[Any]]


class UncompilableError(Exception):
    """A query has another text with other values, or its driver is told more than its values."""


class CompiledQuery:
    """A query for one dialect, and all that have the same cache key.

    Attributes:
        text: Of it.
    """

    def __init__(self, compiled: SQLCompiler, parameters: Parameters, types: Sequence[Any]) -> None:
        """Take what SQLAlchemy has compiled.

        Args:
            compiled: With the cache key of the statement.
            parameters: Of that cache key.
            types: Of the columns that it returns.

        Raises:
            UncompilableError: It cannot be sent without SQLAlchemy.
        """
        _check(compiled)
        self._dialect = compiled.dialect
        self.text: str = compiled.string
        self._sources, self._fixed = _sources_of(compiled, parameters)
        self._is_positional = compiled.positional
        self._types = types
        # None until a cursor has described the columns.
        self._readers: list[Callable[[Any], Any] | None] | None = None
        self._is_read_as_is = False

    def arguments(self, parameters: Parameters, given: Mapping[str, Any] | None) -> Any:
        """Return what the driver's cursor takes.

        Args:
            parameters: Of a statement with the same cache key.
            given: Values by the names of parameters, which take the place of theirs.

        Raises:
            LookupError: A value is missing.
            Exception: A value cannot be written.
        """
        values = [
            parameter.value if parameter.callable is None else parameter.effective_value
            for parameter in parameters
        ]
        if given:
            values = _with_given(values, parameters, given)
        elif any(parameter.required for parameter in parameters):
            message = "A parameter has no value."
            raise LookupError(message)
        if self._fixed:
            values += self._fixed
        if self._is_positional:
            return tuple(
                [
                    values[place] if write is None else write(values[place])
                    for _, place, write in self._sources
                ]
            )
        return {
            name: values[place] if write is None else write(values[place])
            for name, place, write in self._sources
        }

    def execute(self, cursor: Any, arguments: Any) -> Sequence[Any]:
        """Send the query over a cursor of the driver's, and return the driver's rows."""
        if TAPS:
            tell(self.text)
        tell_schema_time(self._dialect, cursor)
        self._dialect.do_execute(cursor, self.text, arguments)
        rows: Sequence[Any] = cursor.fetchall()
        if self._readers is None:
            self._readers = self._make_readers(cursor.description)
            self._is_read_as_is = not any(self._readers)
        cursor.close()
        return rows

    def execute_at_once(self, borrowed: BorrowedConnection, arguments: Any) -> Sequence[Any] | None:
        """Send the query, and return the driver's rows; None if that may have to wait."""
        # Without readers a cursor has to describe the columns first.
        return None if self._readers is None else borrowed.read_at_once(self.text, arguments)

    def read(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Return the values in rows that the driver returned."""
        if self._is_read_as_is:
            return rows
        assert self._readers is not None
        readers = self._readers
        return [
            tuple(
                [
                    value if reader is None else reader(value)
                    for reader, value in zip(readers, row, strict=True)
                ]
            )
            for row in rows
        ]

    def _make_readers(self, description: Sequence[Any]) -> list[Callable[[Any], Any] | None]:
        return [
            type_.dialect_impl(self._dialect).result_processor(self._dialect, told[1])
            for type_, told in zip(self._types, description, strict=True)
        ]


def compile_query(
    statement: Select[Any], key: Any, dialect: Dialect, mappers: Sequence[Mapper[Any]]
) -> CompiledQuery:
    """Compile a query of the ORM's.

    Args:
        statement: For objects of one plain class, and those that are joined to them.
        key: What `cache_key_of` returns of it.
        dialect: Of the engine.
        mappers: Of these classes: their columns are those of the rows, one class after the other.

    Raises:
        UncompilableError: It cannot be sent without SQLAlchemy, or has other columns.
    """
    linting = dialect.compiler_linting | WARN_LINTING
    compiled = statement.compile(dialect=dialect, cache_key=key, linting=linting)
    assert isinstance(compiled, SQLCompiler)
    columns = [(mapper, each) for mapper in mappers for each in columns_of(mapper)]
    found = result_columns(compiled)
    if found is None or len(found) != len(columns) or not all(map(_is_of, found, columns)):
        message = "Its columns are not those of its classes."
        raise UncompilableError(message)
    return CompiledQuery(compiled, key[1], [column.type for _, column in columns])


def columns_of(mapper: Mapper[Any]) -> Sequence[ColumnElement[Any]]:
    """Return the columns of a class in the order in which a query has them."""
    return list(select(mapper.class_).selected_columns)


def _is_of(found: Column[Any] | None, expected: tuple[Mapper[Any], ColumnElement[Any]]) -> bool:
    """Tell whether a column of the rows is one of a class: of its table, or of an alias of that."""
    mapper, column = expected
    if found is None or found.key != column.key:
        return False
    return mapper.local_table in (found.table, getattr(found.table, "element", None))


def _check(compiled: SQLCompiler) -> None:
    dialect = compiled.dialect
    is_fixed = not (
        compiled.post_compile_params
        or compiled.literal_execute_params
        or compiled.escaped_bind_names
    )
    is_told_types = dialect.bind_typing is BindTyping.SETINPUTSIZES
    is_quiet = backend_of(dialect).leaves_no_trace(compiled.string)
    if not (is_fixed and is_quiet and knows_schema_time(dialect)) or is_told_types:
        message = "SQLAlchemy has to send it."
        raise UncompilableError(message)


def _sources_of(
    compiled: SQLCompiler, parameters: Parameters
) -> tuple[list[tuple[str, int, Callable[[Any], Any] | None]], list[Any]]:
    """Return where the values that are sent come from, and those that are always the same.

    Returns:
        Of each value its name, its place among the parameters and what is always the same, and
        how it is written; and what is always the same, such as SQLite's `OFFSET 0`.
    """
    # Compile with a marker for each parameter, to see where SQLAlchemy puts it.
    markers = [bindparam(None, _Marker(), type_=each.type) for each in parameters]
    required = {
        each.key: marker.value
        for each, marker in zip(parameters, markers, strict=True)
        if each.required
    }
    sent = compiled.construct_params(required, extracted_parameters=markers, escape_names=False)
    places = {id(marker.value): place for place, marker in enumerate(markers)}
    fixed: list[Any] = []
    sources = []
    for name in (compiled.positiontup or ()) if compiled.positional else sent:
        place = places.get(id(sent[name]))
        if place is None:
            place = len(markers) + len(fixed)
            fixed.append(sent[name])
        sources.append((name, place, _writer_of(compiled.binds[name], compiled.dialect)))
    return sources, fixed


class _Marker:
    """Stands for a value whose place is looked for."""


def _writer_of(parameter: BindParameter[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    writer: Callable[[Any], Any] | None
    writer = parameter.type.dialect_impl(dialect).bind_processor(dialect)
    return writer


def _with_given(values: list[Any], parameters: Parameters, given: Mapping[str, Any]) -> list[Any]:
    """Put given values in the places of their parameters.

    Raises:
        LookupError: One has no place, or a parameter has no value.
    """
    names = [parameter.key for parameter in parameters]
    missing = [p.key for p in parameters if p.required and p.key not in given]
    if missing or not given.keys() <= set(names):
        message = "Parameters and values do not match."
        raise LookupError(message)
    return [given.get(name, value) for name, value in zip(names, values, strict=True)]
