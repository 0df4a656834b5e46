"""The tables that the models map: made if missing, or compared with what is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from sqlalchemy import Connection, MetaData, Table, inspect, text, types
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.types import TypeEngine

from ormolu.errors import OverloadedError, SchemaMismatchError

__all__ = ["SchemaMode", "prepare_schema"]

SchemaMode = Literal["create", "verify", "ignore"]

_LOCK_NAME = "ormolu:create"
_LOCK_KEY = 0x6F726D6F6C75  # "ormolu"

# Types that a database may swap for each other without harm are in one family.
_FAMILIES: tuple[tuple[str, tuple[type[TypeEngine[Any]], ...]], ...] = (
    ("number", (types.Integer, types.Numeric, types.Boolean)),
    ("text", (types.String, types.JSON, types.Uuid)),
    ("time", (types.DateTime, types.Date, types.Time, types.Interval)),
    ("bytes", (types.LargeBinary,)),
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
        mode: "create" makes missing tables and then compares, "verify" only compares.
        timeout: Seconds to wait for another worker that creates.

    Raises:
        OverloadedError: Another worker held the lock for too long.
        SchemaMismatchError: A mapped table or column is missing or of another kind.
    """
    if mode == "create":
        async with reader.connect() as connection:
            missing = await connection.run_sync(_missing_tables, metadata)
        if missing:
            await _create(writer, metadata, timeout)
    async with reader.connect() as connection:
        differences = await connection.run_sync(_compare, metadata)
    if differences:
        raise SchemaMismatchError(differences)


async def _create(engine: AsyncEngine, metadata: MetaData, timeout: float) -> None:
    async with asyncio.timeout(timeout):
        while True:
            try:
                async with engine.begin() as connection, _creation_lock(connection, timeout):
                    await connection.run_sync(metadata.create_all)
            except OverloadedError:
                # SQLite's lock is the file's; the worker that holds it is creating.
                continue
            return


@asynccontextmanager
async def _creation_lock(connection: AsyncConnection, timeout: float) -> AsyncIterator[None]:
    """Hold the lock that only one worker gets; SQLite's BEGIN IMMEDIATE is it already."""
    backend = connection.dialect.name
    if backend == "postgresql":
        await connection.execute(text(f"SET LOCAL lock_timeout = {round(timeout * 1000)}"))
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        yield
    elif backend in {"mysql", "mariadb"}:
        lock = {"name": _LOCK_NAME, "timeout": round(timeout)}
        await connection.execute(text("SELECT GET_LOCK(:name, :timeout)"), lock)
        try:
            yield
        finally:
            await connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": _LOCK_NAME})
    else:
        yield


def _missing_tables(connection: Connection, metadata: MetaData) -> list[Table]:
    inspector = inspect(connection)
    return [
        table
        for table in metadata.sorted_tables
        if not inspector.has_table(table.name, schema=table.schema)
    ]


def _compare(connection: Connection, metadata: MetaData) -> list[str]:
    missing = _missing_tables(connection, metadata)
    differences = [f'Table "{table.fullname}" is missing.' for table in missing]
    inspector = inspect(connection)
    for table in metadata.sorted_tables:
        if table not in missing:
            columns = inspector.get_columns(table.name, schema=table.schema)
            differences.extend(_compare_columns(table, columns))
    return differences


def _compare_columns(table: Table, reflected: list[ReflectedColumn]) -> Iterator[str]:
    found = {column["name"]: column for column in reflected}
    for column in table.columns:
        there = found.pop(column.name, None)
        if there is None:
            yield f'Column "{table.fullname}.{column.name}" is missing.'
        elif not _is_same_family(column.type, there["type"]):
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


def _is_same_family(mapped: TypeEngine[Any], reflected: TypeEngine[Any]) -> bool:
    """Compare families of types, as databases spell types in their own ways."""
    if isinstance(mapped, types.TypeDecorator):
        mapped = mapped.impl_instance
    families = _family(mapped), _family(reflected)
    return None in families or families[0] == families[1]


def _family(kind: TypeEngine[Any]) -> str | None:
    return next((name for name, members in _FAMILIES if isinstance(kind, members)), None)
