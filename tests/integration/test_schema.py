"""create, verify and ignore: what a start makes of the tables that it finds."""

from __future__ import annotations

import enum
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Double,
    Enum,
    Float,
    ForeignKey,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    Unicode,
    UniqueConstraint,
    Uuid,
    inspect,
    select,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column
from sqlalchemy.pool import NullPool
from sqlmodel import Field, SQLModel
from sqlmodel import select as sqlmodel_select

from ormolu import Database, Model, SchemaMismatchError
from tests.fixtures.apps import client_of
from tests.integration.notes import make_app, make_database


async def execute(url: str, *statements: str) -> None:
    """Execute statements on a connection that is none of ours."""
    engine = create_async_engine(url.replace("sqlite:", "sqlite+ormolu:"), poolclass=NullPool)
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()


async def tables_in(url: str) -> list[str]:
    """Return the names of the tables."""
    engine = create_async_engine(url.replace("sqlite:", "sqlite+ormolu:"), poolclass=NullPool)
    async with engine.connect() as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    await engine.dispose()
    return names


async def differences_of(db: Database) -> list[str]:
    """Start, which must fail, and return what the error lists."""
    with pytest.raises(SchemaMismatchError) as caught:
        await db.open()
    for difference in caught.value.differences:
        assert difference in str(caught.value)
    assert "Migrate the database" in str(caught.value)
    return caught.value.differences


async def test_create_makes_what_is_missing_and_keeps_the_rest(database_url: str) -> None:
    """The first start makes the tables, and every later one changes nothing."""
    for expected in (["a"], ["a", "a"]):
        async with client_of(make_app(make_database(database_url))) as client:
            assert (await client.post("/notes?text=a")).status_code == 201
            assert (await client.get("/notes")).json() == expected
    assert await tables_in(database_url) == ["notes"]


async def test_verify_only_looks(database_url: str) -> None:
    """verify names each missing table and makes none; once they are there it starts."""
    differences = await differences_of(make_database(database_url, schema="verify"))
    assert differences == ['Table "notes" is missing.']
    assert await tables_in(database_url) == []
    async with make_database(database_url):
        pass
    async with make_database(database_url, schema="verify") as db:
        await db.ping()


@pytest.mark.backends("asyncpg")
@pytest.mark.parametrize("is_new", [True, False])
async def test_tables_are_looked_for_together(database_url: str, *, is_new: bool) -> None:
    """A start with ten tables asks as often as one with two."""
    counts = []
    for count in (2, 10):
        metadata = MetaData()
        for index in range(count):
            Table(f"table{count}_{index}", metadata, Column("id", Integer, primary_key=True))
        if not is_new:
            async with Database(database_url, metadata=metadata):
                pass
        db, asked = Database(database_url, metadata=metadata), []

        @db.listens_for("before_cursor_execute")
        def hear(_connection: Any, _cursor: Any, text: str, *_: Any) -> None:
            asked.append(text)  # noqa: B023 -- heard within this round

        async with db:
            counts.append(len([each for each in asked if "CREATE TABLE" not in each]))
    assert counts[0] == counts[1] > 0, asked


async def test_ignore_does_not_look(database_url: str) -> None:
    """ignore starts on an empty database, and the first request says that a table is missing."""
    async with client_of(make_app(make_database(database_url, schema="ignore"))) as client:
        assert (await client.get("/notes")).status_code == 500
        assert (await client.get("/readyz")).status_code == 200
    assert await tables_in(database_url) == []


COLUMNS = {
    "missing column": ("id INTEGER PRIMARY KEY", 'Column "notes.text" is missing.'),
    "other kind": ("id INTEGER PRIMARY KEY, text INTEGER NOT NULL", 'Column "notes.text" is '),
    "unmapped": (
        "id INTEGER PRIMARY KEY, text VARCHAR(255) NOT NULL, author VARCHAR(9) NOT NULL",
        'Column "notes.author" is not mapped',
    ),
}


@pytest.mark.parametrize("schema", ["create", "verify"])
@pytest.mark.parametrize("case", COLUMNS)
async def test_differing_column_refuses_to_start(database_url: str, case: str, schema: str) -> None:
    """A column that is missing, of another kind, or in the way of each INSERT is listed."""
    columns, expected = COLUMNS[case]
    await execute(database_url, f"CREATE TABLE notes ({columns})")
    differences = await differences_of(make_database(database_url, schema=schema))
    assert [difference.startswith(expected) for difference in differences] == [True]


