"""Pitfalls of SQLite."""

import asyncio
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from sqlalchemy import ForeignKey, MetaData, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ormolu import Database, SessionDep
from tests.fixtures.apps import client_of
from tests.pitfalls.guide import make_guide
from tests.pitfalls.tables import Base, Guest, Item, Plain, PlainGuest

pytestmark = pytest.mark.backends("sqlite")


class Loose(DeclarativeBase):
    metadata = MetaData()


class Parent(Loose):
    __tablename__ = "parents"
    id: Mapped[int] = mapped_column(primary_key=True)


class Child(Loose):
    __tablename__ = "children"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int] = mapped_column(ForeignKey("parents.id"))


@pytest.mark.long
async def test_pitfall_08_locking_and_lost_updates(database_url: str) -> None:
    """40 concurrent increments end at exactly 40, without one error."""
    app, db = FastAPI(), Database(database_url, metadata=Base.metadata)
    db.attach(app)

    @app.post("/increments")
    async def increment(session: SessionDep) -> int:
        user = await session.get_one(Guest, 1)
        seen = user.n
        await asyncio.sleep(0.001)
        user.n = seen + 1
        return user.n

    async with client_of(app) as client:
        async with db.unit_of_work() as session:
            session.add(Guest(name="a"))
        answers = await asyncio.gather(*(client.post("/increments") for _ in range(40)))
        assert {answer.status_code for answer in answers} == {200}
        async with db.unit_of_work(read_only=True) as session:
            assert (await session.get_one(Guest, 1)).n == 40


async def test_pitfall_08_savepoint_and_ddl_are_rolled_back(database_url: str) -> None:
    """A ROLLBACK undoes a released savepoint and a CREATE TABLE."""
    async with Database(database_url, metadata=Base.metadata) as db:
        with pytest.raises(ValueError, match="undo"):
            async with db.unit_of_work() as session:
                async with session.begin_nested():
                    session.add(Guest(name="a"))
                await session.execute(text("CREATE TABLE made (id INTEGER)"))
                raise ValueError("undo")
        async with db.unit_of_work(read_only=True) as session:
            assert await session.scalar(select(func.count()).select_from(Guest)) == 0
            query = "SELECT count(*) FROM sqlite_master WHERE name = 'made'"
            assert await session.scalar(text(query)) == 0


@pytest.mark.long
async def test_guide_has_pitfall_08(database_url: str) -> None:
    """The guide's program loses updates, and says 200 to each."""
    guide = make_guide(database_url, Plain.metadata)

    @guide.app.post("/increments")
    async def increment(session: Annotated[AsyncSession, Depends(guide.get_db)]) -> int:
        user = await session.get_one(PlainGuest, 1)
        seen = user.n
        await asyncio.sleep(0.001)
        user.n = seen + 1
        return user.n

    async with client_of(guide.app) as client:
        async with guide.maker() as session:
            session.add(PlainGuest(name="a"))
            await session.commit()
        await asyncio.gather(*(client.post("/increments") for _ in range(40)))
        async with guide.maker() as session:
            assert (await session.get_one(PlainGuest, 1)).n < 40


async def test_pitfall_18_foreign_keys_are_off(database_url: str) -> None:
    """An orphan is refused, as on every other backend."""
    async with Database(database_url, metadata=Base.metadata) as db:
        with pytest.raises(IntegrityError):
            async with db.unit_of_work() as session:
                session.add(Item(user_id=999))


async def test_guide_has_pitfall_18(database_url: str) -> None:
    """The guide's SQLite takes an orphan."""
    guide = make_guide(database_url, Loose.metadata)
    async with guide.app.router.lifespan_context(guide.app), guide.maker() as session:
        session.add(Child(parent_id=999))
        await session.commit()


@pytest.mark.parametrize("url", ["sqlite://", ":memory:"])
async def test_pitfall_19_memory_has_one_transaction_for_all(url: str) -> None:
    """Sessions on a database in memory see and harm nothing of each other."""
    async with Database(url, metadata=Base.metadata) as db:
        async with db.unit_of_work() as writer:
            writer.add(Guest(name="a"))
            await writer.flush()
            async with db.unit_of_work(read_only=True) as reader:
                assert await reader.scalar(select(func.count()).select_from(Guest)) == 0
                await reader.rollback()
        async with db.unit_of_work(read_only=True) as reader:
            assert await reader.scalar(select(func.count()).select_from(Guest)) == 1


async def test_guide_has_pitfall_19() -> None:
    """The guide's database in memory shows what is uncommitted, and loses it to a rollback."""
    engine = create_async_engine("sqlite+aiosqlite://")
    maker = async_sessionmaker(engine, expire_on_commit=False)
    async with engine.begin() as connection:
        await connection.run_sync(Plain.metadata.create_all)
    async with maker() as writer, maker() as reader:
        writer.add(PlainGuest(name="a"))
        await writer.flush()
        assert len((await reader.scalars(select(PlainGuest.id))).all()) == 1
        await reader.rollback()
        await writer.commit()
    async with maker() as reader:
        assert (await reader.scalars(select(PlainGuest.id))).all() == []
    await engine.dispose()
