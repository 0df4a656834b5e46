"""The tables that the models map: made if missing, or compared with what is there."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Literal

from sqlalchemy import Connection, Dialect, MetaData, Table, inspect, types
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.engine.reflection import ObjectKind, ObjectScope
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.schema import CheckFirst
from sqlalchemy.types import TypeEngine

from ormolu.backends import backend_of
from ormolu.engines._portability import check_columns, check_places
from ormolu.errors import ConfigurationError, OverloadedError, SchemaMismatchError
from ormolu.limits import Limit

__all__ = ["SchemaMode", "prepare_schema"]

SchemaMode = Literal["create", "migrate", "verify", "ignore"]

_log = logging.getLogger("ormolu")

# What SQLAlchemy looks for itself before it creates.
_NOT_LOOKED_FOR = CheckFirst.ALL & ~(CheckFirst.TABLES | CheckFirst.VIEWS)

# Types that a database may swap for each other without harm are in one family.
_FAMILIES: tuple[tuple[str, tuple[type[TypeEngine[Any]], ...]], ...] = (
    ("number", (types.Integer, types.Numeric, types.Boolean)),
    ("text", (types.String, types.JSON, types.Uuid)),
    ("time", (types.DateTime, types.Date, types.Time, types.Interval)),
    ("bytes", (types.LargeBinary,)),
)

_NO_SCHEMA = (
    "The connection has no place for tables. Write the name of the database at the end of the URL "
    "(mysql://user:password@host/NAME); on PostgreSQL, make the schema that its search_path names: "
    "CREATE SCHEMA ..."
)


async def prepare_schema(
    reader: AsyncEngine, writer: AsyncEngine, metadata: MetaData, mode: SchemaMode, timeout: float
) -> None:
    """Make the tables usable before the first query, or say why they are not.

    Many workers may do this at once: one creates, the others wait.

    Args:
        reader: Engine that looks: on SQLite a writer would wait for those that write already.
        writer: Engine that creates.
        metadata: The mapped tables.
        mode: "create" makes missing tables and then compares, the others only compare.
        timeout: Seconds to wait for another worker that creates.

    Raises:
        ConfigurationError: The backend does not have a type, a schema or a numbering of theirs.
        OverloadedError: Another worker held the lock for too long.
        SchemaMismatchError: A mapped table or column is missing or of another kind.
    """
    async with reader.connect() as connection:
        await connection.run_sync(check_places, metadata)
        missing = await connection.run_sync(_missing_tables, metadata)
        creates = bool(missing) and mode == "create"
        differences = [] if creates else await connection.run_sync(_compare, metadata)
    if creates:
        check_columns(writer.dialect, missing)
        await _create(writer, metadata, timeout)
        async with reader.connect() as connection:
            differences = await connection.run_sync(_compare, metadata)
    if differences:
        raise SchemaMismatchError(differences)


async def _create(engine: AsyncEngine, metadata: MetaData, timeout: float) -> None:
    lock = backend_of(engine.dialect).creation_lock
    async with Limit(timeout):
        while True:
            try:
                async with engine.begin() as connection, lock(connection, timeout):
                    await connection.run_sync(_create_missing, metadata)
            except OverloadedError:
                # SQLite's lock is the file's; the worker that holds it is creating.
                continue
            return


def _create_missing(connection: Connection, metadata: MetaData) -> None:
    # Looked for again, with the lock: another worker may have made them meanwhile.
    missing = _missing_tables(connection, metadata)
    metadata.create_all(connection, tables=missing, checkfirst=_NOT_LOOKED_FOR)


def _missing_tables(connection: Connection, metadata: MetaData) -> list[Table]:
    inspector = inspect(connection)
    there: set[Table] = set()
    for schema in _schemas(metadata):
        if schema is None and inspector.default_schema_name is None:
            raise ConfigurationError(_NO_SCHEMA)
        mapped = [table for table in metadata.sorted_tables if table.schema == schema]
        names = {*inspector.get_table_names(schema=schema)}
        there.update(table for table in mapped if table.name in names)
        # Names may be spelled otherwise, or those of views; in a new database there is none.
        others = [table for table in mapped if table not in there]
        if others and (names or inspector.get_view_names(schema=schema)):
            found = inspector.has_multi_table([each.name for each in others], schema=schema)
            there.update(table for table in others if found[schema, table.name])
    return [table for table in metadata.sorted_tables if table not in there]


def _compare(connection: Connection, metadata: MetaData) -> list[str]:
    found = _columns_of(connection, metadata)
    tables = metadata.sorted_tables
    differences = [
        f'Table "{table.fullname}" is missing.' for table in tables if table not in found
    ]
    for table in tables:
        if table in found:
            columns = found[table]
            differences.extend(_compare_columns(table, columns, connection.dialect))
            for message, arguments in backend_of(connection.dialect).warnings_of(table, columns):
                _log.warning(message, *arguments)
    return differences


def _columns_of(connection: Connection, metadata: MetaData) -> dict[Table, list[ReflectedColumn]]:
    """Return the columns of all mapped tables that are there, asked for together."""
    inspector = inspect(connection)
    found = {}
    for schema in _schemas(metadata):
        tables = {each.name: each for each in metadata.sorted_tables if each.schema == schema}
        reflected = inspector.get_multi_columns(
            schema=schema, filter_names=[*tables], kind=ObjectKind.ANY, scope=ObjectScope.ANY
        )
        found.update({tables[name]: columns for (_, name), columns in reflected.items()})
    return found


def _schemas(metadata: MetaData) -> list[str | None]:
    return list(dict.fromkeys(table.schema for table in metadata.sorted_tables))


def _compare_columns(
    table: Table, reflected: list[ReflectedColumn], dialect: Dialect
) -> Iterator[str]:
    found = {column["name"]: column for column in reflected}
    for column in table.columns:
        if column.system:
            continue
        there = found.pop(column.name, None)
        if there is None:
            yield f'Column "{table.fullname}.{column.name}" is missing.'
        elif not _is_same_family(column.type, there["type"], dialect):
            yield (
                f'Column "{table.fullname}.{column.name}" is {there["type"]!r} in the database, '
                f"and mapped as {column.type!r}."
            )
    for name, there in found.items():
        if not (there["nullable"] or there["default"] or there.get("autoincrement") is True):
            yield (
                f'Column "{table.fullname}.{name}" is not mapped, and an INSERT without it fails: '
                "it is NOT NULL and has no default."
            )


def _is_same_family(mapped: TypeEngine[Any], reflected: TypeEngine[Any], dialect: Dialect) -> bool:
    """Compare families of types, as databases spell types in their own ways."""
    if backend_of(dialect).is_stored_otherwise(mapped, reflected):
        return True
    plain: TypeEngine[Any] = mapped.dialect_impl(dialect)
    if isinstance(mapped, types.TypeDecorator):
        plain = mapped.type_engine(dialect)
    families = _family(plain), _family(reflected)
    return None in families or families[0] == families[1]


def _family(kind: TypeEngine[Any]) -> str | None:
    return next((name for name, members in _FAMILIES if isinstance(kind, members)), None)