@pytest.mark.parametrize("author", ["VARCHAR(9)", "VARCHAR(9) DEFAULT 'me' NOT NULL"])
async def test_harmless_columns_start(database_url: str, author: str) -> None:
    """An unmapped column that an INSERT may leave out harms nobody."""
    key = "id INTEGER PRIMARY KEY"
    await execute(database_url, f"CREATE TABLE notes ({key}, text VARCHAR(99), author {author})")
    async with make_database(database_url, schema="verify") as db:
        await db.ping()


async def test_create_never_alters_a_table(database_url: str) -> None:
    """A model that got a column since the first start refuses the second one, and says why."""

    class First(DeclarativeBase):
        pass

    class Second(DeclarativeBase):
        pass

    Table("plants", First.metadata, *_columns("id"))
    Table("plants", Second.metadata, *_columns("id", "height", "width"))
    async with Database(database_url, metadata=First.metadata):
        pass
    differences = await differences_of(Database(database_url, metadata=Second.metadata))
    assert differences == [
        'Column "plants.height" is missing.',
        'Column "plants.width" is missing.',
    ]


def _columns(key: str, *names: str) -> list[Any]:
    return [Column(key, Integer, primary_key=True), *[Column(name, Integer) for name in names]]


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Zoo(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Keeper(Zoo):
    __tablename__ = "keepers"
    __table_args__ = (UniqueConstraint("name"), CheckConstraint("name <> ''", name="named"))

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str]


class Animal(Zoo):
    """Every common type, as one writes it in a `Mapped`, or as a type of SQLAlchemy's."""

    __tablename__ = "animals"

    id: Mapped[int] = mapped_column(primary_key=True)
    keeper_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("keepers.id"))
    whole: Mapped[int]
    big: Mapped[int] = mapped_column(BigInteger)
    small: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[str]
    code: Mapped[str] = mapped_column(String(3))
    label: Mapped[str] = mapped_column(Unicode(20))
    story: Mapped[str] = mapped_column(Text)
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    ratio: Mapped[float]
    weight: Mapped[float] = mapped_column(Float(24))
    length: Mapped[float] = mapped_column(Double)
    is_tame: Mapped[bool]
    is_shy: Mapped[bool] = mapped_column(Boolean(create_constraint=True, name="shy"))
    born: Mapped[datetime]
    local: Mapped[datetime] = mapped_column(DateTime(timezone=False))
    day: Mapped[date]
    hour: Mapped[time]
    precise: Mapped[time] = mapped_column(Time(timezone=False))
    age: Mapped[timedelta]
    span: Mapped[timedelta] = mapped_column(Interval(native=False))
    colour: Mapped[Colour]
    shade: Mapped[Colour] = mapped_column(Enum(Colour, native_enum=False, length=10))
    tags: Mapped[list[Any]]
    extra: Mapped[dict[str, Any]]
    raw: Mapped[Any] = mapped_column(JSON)
    token: Mapped[uuid.UUID]
    hexed: Mapped[uuid.UUID] = mapped_column(Uuid(native_uuid=False))
    picture: Mapped[bytes]
    blob: Mapped[bytes] = mapped_column(LargeBinary(100))
    double: Mapped[int] = mapped_column(Computed("whole * 2"))
    nickname: Mapped[str | None]
    made: Mapped[int] = mapped_column(server_default="7")


class Cage(MappedAsDataclass, Zoo):
    __tablename__ = "cages"

    row: Mapped[int] = mapped_column(primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)
    width: Mapped[int] = mapped_column(default=3)


NOON = datetime(2026, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)

VALUES: dict[str, Any] = {
    "whole": 1000,
    "big": 2**63 - 1,
    "small": -(2**15),
    "name": "Ünï",
    "code": "abc",
    "label": "😀",
    "story": "s" * 10_000,
    "price": Decimal("12345678.90"),
    "ratio": 0.5,
    "weight": 0.25,
    "length": 1e100,
    "is_tame": True,
    "is_shy": False,
    "born": NOON,
    "local": datetime(2026, 1, 2, 3, 4, 5),
    "day": date(2026, 1, 2),
    "hour": time(1, 2, 3),
    "precise": time(23, 59, 59),
    "age": timedelta(days=3, seconds=5),
    "span": timedelta(hours=1),
    "colour": Colour.RED,
    "shade": Colour.BLUE,
    "tags": [1, "two", None],
    "extra": {"a": {"b": [1.5]}},
    "raw": "text",
    "token": uuid.UUID(int=1),
    "hexed": uuid.UUID(int=2),
    "picture": b"\x00\xff",
    "blob": b"b",
}


@pytest.mark.parametrize("schema", ["create", "verify"])
async def test_zoo_of_types_raises_no_false_alarm(database_url: str, schema: Any) -> None:
    """Tables that we made ourselves match, whatever types they have."""
    async with Database(database_url, metadata=Zoo.metadata):
        pass
    async with Database(database_url, metadata=Zoo.metadata, schema=schema) as db:
        await db.ping()


