"""Pitfalls of objects and their attributes."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict
from sqlalchemy import MetaData, select
from sqlalchemy.exc import MissingGreenlet, StatementError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

from ormolu import Database, LazyLoadError, Model, NaiveDatetimeError, SessionDep
from tests.fixtures.apps import client_of
from tests.pitfalls.guide import make_guide
from tests.pitfalls.tables import Base, Guest, Plain, PlainGuest, Purchase


class OrderOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int


class UserOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int
    changed: datetime
    orders: list[OrderOut]


@pytest.mark.long
async def test_pitfall_04_missing_greenlet(database_url: str) -> None:
    """A changed row is answered with what the database made; a lazy relation names its option."""
    app, db = FastAPI(), Database(database_url, metadata=Base.metadata)
    db.attach(app)

    @app.post("/users", status_code=201)
    async def create(session: SessionDep) -> int:
        user = Guest(name="a")
        session.add(user)
        await session.flush()
        return user.id

    @app.patch("/users/{number}", response_model=UserOut)
    async def change(number: int, session: SessionDep) -> Guest:
        user = await session.get_one(Guest, number, options=[selectinload(Guest.orders)])
        user.name = "b"
        await session.flush()
        return user

    async with client_of(app) as client:
        assert (await client.post("/users")).status_code == 201
        answer = await client.patch("/users/1")
        assert (answer.status_code, answer.json()["orders"]) == (200, [])
    async with db, db.unit_of_work() as session:
        user = await session.get_one(Guest, 1)
        with pytest.raises(LazyLoadError, match=r"selectinload\(Guest.orders\)"):
            _ = user.orders


@pytest.mark.backends("asyncpg")
async def test_guide_has_pitfall_04(database_url: str) -> None:
    """The guide's model breaks on the relation, and on the value made by an UPDATE."""
    guide = make_guide(database_url, Plain.metadata)

    @guide.app.get("/break")
    async def change(session: Annotated[AsyncSession, Depends(guide.get_db)]) -> list[str]:
        user = PlainGuest(name="a")
        session.add(user)
        await session.commit()
        user.name = "b"
        await session.commit()
        broken = []
        for name in ("changed", "orders"):
            try:
                getattr(user, name)
            except (MissingGreenlet, StatementError):
                broken.append(name)
        return broken

    async with client_of(guide.app) as client:
        assert (await client.get("/break")).json() == ["changed", "orders"]


async def test_pitfall_20_naive_and_aware_datetimes(database_url: str) -> None:
    """An instant comes back as the same instant on every backend; a naive one is refused."""
    instant = datetime(2024, 1, 1, 12, tzinfo=timezone(timedelta(hours=3)))
    async with Database(database_url, metadata=Base.metadata) as db:
        async with db.unit_of_work() as session:
            session.add(Guest(name="a", seen=instant))
        async with db.unit_of_work(read_only=True) as session:
            user = await session.get_one(Guest, 1)
            query = select(Guest.id).where(Guest.seen == datetime(2024, 1, 1, 9, tzinfo=UTC))
            assert await session.scalar(query) == 1
        assert (user.seen, user.seen and user.seen.tzinfo) == (instant, UTC)
        with pytest.raises(StatementError) as error:
            async with db.unit_of_work() as session:
                session.add(Guest(name="b", seen=datetime(2024, 1, 1)))
        assert isinstance(error.value.orig, NaiveDatetimeError)


@pytest.mark.backends("sqlite", "mariadb")
async def test_guide_has_pitfall_20(database_url: str) -> None:
    """The guide's column drops the offset: another instant, and a naive one."""
    instant = datetime(2024, 1, 1, 12, tzinfo=timezone(timedelta(hours=3)))
    guide = make_guide(database_url, Plain.metadata)
    async with guide.app.router.lifespan_context(guide.app):
        async with guide.maker() as session:
            session.add(PlainGuest(name="a", seen=instant))
            await session.commit()
        async with guide.maker() as session:
            user = await session.get_one(PlainGuest, 1)
    assert user.seen == datetime(2024, 1, 1, 12)


async def test_pitfall_40_mapper_errors_show_at_the_start(database_url: str) -> None:
    """A relation to a class that nobody imported is an error at the start, not in a request."""

    class Broken(DeclarativeBase):
        pass

    class Child(Broken):
        __tablename__ = "children"
        id: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int]
        parent = relationship("Nowhere")

    try:
        with pytest.raises(Exception, match="Nowhere"):
            await Database(database_url, metadata=Broken.metadata).open()
    finally:
        Broken.registry.dispose()
    assert Purchase.__tablename__


class Priced(Model):
    """A row with a decimal that says nothing of its digits; its table is its own."""

    __tablename__ = "priced"
    metadata = MetaData()

    id: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[Decimal]


async def test_decimals_keep_their_digits(database_url: str) -> None:
    """MariaDB makes DECIMAL(10, 0) of a decimal without digits, and 20 of 19.99."""
    async with Database(database_url, metadata=Priced.metadata) as db:
        async with db.unit_of_work() as session:
            session.add(Priced(price=Decimal("19.99")))
        async with db.unit_of_work() as session:
            assert await session.scalar(select(Priced.price)) == Decimal("19.99")
