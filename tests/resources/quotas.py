"""Models whose columns and relations are called like words of the grammar; served as resources."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from fastapi import FastAPI
from sqlalchemy import ForeignKey, Integer, MetaData, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ormolu import Database, Model, resource
from tests.fixtures.apps import client_of


class Base(Model):
    """Tables of their own."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class Plan(Base):
    """What quotas belong to."""

    __tablename__ = "plans"

    id: Mapped[int] = mapped_column(primary_key=True)
    limit: Mapped[int]
    any: Mapped[int]
    quotas: Mapped[list[Quota]] = relationship(back_populates="sort")


class Quota(Base):
    """Nothing here has a name of its own."""

    __tablename__ = "quotas"

    id: Mapped[int] = mapped_column(primary_key=True)
    limit: Mapped[int]
    offset: Mapped[int]
    count: Mapped[int]
    cursor: Mapped[int | None]
    where: Mapped[str] = mapped_column(String(20), unique=True)
    q: Mapped[str] = mapped_column(String(20))
    fields: Mapped[str] = mapped_column(String(20))
    not_: Mapped[int] = mapped_column("not")
    name: Mapped[str] = mapped_column(String(20))
    name__in: Mapped[str] = mapped_column(String(20))
    limit_: Mapped[int]
    last__count: Mapped[int]
    is__null: Mapped[bool]
    sort_id: Mapped[int | None] = mapped_column(ForeignKey("plans.id"))
    sort: Mapped[Plan | None] = relationship(back_populates="quotas")


class Gate(Base):
    """Columns called like what joins filters."""

    __tablename__ = "gates"

    id: Mapped[int] = mapped_column(primary_key=True)


# `and`, `or`, `not` can be names of attributes, and not be written as such.
for _name in ("and", "or", "not"):
    setattr(Gate, _name, mapped_column(Integer, default=0))


quotas = resource(Quota, includes={"sort"}, max_offset=10, searchable={"q"})
plans = resource(Plan, includes={"quotas"})
gates = resource(Gate)


def row(number: int) -> dict[str, object]:
    """Return a quota's values, all of which tell its number."""
    words = ("where", "q", "fields", "name", "name__in")
    numbers = ("id", "limit", "offset", "count", "cursor", "not_", "limit_", "last__count")
    return {
        **dict.fromkeys(numbers, number),
        **dict.fromkeys(words, f"w{number}"),
        "is__null": number == 1,
        "sort_id": number,
    }


def app_of(db: Database) -> FastAPI:
    """Return an application with the resources."""
    app = FastAPI()
    db.attach(app)
    for router in (quotas, plans, gates):
        app.include_router(router)
    return app


@asynccontextmanager
async def served(db: Database) -> AsyncIterator[httpx2.AsyncClient]:
    """Run the application on a database with three quotas of three plans."""
    async with client_of(app_of(db)) as client:
        await fill(db)
        yield client


async def fill(db: Database) -> None:
    """Store three quotas of three plans."""
    async with db.unit_of_work() as session:
        session.add_all(Plan(id=number, limit=number, any=number) for number in (1, 2, 3))
        await session.flush()
        session.add_all(Quota(**row(number)) for number in (1, 2, 3))


def database_of(url: str) -> Database:
    """Return a database with these tables."""
    return Database(url, metadata=Base.metadata)