async def test_zoo_of_types_keeps_its_values(database_url: str) -> None:
    """Every value comes back equal, and what the database makes is there after the flush."""
    async with Database(database_url, metadata=Zoo.metadata) as db:
        async with db.unit_of_work() as session:
            animal = Animal(**VALUES)
            session.add(animal)
            await session.flush()
            assert (animal.double, animal.made, animal.nickname) == (2000, 7, None)
        async with db.unit_of_work(read_only=True) as session:
            found = (await session.scalars(select(Animal))).one()
            assert {key: getattr(found, key) for key in VALUES} == VALUES


class Native(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Bird(Native):
    """Types that only PostgreSQL has."""

    __tablename__ = "birds"

    id: Mapped[int] = mapped_column(primary_key=True)
    numbers: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    words: Mapped[list[str]] = mapped_column(postgresql.ARRAY(String))
    grid: Mapped[list[list[int]]] = mapped_column(ARRAY(Integer, dimensions=2))
    document: Mapped[dict[str, Any]] = mapped_column(postgresql.JSONB)
    address: Mapped[Any] = mapped_column(postgresql.INET)
    cell: Mapped[Any] = mapped_column(postgresql.CIDR)
    bits: Mapped[Any] = mapped_column(postgresql.BIT(3), nullable=True)
    pairs: Mapped[Any] = mapped_column(postgresql.INT4RANGE)
    terms: Mapped[Any] = mapped_column(postgresql.TSVECTOR, nullable=True)
    amount: Mapped[Any] = mapped_column(postgresql.MONEY, nullable=True)
    moods: Mapped[list[Colour]] = mapped_column(ARRAY(Enum(Colour, name="mood")))


@pytest.mark.backends("asyncpg", "psycopg")
async def test_native_types_raise_no_false_alarm(database_url: str) -> None:
    """Arrays, documents, networks and ranges match what PostgreSQL made of them."""
    for schema in ("create", "create", "verify"):
        async with Database(database_url, metadata=Native.metadata, schema=schema) as db:
            await db.ping()


class Plain(DeclarativeBase):
    """A declarative base that knows nothing of Ormolu."""


class Tree(Plain):
    __tablename__ = "trees"

    id: Mapped[int] = mapped_column(primary_key=True)
    height: Mapped[int]


class Hero(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(index=True, max_length=50)
    age: int | None = None


async def test_other_declarative_base(database_url: str) -> None:
    """An ordinary base of SQLAlchemy's is created, verified and used."""
    for schema in ("create", "verify"):
        db = Database(database_url, metadata=Plain.metadata, schema=schema)
        async with db, db.unit_of_work() as session:
            session.add(Tree(height=3))
    assert await tables_in(database_url) == ["trees"]


async def test_sqlmodel(database_url: str) -> None:
    """SQLModel's tables are created, verified and used."""
    for schema in ("create", "verify"):
        async with Database(database_url, metadata=SQLModel.metadata, schema=schema) as db:
            async with db.unit_of_work() as session:
                session.add(Hero(name="Ann"))
            async with db.unit_of_work(read_only=True) as session:
                heroes = (await session.scalars(sqlmodel_select(Hero))).all()
    assert [hero.name for hero in heroes] == ["Ann", "Ann"]
    assert "hero" in await tables_in(database_url)


@pytest.mark.backends("asyncpg", "psycopg")
async def test_tables_in_schemas(database_url: str) -> None:
    """Tables of one name in two schemas are told apart; each is created and verified."""
    metadata = MetaData()
    Table("plants", metadata, *_columns("id"), schema="garden")
    Table("plants", metadata, *_columns("id", "height"), schema="forest")
    await execute(database_url, "CREATE SCHEMA garden", "CREATE SCHEMA forest")
    for schema in ("create", "verify"):
        async with Database(database_url, metadata=metadata, schema=schema) as db:
            await db.ping()
    await execute(database_url, "ALTER TABLE forest.plants DROP COLUMN height")
    differences = await differences_of(Database(database_url, metadata=metadata))
    assert differences == ['Column "forest.plants.height" is missing.']


async def test_views_stand_for_tables(database_url: str) -> None:
    """A view that has the mapped columns is as good as a table."""
    await execute(
        database_url,
        "CREATE TABLE stored (id INTEGER PRIMARY KEY, text VARCHAR(99) NOT NULL)",
        "CREATE VIEW notes AS SELECT id, text FROM stored",
    )
    for schema in ("create", "verify"):
        async with make_database(database_url, schema=schema) as db:
            await db.ping()
