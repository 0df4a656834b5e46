"""What models have that a backend has not: found before a table is made, with what to write."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Table, inspect
from sqlalchemy import Sequence as NumberSequence
from sqlalchemy.dialects.postgresql import BIT
from sqlalchemy.dialects.postgresql.named_types import NamedType
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import CompileError, UnsupportedCompilationError
from sqlalchemy.types import JSON, TypeEngine

from ormolu.backends import backend_of, name_of
from ormolu.errors import ConfigurationError

__all__ = ["check_columns", "check_places"]

# Values of these are lists or objects, which every backend keeps as JSON.
_NESTED = ("ARRAY", "HSTORE", "JSONB", "RANGE")

_LONG = re.compile(r"(TINY|MEDIUM|LONG)?(BLOB|TEXT)$")


def check_places(connection: Connection, metadata: MetaData) -> None:
    """Check that the schemas and system columns of the models can be there at all.

    Raises:
        ConfigurationError: They cannot.
    """
    _refuse(_misplaced(connection, metadata))


def check_columns(dialect: Dialect, tables: Sequence[Table]) -> None:
    """Check that a backend has what the columns of tables that will be made ask for.

    Raises:
        ConfigurationError: It has not.
    """
    columns = (column for table in tables for column in table.columns)
    _refuse(each for column in columns for each in _lacks(dialect, column))


def _refuse(problems: Iterator[str]) -> None:
    lines = "".join(f"\n  - {problem}" for problem in problems)
    if lines:
        message = f"This database cannot hold what the models map:{lines}"
        raise ConfigurationError(message)


def _misplaced(connection: Connection, metadata: MetaData) -> Iterator[str]:
    dialect, backend = connection.dialect, backend_of(connection.dialect)
    known: dict[str, bool] = {}
    for table in metadata.sorted_tables:
        schema = table.schema
        if schema is not None and schema not in known:
            known[schema] = inspect(connection).has_schema(schema)
        if schema is not None and not known[schema]:
            yield f'Table "{table.fullname}" is in the schema "{schema}". {_about(schema, dialect)}'
        for column in table.columns:
            if column.system and not backend.has_system_columns:
                yield (
                    f'Column "{table.fullname}.{column.name}" is a system column, as PostgreSQL '
                    f"has them; {name_of(dialect)} has none. Write a version of the program's own: "
                    "mapped_column(Integer), with version_id_col alone in __mapper_args__."
                )


def _about(schema: str, dialect: Dialect) -> str:
    quoted = dialect.identifier_preparer.quote_identifier(schema)
    return backend_of(dialect).how_to_add_schema(quoted)


def _lacks(dialect: Dialect, column: Column[Any]) -> Iterator[str]:
    place = f'Column "{column.table.fullname}.{column.name}"'
    words = None if column.system else _why_no_type(dialect, column)
    if words is not None:
        yield f"{place}: {words}"
    elif not column.system:
        yield from _too_long_for_keys(dialect, column, place)
    yield from _uncounted(dialect, column, place)


def _name_of_type(dialect: Dialect, column: Column[Any]) -> str:
    """Return what stands in the DDL for a column's type, without what is in its brackets."""
    written = dialect.type_compiler_instance.process(column.type, type_expression=column)
    return written.partition("(")[0]


def _too_long_for_keys(dialect: Dialect, column: Column[Any], place: str) -> Iterator[str]:
    """Say which columns of any length are a primary key, which MySQL does not make of them."""
    if backend_of(dialect).has_long_keys or not column.primary_key:
        return
    if _LONG.match(_name_of_type(dialect, column)):
        yield (
            f"{place} is of any length, and {name_of(dialect)} has no such primary key. Write "
            "BINARY, VARBINARY or String with a length, at most 255."
        )


def _why_no_type(dialect: Dialect, column: Column[Any]) -> str | None:
    """Say why a column has no type here, and what to write; None if it has one."""
    type_: TypeEngine[Any] = column.type
    try:
        name = _name_of_type(dialect, column)
        plain = backend_of(dialect).missing_types.get(name)
        if plain is not None:
            return (
                f"{name_of(dialect)} does not have the type {type_!r}. Write {plain}, and this one "
                f'for the others alone: mapped_column({plain}().with_variant({type_!r}, "mysql"))'
            )
        # MySQL has another BIT, of numbers.
        is_own = isinstance(type_, NamedType) or isinstance(type_.dialect_impl(dialect), BIT)
        is_there = not is_own or hasattr(dialect, "has_type")
    except (AssertionError, AttributeError, UnsupportedCompilationError):
        is_there = False
    except CompileError as error:
        return str(error)
    if is_there:
        return None
    return (
        f"{name_of(dialect)} does not have the type {type_!r}. Write one that it has, and this one "
        f"for the other: {_variant(type_)}"
    )


def _uncounted(dialect: Dialect, column: Column[Any], place: str) -> Iterator[str]:
    """Say which columns the backend would not number, though the model says so."""
    table = column.table
    assert isinstance(table, Table)
    is_counted = table.autoincrement_column is column
    is_part = is_counted and len(table.primary_key.columns) > 1
    if is_part and not backend_of(dialect).numbers_parts_of_keys:
        yield (
            f"{place} is one part of a key and numbered, which {name_of(dialect)} does not do. "
            "Write autoincrement=False and choose its values, or give the table a key of one "
            "column."
        )
    kinds = (
        ("Identity()", column.identity, dialect.supports_identity_columns),
        ("Sequence()", isinstance(column.default, NumberSequence), dialect.supports_sequences),
    )
    for name, is_asked, is_there in kinds:
        if is_asked and not is_there and not is_counted:
            yield (
                f"{place} has {name}, and {name_of(dialect)} numbers primary keys only. Write a "
                "default, as default=function."
            )


def _variant(type_: TypeEngine[Any]) -> str:
    name = type(type_).__name__
    module = type(type_).__module__
    origin = next((each for each in ("mysql", "mssql", "oracle") if each in module), "postgresql")
    plain = "JSON" if isinstance(type_, JSON) or any(each in name for each in _NESTED) else "String"
    return f'mapped_column({plain}().with_variant({type_!r}, "{origin}"))'
