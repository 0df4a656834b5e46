"""Tables before the first query: made, compared, or left alone."""

from __future__ import annotations

import enum
import uuid
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    inspect,
    select,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlmodel import Field, SQLModel

from ormolu import Database, Model, SchemaMismatchError


class Colour(enum.Enum):
    """An enumeration for a column."""

    RED = "red"


class Base(Model):
    __abstract__ = True
    metadata = MetaData()


class Zoo(Base):
    __tablename__ = "zoo"
    id: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str]
    prose: Mapped[str] = mapped_column(Text)
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    ratio: Mapped[float]
    flag: Mapped[bool]
    instant: Mapped[datetime]
    day: Mapped[date]
    hour: Mapped[time]
    length: Mapped[timedelta]
    colour: Mapped[Colour]
    key: Mapped[uuid.UUID]
    blob: Mapped[bytes] = mapped_column(LargeBinary)
    thing: Mapped[dict[str, Any]]


class Plain(DeclarativeBase):
    pass


class Row(Plain):
    __tablename__ = "plain_rows"
    id: Mapped[int] = mapped_column(primary_key=True)


class Hero(SQLModel, table=True):
    __tablename__ = "heroes"
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=50)


def users_table(metadata: MetaData, *columns: Column[Any]) -> Table:
    """Return a table `users` with an id and more columns."""
    return Table("users", metadata, Column("id", Integer, primary_key=True), *columns)


async def test_create_makes_what_is_missing(database_url: str) -> None:
    """Opening makes the tables; opening again finds them."""
    metadata = MetaData()
    users_table(metadata, Column("name", String(50), index=True))
    for _ in range(2):
        async with Database(database_url, metadata=metadata) as db, db.engine.connect() as c:
            assert await c.run_sync(lambda sync: inspect(sync).get_table_names()) == ["users"]


async def test_create_adds_a_table_beside_others(database_url: str) -> None:
    """A new model's table is made beside those that are there."""
    first, second = MetaData(), MetaData()
    users_table(first)
    users_table(second)
    Table("orders", second, Column("id", Integer, primary_key=True))
    async with Database(database_url, metadata=first):
        pass
    async with Database(database_url, metadata=second) as db, db.engine.connect() as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    assert sorted(names) == ["orders", "users"]


@pytest.mark.parametrize("mode", ["create", "verify"])
async def test_differences_are_listed(mode: Any, database_url: str) -> None:
    """Starting is refused with every difference, and with what to do."""
    there, mapped = MetaData(), MetaData()
    users_table(
        there,
        Column("age", String(10)),
        Column("email", String(50), nullable=False),
        Column("harmless", String(50)),
        Column("defaulted", Integer, nullable=False, server_default="1"),
    )
    users_table(mapped, Column("name", String(50)), Column("age", Integer))
    async with Database(database_url, metadata=there):
        pass
    with pytest.raises(SchemaMismatchError) as error:
        await Database(database_url, metadata=mapped, schema=mode).open()
    differences = "\n".join(error.value.differences)
    assert len(error.value.differences) == 3, differences
    assert '"users.name" is missing' in differences
    assert '"users.age" is' in differences
    assert '"users.email" is not mapped' in differences
    assert 'schema="ignore"' in str(error.value)


async def test_verify_names_a_missing_table(database_url: str) -> None:
    """A table that is not there is a difference, and nothing is made."""
    metadata = MetaData()
    users_table(metadata)
    for _ in range(2):
        with pytest.raises(SchemaMismatchError, match='Table "users" is missing'):
            await Database(database_url, metadata=metadata, schema="verify").open()


async def test_ignore_does_not_look(database_url: str) -> None:
    """Nothing is made and nothing is compared."""
    metadata = MetaData()
    users_table(metadata)
    ignoring = Database(database_url, metadata=metadata, schema="ignore")
    async with ignoring as db, db.engine.connect() as connection:
        assert await connection.run_sync(lambda sync: inspect(sync).get_table_names()) == []


async def test_every_common_type_compares_equal(database_url: str) -> None:
    """No type that SQLAlchemy makes is taken for another one."""

    async with Database(database_url, metadata=Base.metadata):
        pass
    verifying = Database(database_url, metadata=Base.metadata, schema="verify")
    async with verifying as db, db.unit_of_work(read_only=True) as session:
        assert (await session.scalars(select(Zoo))).all() == []


async def test_other_bases_work(database_url: str) -> None:
    """A plain declarative base and SQLModel are mapped tables like any other."""

    async with Database(database_url, metadata=Plain.metadata) as db, db.unit_of_work() as session:
        session.add(Row())
    async with Database(database_url, metadata=SQLModel.metadata) as db:
        async with db.unit_of_work() as session:
            session.add(Hero(name="Ann"))
        async with db.unit_of_work(read_only=True) as session:
            assert (await session.get_one(Hero, 1)).name == "Ann"


@pytest.mark.backends("asyncpg", "psycopg")
async def test_schema_of_a_table_is_respected(database_url: str) -> None:
    """A table in a schema of its own is made and found there."""
    metadata = MetaData()
    Table("t", metadata, Column("id", Integer, primary_key=True), schema="other")
    async with Database(database_url, metadata=MetaData()) as db, db.unit_of_work() as session:
        await session.execute(text("CREATE SCHEMA other"))
    for mode in ("create", "verify"):
        async with Database(database_url, metadata=metadata, schema=mode):
            pass
