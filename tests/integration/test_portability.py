"""Tables that a backend cannot have are refused before one is made, each with what to write."""

from __future__ import annotations

import logging
import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, Integer, MetaData, Table, inspect, text
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from ormolu import ConfigurationError, Database

pytestmark = pytest.mark.anyio


def table_of(*columns: Any, schema: str | None = None) -> MetaData:
    metadata = MetaData()
    Table("harbour", metadata, *columns, schema=schema)
    return metadata


async def refusal_of(url: str, metadata: MetaData, **options: Any) -> str:
    """Start, which must fail, and return what the error says; no table is there after it."""
    db = Database(url, metadata=metadata, **options)
    with pytest.raises(ConfigurationError) as caught:
        await db.open()
    async with Database(url, metadata=MetaData()) as empty, empty.engine.connect() as connection:
        assert await connection.run_sync(lambda sync: inspect(sync).get_table_names()) == []
    return str(caught.value)


POSTGRESQL_TYPES = [
    postgresql.ARRAY(Integer), sa.ARRAY(sa.String), postgresql.INET(), postgresql.TSVECTOR(),
    postgresql.HSTORE(), postgresql.INT8RANGE(), postgresql.BYTEA(), postgresql.CITEXT(),
    postgresql.BIT(3),
]  # fmt: skip


@pytest.mark.backends("sqlite", "mariadb")
@pytest.mark.parametrize("type_", POSTGRESQL_TYPES, ids=lambda each: type(each).__name__)
async def test_types_of_postgresql_are_refused_elsewhere(database_url: str, type_: Any) -> None:
    """By table, column and type; the line to write keeps PostgreSQL's."""
    metadata = table_of(Column("id", Integer, primary_key=True), Column("ships", type_))
    message = await refusal_of(database_url, metadata)
    assert 'Column "harbour.ships": ' in message
    assert f"does not have the type {type_!r}" in message
    assert f'.with_variant({type_!r}, "postgresql"))' in message


@pytest.mark.backends("sqlite", "asyncpg")
@pytest.mark.parametrize("type_", [mysql.LONGTEXT(), mysql.TINYINT(), mysql.YEAR()])
async def test_types_of_mysql_are_refused_elsewhere(database_url: str, type_: Any) -> None:
    """Alike."""
    metadata = table_of(Column("id", Integer, primary_key=True), Column("ships", type_))
    assert f'.with_variant({type_!r}, "mysql"))' in await refusal_of(database_url, metadata)


STANDARD_TYPES = [
    sa.BINARY(16), sa.VARBINARY(20), sa.BLOB(), sa.DATETIME(), sa.NVARCHAR(9), sa.DOUBLE(),
]  # fmt: skip


@pytest.mark.backends("asyncpg", "psycopg")
@pytest.mark.parametrize("type_", STANDARD_TYPES, ids=lambda each: type(each).__name__)
async def test_standard_names_that_postgresql_lacks_are_refused(
    database_url: str, type_: Any
) -> None:
    """SQLAlchemy writes them as they are, and PostgreSQL's error names no column."""
    metadata = table_of(Column("id", Integer, primary_key=True), Column("ships", type_))
    message = await refusal_of(database_url, metadata)
    assert f'Column "harbour.ships": PostgreSQL does not have the type {type_!r}. Write' in message


@pytest.mark.backends("mariadb")
@pytest.mark.parametrize("type_", [sa.LargeBinary(16), sa.LargeBinary(), sa.Text()])
async def test_primary_keys_of_any_length_are_refused_on_mysql(
    database_url: str, type_: Any
) -> None:
    """Its own error says nothing of what to write; other columns may be so."""
    log = Column("log", sa.Text, unique=True)
    metadata = table_of(Column("ships", type_, primary_key=True), log)
    message = await refusal_of(database_url, metadata)
    assert 'Column "harbour.ships" is of any length, and MariaDB has no such' in message
    assert "log" not in message


async def test_a_column_without_a_type_is_refused(database_url: str) -> None:
    """In SQLAlchemy's words, with the place."""
    metadata = table_of(Column("id", Integer, primary_key=True), Column("ships"))
    assert 'Column "harbour.ships": ' in await refusal_of(database_url, metadata)


@pytest.mark.backends("mariadb")
async def test_named_enums_of_postgresql_are_refused_elsewhere(database_url: str) -> None:
    """MySQL has enums of its own, without a name."""
    kind = postgresql.ENUM("tug", "ferry", name="kind")
    metadata = table_of(Column("id", Integer, primary_key=True), Column("kind", kind))
    assert 'Column "harbour.kind": ' in await refusal_of(database_url, metadata)


