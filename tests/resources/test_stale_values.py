"""Rows with a value that its type no longer knows take no list down, and can be changed."""

from __future__ import annotations

import enum
import uuid
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException
from sqlalchemy import (
    JSON,
    Dialect,
    Enum,
    ForeignKey,
    Integer,
    MetaData,
    PickleType,
    String,
    event,
)
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, validates
from sqlalchemy.types import TypeDecorator

from ormolu import ConfigurationError, Database, Model, RefusedError, resource
from tests.fixtures.apps import client_of
from tests.resources.twins import twins_of

pytestmark = pytest.mark.anyio


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Hex(TypeDecorator[uuid.UUID]):
    """Reads nothing but UUIDs."""

    impl = String(36)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else str(uuid.UUID(str(value)))

    def process_result_value(self, value: Any, dialect: Dialect) -> uuid.UUID | None:
        return None if value is None else uuid.UUID(value)


class Rank(TypeDecorator[Colour]):
    impl = Integer
    # SQLAlchemy may keep no statement by it.
    cache_ok = False

    def process_bind_param(self, value: Any, dialect: Dialect) -> int | None:
        return None if value is None else list(Colour).index(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Colour | None:
        return None if value is None else list(Colour)[value]


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


NAMES = Enum(Colour, native_enum=False, length=10)


class Paint(Base):
    __tablename__ = "paints"
    colour: Mapped[Colour] = mapped_column(NAMES, primary_key=True)
    size: Mapped[int | None]
    pots: Mapped[list[Pot]] = relationship(back_populates="paint")


class Pot(Base):
    __tablename__ = "pots"
    id: Mapped[int] = mapped_column(primary_key=True)
    colour: Mapped[Colour] = mapped_column(NAMES, ForeignKey("paints.colour"))
    rank: Mapped[Colour | None] = mapped_column(Rank)
    size: Mapped[int | None]
    paint: Mapped[Paint] = relationship(back_populates="pots")


class Watched(Base):
    """Written by the ORM, which reads the whole row first."""

    __tablename__ = "watched"
    id: Mapped[int] = mapped_column(primary_key=True)
    colour: Mapped[Colour] = mapped_column(NAMES)
    rank: Mapped[Colour | None] = mapped_column(Rank)
    size: Mapped[int | None]

    @validates("size")
    def check(self, _name: str, value: Any) -> Any:
        return value


class Ticket(Base):
    __tablename__ = "tickets"
    id: Mapped[uuid.UUID] = mapped_column(Hex, primary_key=True)
    size: Mapped[int | None]
    stubs: Mapped[list[Stub]] = relationship()


class Stub(Base):
    __tablename__ = "stubs"
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[uuid.UUID | None] = mapped_column(Hex, ForeignKey("tickets.id"))


pots = resource(Pot, includes={"paint"})
paints = resource(Paint, writable={"colour"}, includes={"pots": pots})
ROUTERS = (pots, paints, resource(Watched), resource(Ticket, includes={"stubs"}))
ROWS = (
    "INSERT INTO paints (colour, size) VALUES ('RED', 1), ('OLD', 2)",
    "INSERT INTO pots (id, colour, rank, size) VALUES (1, 'RED', 0, 1), (2, 'OLD', 7, 2)",
    "INSERT INTO watched (id, colour, rank, size) VALUES (1, 'RED', 0, 1), (2, 'OLD', 7, 2)",
    "INSERT INTO tickets (id, size) VALUES ('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 1), "
    "('no', 2), ('not', 3)",
    "INSERT INTO stubs (id, ticket_id) VALUES (1, '6ba7b810-9dad-11d1-80b4-00c04fd430c8'), "
    "(2, 'no'), (3, 'not')",
)
OLD_POT = {"id": 2, "colour": "OLD", "rank": None, "size": 2}


def quoted(statement: str, url: str) -> str:
    # A word of MariaDB's.
    return statement.replace("rank", "`rank`") if "mariadb" in url else statement


@pytest.mark.long
async def test_rows_of_yesterday_are_listed(twin_urls: tuple[str, str]) -> None:
    """By door and session alike: an enumeration as it is stored, what a decorator reads as null."""
    async with twins_of(twin_urls, Base.metadata, *ROUTERS) as twins:
        await twins.execute(*(quoted(each, twin_urls[0]) for each in ROWS))
        listed = (await twins.send("GET", "/pots")).json()["items"]
        assert listed[1] == OLD_POT
        assert (await twins.send("GET", "/pots/2")).json() == OLD_POT
        included = (await twins.send("GET", "/paints?include=pots")).json()["items"]
        assert {each["colour"]: len(each["pots"]) for each in included} == {"red": 1, "OLD": 1}
        joined = (await twins.send("GET", "/pots?include=paint")).json()["items"]
        assert [each["paint"]["colour"] for each in joined] == ["red", "OLD"]
        for query in ("", "?sort=-size", "?limit=2", "?fields=size"):
            page = await twins.send("GET", f"/tickets{query}")
            assert page.status_code == 200, page.text
        whole = (await twins.send("GET", "/tickets?sort=size&include=stubs")).json()["items"]
        assert [(each["size"], len(each["stubs"])) for each in whole] == [(1, 1), (2, 1), (3, 1)]
        assert [each["id"] is None for each in whole] == [False, True, True]


@pytest.mark.long
async def test_rows_of_yesterday_are_changed(twin_urls: tuple[str, str]) -> None:
    """What is not read stays, or gets a value that is known."""
    async with twins_of(twin_urls, Base.metadata, *ROUTERS) as twins:
        await twins.execute(*(quoted(each, twin_urls[0]) for each in ROWS))
        for path in ("/pots/2", "/watched/2"):
            changed = await twins.send("PATCH", path, json={"size": 9})
            assert (changed.status_code, changed.json()) == (200, {**OLD_POT, "size": 9})
            known = {"colour": "red", "rank": "blue"} if path == "/watched/2" else {"rank": "blue"}
            mended = await twins.send("PATCH", path, json=known)
            assert mended.json() == {**OLD_POT, "size": 9, **known}, mended.text
        assert (await twins.send("DELETE", "/watched/2")).status_code == 204


@pytest.mark.parametrize(
    "type_",
    [
        postgresql.ARRAY(Integer), postgresql.JSONB, postgresql.HSTORE, JSON, PickleType,
        postgresql.INT4MULTIRANGE, mysql.SET("a", "b"),
    ],
)  # fmt: skip
def test_keys_that_python_cannot_tell_apart_are_refused(type_: Any) -> None:
    """A list or an object is no key of a dictionary, in which SQLAlchemy keeps rows."""

    class Own(DeclarativeBase):
        metadata = MetaData()

    class Thing(Own):
        __tablename__ = "things"
        id: Mapped[Any] = mapped_column(type_, primary_key=True)

    with pytest.raises(ConfigurationError, match="can be hashed: no list"):
        resource(Thing, writable={"id"})


class SpanBase(Model):
    """Tables that only PostgreSQL has."""

    __abstract__ = True
    metadata = MetaData()


class Slot(SpanBase):
    __tablename__ = "slots"
    span: Mapped[postgresql.Range[int]] = mapped_column(postgresql.INT4RANGE, primary_key=True)
    note: Mapped[str | None] = mapped_column(String(20))


@pytest.mark.backends("asyncpg", "psycopg")
async def test_a_range_is_a_key(twin_urls: tuple[str, str]) -> None:
    """Its JSON stands in the path, escaped."""
    async with twins_of(twin_urls, SpanBase.metadata, resource(Slot, writable={"span"})) as twins:
        for lower in (1, 7):
            made = await twins.send("POST", "/slots", json={"span": {"lower": lower, "upper": 9}})
            assert made.status_code == 201, made.text
            read = await twins.send("GET", made.headers["location"])
            assert read.json() == made.json()
        page = (await twins.send("GET", "/slots?limit=1")).json()
        rest = (await twins.send("GET", f"/slots?cursor={page['next_cursor']}")).json()
        assert [each["span"]["lower"] for each in (*page["items"], *rest["items"])] == [1, 7]


def model_of(name: str) -> Any:
    columns = {"id": mapped_column(primary_key=True), "size": mapped_column(Integer)}
    annotations = {"id": Mapped[int], "size": Mapped[int | None]}
    return type(name, (RuleBase,), {
        "__tablename__": name.lower(), "__annotations__": annotations, **columns,
    })  # fmt: skip


class RuleBase(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData()


def refuses(error: Exception) -> Any:
    def refuse(*_: object) -> None:
        raise error

    return refuse


RULES: dict[str, tuple[Exception, int]] = {
    "Valued": (ValueError("8531"), 500),
    "Typed": (TypeError("8531"), 500),
    "Refused": (RefusedError("validation_error", "a rule"), 422),
    "Answered": (HTTPException(409, "a rule"), 409),
}
HEARD = {name: model_of(name) for name in RULES}
HOOKED = model_of("Hooked")
for _name, (_error, _) in RULES.items():
    event.listen(HEARD[_name], "before_insert", refuses(_error))


@pytest.mark.long
@pytest.mark.backends("sqlite", "asyncpg")
@pytest.mark.parametrize("name", RULES)
async def test_hooks_and_events_refuse_by_errors_that_say_so(database_url: str, name: str) -> None:
    """`RefusedError` and `HTTPException`; any other is the program's, and its words stay in."""
    error, status = RULES[name]
    app = FastAPI()
    Database(database_url, metadata=RuleBase.metadata).attach(app)
    app.include_router(resource(HEARD[name], path="/heard"))
    app.include_router(resource(HOOKED, path="/hooked", hooks={"before_create": refuses(error)}))
    async with client_of(app) as client:
        for path in ("/heard", "/hooked"):
            answer = await client.post(path, json={"size": 1})
            assert answer.status_code == status, answer.text
            assert ("a rule" in answer.text) == (status < 500)
            assert "8531" not in answer.text
            assert (await client.get(path)).json()["items"] == []
