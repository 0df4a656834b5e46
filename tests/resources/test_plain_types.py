"""Types that leave values as they are keep no request from the door, whosever they are."""

from __future__ import annotations

import uuid
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Dialect, MetaData
from sqlalchemy.engine import make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlmodel import Field, SQLModel

from ormolu import UTCDateTime, resource
from ormolu.query import is_plain
from tests.resources.twins import twins_of

pytestmark = pytest.mark.anyio

DIALECTS = tuple(make_url(each).get_dialect()() for each in ("sqlite://", "postgresql+asyncpg://"))


class Named(sa.TypeDecorator[str]):
    """Adds a name alone."""

    impl = sa.String
    cache_ok = True


class Loaded(sa.TypeDecorator[Any]):
    """Chooses by the backend."""

    impl = sa.String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Return another type elsewhere."""
        plain = dialect.name == "postgresql"
        return dialect.type_descriptor(sa.Text() if plain else Shouting())


class Outer(sa.TypeDecorator[str]):
    """Stands around a decorator."""

    impl = Named
    cache_ok = True


class Sized(sa.String):
    """A subclass with an `__init__`, and a name that SQLAlchemy does not know."""

    unit = "letters"

    def __init__(self, length: int = 30) -> None:
        """Have a length."""
        super().__init__(length)


class Shouting(sa.String):
    """Reads by code of its own."""

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        """Return what makes text loud."""
        return lambda value: value and value.upper()


class Trimmed(sa.TypeDecorator[str]):
    """Writes by code of its own."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Return text without blanks."""
        return value and value.strip()


class Lowered(sa.String):
    """Is read by SQL of its own."""

    def column_expression(self, column: Any) -> Any:
        """Return the column in small letters."""
        return sa.func.lower(column)


class Compared(Named):
    """Is compared by code of its own."""

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Return the plain type."""
        return sa.String()


class Mixin:
    """Brings code to a type."""

    def bind_processor(self, dialect: Dialect) -> Any:
        """Return what takes text backwards."""
        return lambda value: value and value[::-1]


class Mixed(Mixin, sa.String):
    """Has it from a base that is no type."""


class Opaque(sa.types.UserDefinedType[Any]):
    """Is the driver's."""

    def get_col_spec(self, **_options: Any) -> str:
        """Return SQL."""
        return "TEXT"


PLAIN = [sa.String(), sa.Uuid(), UTCDateTime(), Named(9), Outer(9), Sized(), sa.ARRAY(Sized())]
OWN = [Shouting(), Trimmed(), Lowered(), Compared(), Mixed(), Opaque(), sa.ARRAY(Shouting())]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: each.name)
@pytest.mark.parametrize("type_", [*PLAIN, *OWN], ids=repr)
def test_a_type_is_plain_by_what_it_does(type_: Any, dialect: Dialect) -> None:
    """Neither by its class nor by its module."""
    assert is_plain(type_, dialect) == (type_ in PLAIN)


def test_a_type_is_plain_on_the_backend_where_it_loads_a_plain_one() -> None:
    """A variant is asked for as well."""
    assert [is_plain(Loaded(), dialect) for dialect in DIALECTS] == [False, True]
    variant = sa.String().with_variant(Trimmed(), "postgresql")
    assert [is_plain(variant, dialect) for dialect in DIALECTS] == [True, False]


class Whole(sa.TypeDecorator[int]):
    """A number under another name."""

    impl = sa.BigInteger
    cache_ok = True


class Moment(sa.TypeDecorator[Any]):
    """A day under another name."""

    impl = sa.Date
    cache_ok = True


class Plain(DeclarativeBase):
    """Tables of plain types."""


class Crate(Plain):
    __tablename__ = "crates"
    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    label: Mapped[str] = mapped_column(Named(20))
    content: Mapped[str | None] = mapped_column(Sized())
    is_open: Mapped[bool | None] = mapped_column(sa.Boolean)
    packed: Mapped[date | None] = mapped_column(Moment)


class Sealed(Plain):
    __tablename__ = "seals"
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(Trimmed)


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg")
async def test_plain_types_go_through_the_door(twin_urls: tuple[str, str]) -> None:
    """In every operation; and the rows are the same afterwards."""
    async with twins_of(twin_urls, Plain.metadata, resource(Crate)) as twins:
        await twins.through("POST", "/crates", json={"label": " a\u00e9", "is_open": True})
        await twins.through("POST", "/crates", json={"label": "b", "packed": "2026-01-31"})
        await twins.through("GET", "/crates/2")
        await twins.through("GET", "/crates?sort=-label&limit=1")
        await twins.through("GET", "/crates?label=b")
        await twins.through("PATCH", "/crates/2", json={"content": "c", "packed": None})
        await twins.through("DELETE", "/crates/1")
        await twins.compare(*Plain.metadata.tables.values())


@pytest.mark.backends("asyncpg")
async def test_what_cannot_be_read_is_not_changed_by_the_door(twin_urls: tuple[str, str]) -> None:
    """PostgreSQL's days before the year 1 are none in Python, under whatever name."""
    async with twins_of(twin_urls, Plain.metadata, resource(Crate)) as twins:
        await twins.through("POST", "/crates", json={"label": "a"})
        await twins.execute("UPDATE crates SET packed = '0044-03-15 BC'")
        await twins.past("PATCH", "/crates/1", json={"label": "b"})
        await twins.compare(*Plain.metadata.tables.values())


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg")
async def test_code_of_a_type_goes_through_the_door(twin_urls: tuple[str, str]) -> None:
    """It runs before a row is stored."""
    async with twins_of(twin_urls, Plain.metadata, resource(Sealed)) as twins:
        answer = await twins.through("POST", "/seals", json={"label": " a "})
        assert answer.json()["label"] == "a"
        await twins.through("GET", "/seals/1")


class Lake(SQLModel, table=True):
    metadata = MetaData()
    __tablename__ = "lakes"
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(index=True)
    depth: float | None = None
    is_salty: bool = False


class Fish(SQLModel, table=True):
    metadata = Lake.metadata
    __tablename__ = "fish"
    id: uuid.UUID = Field(default_factory=uuid.uuid4, primary_key=True)
    kind: str = Field(max_length=20)
    seen: date | None = None
    lake_id: int | None = Field(default=None, foreign_key="lakes.id")


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg")
async def test_tables_of_sqlmodel_go_through_the_door(twin_urls: tuple[str, str]) -> None:
    """In every operation, with the defaults of the class and keys of either kind."""
    routers = resource(Lake), resource(Fish, writable={"id"})
    async with twins_of(twin_urls, Lake.metadata, *routers) as twins:
        answer = await twins.through("POST", "/lakes", json={"name": "Garda"})
        assert answer.json()["is_salty"] is False
        await twins.through("PATCH", "/lakes/1", json={"name": "Como", "depth": 1.5})
        key = str(uuid.UUID(int=5))
        await twins.through("POST", "/fish", json={"id": key, "kind": "carp", "lake_id": 1})
        await twins.through("PATCH", f"/fish/{key}", json={"seen": "2026-01-31"})
        for place in ("/lakes", "/lakes/1", "/lakes?name=Como&sort=-name", f"/fish/{key}", "/fish"):
            await twins.through("GET", place)
        await twins.through("DELETE", f"/fish/{key}")
        await twins.compare(*Lake.metadata.tables.values())
