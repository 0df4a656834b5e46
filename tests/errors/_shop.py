"""A small shop: models with every kind of constraint, and an application around one action."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx2
from fastapi import FastAPI
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Enum,
    ForeignKey,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ormolu import Database, Model, SessionDep
from tests.fixtures.apps import client_of

Act = Callable[[AsyncSession], Awaitable[object]]


class Shop(Model):
    """Tables of their own: other tests have theirs."""

    __abstract__ = True
    metadata = MetaData(naming_convention=Model.metadata.naming_convention)


class User(Shop):
    __tablename__ = "users"
    __table_args__ = (CheckConstraint("age >= 0", name="age"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    nick: Mapped[str | None] = mapped_column(String(5))
    age: Mapped[int | None]
    small: Mapped[int | None] = mapped_column(SmallInteger)
    big: Mapped[int | None] = mapped_column(BigInteger)
    price: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    ratio: Mapped[float | None]
    notes: Mapped[str | None] = mapped_column(Text)
    born: Mapped[datetime | None]
    extra: Mapped[dict[str, Any] | None]
    is_member: Mapped[bool | None]
    colour: Mapped[str | None] = mapped_column(
        Enum("red", "blue", name="colour", validate_strings=True)
    )
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version, "eager_defaults": True}  # noqa: RUF012


class Order(Shop):
    __tablename__ = "orders"
    __table_args__ = (UniqueConstraint("user_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    number: Mapped[int]


class Seat(Shop):
    __tablename__ = "seats"

    row: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


def app_of(db: Database, act: Act) -> FastAPI:
    """Return an application whose one route does this, as a POST and as a GET."""
    app = FastAPI()
    db.attach(app)

    @app.post("/act")
    @app.get("/act")
    async def run(session: SessionDep) -> None:
        await act(session)

    return app


async def fill(db: Database) -> None:
    """Store one row of each model, each with the keys 1, or 1 and 1."""
    async with db.unit_of_work() as session:
        session.add_all([User(email="ann@example.com"), Seat(row=1, place=1)])
        await session.flush()
        session.add(Order(user_id=1, number=1))


@asynccontextmanager
async def shop_of(url: str, act: Act, **options: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """Run the application around one action, on a filled database."""
    db = Database(url, metadata=Shop.metadata, **options)
    async with client_of(app_of(db, act)) as client:
        await fill(db)
        yield client


def add(*instances: Callable[[], Shop]) -> Act:
    """Return an action that stores new objects."""

    async def act(session: AsyncSession) -> None:
        session.add_all([make() for make in instances])
        await session.flush()

    return act


def new_user(**values: Any) -> Act:
    """Return an action that stores a user."""
    return add(lambda: User(**{"email": "new@example.com", **values}))