@pytest.mark.parametrize("schema", ["create", "verify"])
async def test_a_missing_schema_is_named(database_url: str, schema: str) -> None:
    """SQLite has none, and elsewhere somebody has to make it."""
    metadata = table_of(Column("id", Integer, primary_key=True), schema="Port side")
    message = await refusal_of(database_url, metadata, schema=schema)
    assert 'Table "Port side.harbour" is in the schema "Port side".' in message
    assert ("SQLite has no schemas" in message) == database_url.startswith("sqlite")
    assert ("Run: CREATE " in message) != database_url.startswith("sqlite")


@pytest.mark.backends("asyncpg", "psycopg")
async def test_tables_in_a_schema_that_is_there_are_made(database_url: str) -> None:
    """And found again."""
    metadata = table_of(Column("id", Integer, primary_key=True), schema="port")
    async with Database(database_url, metadata=MetaData()) as db, db.engine.begin() as connection:
        await connection.execute(text("CREATE SCHEMA port"))
    for _ in range(2):
        async with Database(database_url, metadata=metadata) as db:
            await db.ping()


@pytest.mark.backends("sqlite", "mariadb")
async def test_system_columns_are_refused_elsewhere(database_url: str) -> None:
    """Only PostgreSQL has them."""
    column = Column("xmin", Integer, system=True)
    message = await refusal_of(
        database_url, table_of(Column("id", Integer, primary_key=True), column)
    )
    assert 'Column "harbour.xmin" is a system column' in message


@pytest.mark.backends("sqlite")
async def test_what_sqlite_would_not_number_is_refused(database_url: str) -> None:
    """One part of a key, and what is no key."""
    metadata = table_of(
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("pier", Integer, primary_key=True),
        Column("berth", Integer, sa.Identity()),
        Column("crane", Integer, sa.Sequence("cranes")),
    )
    message = await refusal_of(database_url, metadata)
    assert 'Column "harbour.id" is one part of a key and numbered' in message
    assert 'Column "harbour.berth" has Identity()' in message
    assert 'Column "harbour.crane" has Sequence()' in message


@pytest.mark.backends("asyncpg", "psycopg", "mariadb")
async def test_ddl_that_the_database_refuses_keeps_its_words(database_url: str) -> None:
    """There is no row in it, and so no value."""
    metadata = table_of(Column("id", Integer, primary_key=True), Column("log", sa.CLOB()))
    with pytest.raises(DBAPIError, match=r"(?i)clob"):
        await Database(database_url, metadata=metadata).open()


UUIDS = [sa.UUID(), postgresql.UUID(), sa.UUID(as_uuid=False), sa.Uuid()]


async def column_type(connection: AsyncConnection, name: str) -> str:
    found = await connection.execute(text("SELECT sql FROM sqlite_master WHERE type = 'table'"))
    line = next(each for each in found.scalar_one().splitlines() if name in each)
    return str(line)


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize("driver", ["ormolu", "aiosqlite"])
@pytest.mark.parametrize("type_", UUIDS, ids=repr)
async def test_uuids_stay_text_on_sqlite(database_url: str, driver: str, type_: Any) -> None:
    """Even those whose digits read as a number; and the tables are verified after that."""
    url = database_url.replace("sqlite:", f"sqlite+{driver}:")
    metadata = table_of(Column("id", type_, primary_key=True))
    numbers = [uuid.UUID(int=7), uuid.UUID("1e500000000000000000000000000000")]
    values = numbers if getattr(type_, "as_uuid", True) else [str(each) for each in numbers]
    harbour = metadata.tables["harbour"]
    async with Database(url, metadata=metadata) as db, db.unit_of_work() as session:
        await session.execute(harbour.insert(), [{"id": each} for each in values])
        assert list(await session.scalars(sa.select(harbour.c.id).order_by(harbour.c.id))) == values
        found = sa.select(harbour.c.id).where(harbour.c.id == values[1])
        assert (await session.scalar(found)) == values[1]
    async with Database(url, metadata=metadata, schema="verify") as db:
        await db.ping()


@pytest.mark.backends("sqlite")
async def test_tables_of_plain_sqlalchemy_are_taken_with_a_warning(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its UUID is a number to SQLite, and its BIGINT is not counted."""
    metadata = table_of(
        Column("id", sa.BigInteger, primary_key=True), Column("code", sa.UUID, nullable=True)
    )
    engine = create_async_engine(database_url.replace("sqlite:", "sqlite+aiosqlite:"))
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()
    with caplog.at_level(logging.WARNING, "ormolu"):
        async with Database(database_url, metadata=metadata, schema="verify"):
            pass
    assert 'Column "harbour.id" is BIGINT() in the database' in caplog.text
    assert 'Column "harbour.code" is UUID in the database' in caplog.text
