"""People with values of every type, their team, pets and clubs, as resources."""

from __future__ import annotations

import enum
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import httpx2
from fastapi import FastAPI
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ormolu import Database, Model, resource
from tests.fixtures.apps import client_of


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Colour(enum.Enum):
    """Named out of the order of its values."""

    RED = "red"
    BLUE = "blue"
    GREEN = "green"


memberships = Table(
    "memberships",
    Base.metadata,
    Column("person_id", ForeignKey("people.id"), primary_key=True),
    Column("club_id", ForeignKey("clubs.id"), primary_key=True),
)


class Team(Base):
    __tablename__ = "teams"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    city: Mapped[str | None] = mapped_column(String(20))


class Person(Base):
    __tablename__ = "people"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    nick: Mapped[str | None] = mapped_column(String(20))
    age: Mapped[int | None]
    big: Mapped[int | None] = mapped_column(BigInteger)
    price: Mapped[Decimal | None] = mapped_column(Numeric(8, 2))
    born: Mapped[datetime | None]
    day: Mapped[date | None]
    at: Mapped[time | None]
    ratio: Mapped[float | None]
    is_member: Mapped[bool | None]
    colour: Mapped[Colour | None]
    code: Mapped[UUID | None] = mapped_column(Uuid)
    wait: Mapped[timedelta | None] = mapped_column(Interval)
    raw: Mapped[bytes | None] = mapped_column(LargeBinary(20))
    notes: Mapped[str | None] = mapped_column(Text)
    extra: Mapped[dict[str, Any] | None]
    secret: Mapped[str | None] = mapped_column(String(20))
    email: Mapped[str | None] = mapped_column(String(40), unique=True)
    team_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id"))
    team: Mapped[Team | None] = relationship()
    pets: Mapped[list[Pet]] = relationship(back_populates="owner")
    clubs: Mapped[list[Club]] = relationship(secondary=memberships)

    @hybrid_property
    def double(self) -> int:
        """Twice the age."""
        return self.age * 2  # type: ignore[operator]


class Pet(Base):
    __tablename__ = "pets"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    weight: Mapped[int | None]
    owner_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    owner: Mapped[Person] = relationship(back_populates="pets")


class Club(Base):
    __tablename__ = "clubs"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


people = resource(
    Person, includes={"team", "pets", "clubs"}, searchable={"name", "notes"}, max_offset=1000
)
teams = resource(Team)
pets = resource(Pet, includes={"owner"})
clubs = resource(Club)

LETTERS = (
    "a",
    "b",
    "B",
    "Z",
    "e",
    "é",
    "É",
    "s",
    "ß",
    "\U0001f600",
    "\uffee",
    "\t",
    " ",
    "%",
    "_",
    "*",
    "[",
    "]",
    "?",
    "\\",
    "!",
    "'",
    "10",
    "9",
)


def text(source: random.Random) -> str:
    """Return a short text of letters that backends like to confuse."""
    return "".join(source.choice(LETTERS) for _ in range(source.randint(0, 4)))


def value(source: random.Random, name: str) -> Any:
    """Return a value of a column; few different ones, so that many rows are equal."""
    made: dict[str, Any] = {
        "name": text(source),
        "nick": text(source),
        "notes": text(source),
        "age": source.randint(-2, 3),
        "big": source.choice([-(2**63), -1, 0, 2**53 + 1, 2**63 - 1]),
        "price": Decimal(source.choice(["-0.01", "0.00", "0.10", "0.30", "999999.99"])),
        "born": datetime(2026, 1, source.randint(1, 3), 12, 0, 0, source.randint(0, 2), tzinfo=UTC),
        "day": date(2026, 1, source.randint(1, 3)),
        "at": time(source.randint(0, 2), 30),
        "ratio": source.choice([-0.1, 0.0, 0.1, 1e300, 0.1 + 0.2]),
        "is_member": source.random() < 0.5,
        "colour": source.choice(list(Colour)),
        "code": uuid5(UUID(int=0), str(source.randint(0, 4))),
        "wait": timedelta(seconds=source.randint(0, 3)),
        "raw": source.choice([b"", b"a", b"A", b"a\x00", b"\xff"]),
        "team_id": source.randint(1, 4),
    }
    return made[name]


def probe(source: random.Random, name: str) -> Any:
    """Return a value to compare a column with: one of its own, or one between them."""
    near: dict[str, Any] = {
        "name": text(source) + text(source),
        "big": source.randint(-(2**63), 2**63 - 1),
        "price": Decimal(source.choice(["0.104", "0.296", "-0.0101", "1000000", "9" * 30])),
        "born": datetime(2026, 1, 2, 12, 0, 0, source.randint(0, 3), tzinfo=UTC).astimezone(
            timezone(timedelta(hours=source.randint(-14, 14)))
        ),
        "ratio": source.choice([-1e-300, 0.3, 0.30000000000000004, -1e300]),
        "code": uuid5(UUID(int=1), "x"),
        "wait": timedelta(days=-source.randint(0, 3)),
        "raw": b"b",
        "double": source.randint(-5, 7),
    }
    is_near = name == "double" or (name in near and source.random() < 0.2)
    return near[name] if is_near else value(source, name)


NAMES = (
    "name", "nick", "notes", "age", "big", "price", "born", "day", "at", "ratio", "is_member",
    "colour", "code", "wait", "raw", "team_id",
)  # fmt: skip


def person(source: random.Random) -> dict[str, Any]:
    """Return the values of a person."""
    return {
        name: None if name != "name" and source.random() < 0.3 else value(source, name)
        for name in NAMES
    }


def app_of(db: Database) -> FastAPI:
    """Return an application with the resources."""
    app = FastAPI()
    db.attach(app)
    for router in (people, teams, pets, clubs):
        app.include_router(router)
    return app


async def fill(db: Database, *, seed: int = 1, count: int = 60) -> list[dict[str, Any]]:
    """Store people with teams, pets and clubs; return them as plain values, relations included."""
    source = random.Random(seed)
    rows = [{**person(source), "id": number + 1} for number in range(count)]
    homes = [
        {"id": number + 1, "name": text(source), "city": source.choice([None, "x", "y"])}
        for number in range(4)
    ]
    animals = [
        {
            "id": number + 1,
            "name": text(source),
            "weight": source.choice([None, 1, 2, 3]),
            "owner_id": source.randint(1, count),
        }
        for number in range(count)
    ]
    groups = [{"id": number + 1, "name": f"c{number}"} for number in range(3)]
    links = {(source.randint(1, count), source.randint(1, 3)) for _ in range(count)}
    async with db.unit_of_work() as session:
        session.add_all([Team(**row) for row in homes] + [Club(**row) for row in groups])
        await session.flush()
        session.add_all([Person(**row) for row in rows])
        await session.flush()
        session.add_all([Pet(**row) for row in animals])
        for one, group in links:
            await session.execute(memberships.insert().values(person_id=one, club_id=group))
    for row in rows:
        row["double"] = None if row["age"] is None else row["age"] * 2
        row["team"] = next((home for home in homes if home["id"] == row["team_id"]), None)
        row["pets"] = [
            {**animal, "owner": row} for animal in animals if animal["owner_id"] == row["id"]
        ]
        row["clubs"] = [group for group in groups if (row["id"], group["id"]) in links]
    return rows


@asynccontextmanager
async def served(url: str, **limits: Any) -> AsyncIterator[tuple[httpx2.AsyncClient, Database]]:
    """Run the application on an empty database; the limits are those of `Database`."""
    db = Database(url, metadata=Base.metadata, **limits)
    async with client_of(app_of(db)) as client:
        yield client, db
